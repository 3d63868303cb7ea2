"""A batch job as it was accepted, and the keys of its objects."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from mlops.errors import InputForbidden, JobNotFound
from mlops.inference.version import Pin
from mlops.models.contract import Contract

ROWS_PER_CHUNK = 10_000
MAX_RECORD_BYTES = 64 * 1024
"""Of one row of CSV or JSON, without its line feed."""

MAX_CHUNK_BYTES = 16 * 1024 * 1024
"""Of 10,000 rows. A real row has some hundred bytes; without this, a small archive could hold
rows that fill all memory."""

UPLOADS = "batch/uploads/"
JOBS = "batch/jobs/"

ENDED = "-ended"
SENT = "-sent"
REFUSED = "refused"

JOB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
OWNER = re.compile(r"[\x21-\x7e]{1,256}")
"""Names of submitters, in visible ASCII. The API's own begin with their kind: `iam:`, `jwt:`."""


class Format(StrEnum):
    # Of an input and of results; the value is the file's suffix.
    CSV = "csv"
    CSV_GZIP = "csv.gz"
    JSONL = "jsonl"
    JSONL_GZIP = "jsonl.gz"
    PARQUET = "parquet"

    @property
    def plain(self) -> "Format":
        return Format(self.value.removesuffix(".gz"))

    @property
    def compressed(self) -> bool:
        return self is not self.plain


_SYNONYMS = {"ndjson": "jsonl", "jsonlines": "jsonl", "pq": "parquet", "parq": "parquet"}


def format_of(name: str) -> Format | None:
    """Return the format that the end of a file's name tells, in upper or lower case."""
    first, dot, last = name.rpartition(".")
    if last.lower() in ("gz", "gzip"):
        first, dot, kind = first.rpartition(".")
        suffix = ".gz"
    else:
        kind, suffix = last, ""
    kind = _SYNONYMS.get(kind.lower(), kind.lower())
    found = f"{kind}{suffix}"
    return Format(found) if dot and found in list(Format) else None


Renames = Mapping[str, str | None]
"""Columns of a file by their names there: what each is called in the contract, or None to leave
it out. Columns that are not in the file are allowed, so one mapping fits several files."""

NO_RENAMES: Renames = {}
MAX_RENAMES = 1_000
MAX_COLUMN_NAME = 256
"""Characters of a column's name that is renamed or left out."""


def find_unknown_field(contract: Contract, renames: Renames) -> str | None:
    """Return the first name that a column gets and no field has, or None if there is none."""
    unknown = (name for name in renames.values() if name not in contract.by_name)
    return next((name for name in unknown if name is not None), None)


@dataclass(frozen=True)
class Job:
    """A job, written once at submission and never changed.

    owner: who submitted it; nobody else can see it.
    pin: the model as it was resolved at submission. pin_asked: whether the submitter named it.
    input_tag: the state of the input object at submission; another one is refused.
    request: digest of the submission, which tells whether another one is the same.
    submitted_at: aware, UTC.
    escape_formulas: whether results in CSV are safe to open in a spreadsheet.
    """

    job_id: str
    owner: str
    pin: Pin
    input_key: str
    input_tag: str
    input_format: Format
    output_format: Format
    submitted_at: datetime
    request: str
    pin_asked: bool
    rename: Renames = field(default_factory=dict)
    escape_formulas: bool = True

    @property
    def dropped(self) -> Sequence[str]:
        """The columns of the input that are left out."""
        return [name for name, field in self.rename.items() if field is None]

    def to_bytes(self) -> bytes:
        document = {
            "job_id": self.job_id,
            "owner": self.owner,
            "pin": str(self.pin),
            "input_key": self.input_key,
            "input_tag": self.input_tag,
            "input_format": self.input_format,
            "output_format": self.output_format,
            "submitted_at": self.submitted_at.isoformat(),
            "request": self.request,
            "pin_asked": self.pin_asked,
            "rename": self.rename,
            "escape_formulas": self.escape_formulas,
        }
        return (json.dumps(document, indent=1) + "\n").encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> "Job":
        document = json.loads(content)
        return cls(
            job_id=document["job_id"],
            owner=document["owner"],
            pin=Pin.parse(document["pin"]),
            input_key=document["input_key"],
            input_tag=document["input_tag"],
            input_format=Format(document["input_format"]),
            output_format=Format(document["output_format"]),
            submitted_at=datetime.fromisoformat(document["submitted_at"]),
            request=document["request"],
            pin_asked=document["pin_asked"],
            # Jobs of earlier releases have neither.
            rename=document.get("rename", {}),
            escape_formulas=document.get("escape_formulas", True),
        )


@dataclass(frozen=True)
class Limits:
    """rows: of a job. bytes: of an input, uncompressed."""

    rows: int = 1_000_000
    bytes: int = 1024 * 1024 * 1024


@dataclass(frozen=True)
class Task:
    """One message of ours on the queue: a whole job, or one chunk of it, counted from 0.

    generation: how often the job had been retried when this was sent. A later retry sends
    everything that is missing again, so an older task is not worked on.
    """

    job_id: str
    chunk: int | None = None
    generation: int = 0

    def to_text(self) -> str:
        document: dict[str, object] = {"job_id": self.job_id, "chunk": self.chunk}
        if self.generation:  # earlier releases know no such field
            document["generation"] = self.generation
        return json.dumps(document)


@dataclass(frozen=True)
class Keys:
    """Where the objects of one job lie. Each is written once and never changed.

    Raises JobNotFound for an id that no job can have.
    """

    job_id: str

    def __post_init__(self) -> None:
        if JOB_ID.fullmatch(self.job_id) is None:
            raise JobNotFound(self.job_id)

    @property
    def folder(self) -> str:
        return f"{JOBS}{self.job_id}/"

    @property
    def job(self) -> str:
        return f"{self.folder}job.json"

    @property
    def rejected(self) -> str:
        """Why a message with this job's id was no job."""
        return f"{self.folder}rejected.json"

    @property
    def inline_rows(self) -> str:
        return f"{self.folder}input.jsonl"

    @property
    def queued(self) -> str:
        """The message of the whole job is on the queue."""
        return f"{self.folder}queued.json"

    @property
    def started(self) -> str:
        return f"{self.folder}started.json"

    @property
    def plan(self) -> str:
        return f"{self.folder}plan.json"

    def sent(self, generation: int) -> str:
        """All chunks were put on the queue, since the job was last retried."""
        name = f"sent-{generation:04}" if generation else "sent"
        return f"{self.folder}{name}.json"

    @property
    def chunks(self) -> str:
        return f"{self.folder}chunks/"

    def chunk(self, number: int, part: str) -> str:
        """part: input, results or errors."""
        return f"{self.chunks}{number:06}/{part}"

    @property
    def done(self) -> str:
        return f"{self.folder}done/"

    def done_chunk(self, number: int, predicted: int, refused: int) -> str:
        """The counts are in the name: one listing tells how far a job has come."""
        return f"{self.done}{number:06}-{predicted}-{refused}"

    @property
    def outcome(self) -> str:
        """Says whether the job was cancelled or has finished. The first to create it decides."""
        return f"{self.folder}outcome.json"

    def results(self, format: Format) -> str:
        return f"{self.folder}results.{format}"

    def errors(self, format: Format) -> str:
        return f"{self.folder}errors.{format}"

    @property
    def summary(self) -> str:
        """Written last: where it is, everything is."""
        return f"{self.folder}summary.json"

    @property
    def retries(self) -> str:
        return f"{self.folder}retries/"

    def retry(self, generation: int) -> str:
        """Begins a generation. Only the request that created it sends the messages."""
        return f"{self.retries}{generation - 1:04}"

    def retry_sent(self, generation: int) -> str:
        """The messages of a generation are on the queue."""
        return f"{self.retry(generation)}{SENT}"

    @property
    def failures(self) -> str:
        return f"{self.folder}failures/"

    def failure(self, task: Task) -> str:
        """Why a task failed."""
        return f"{self.failures}{task.generation:04}/{_name(task)}"

    def refused(self, generation: int) -> str:
        """Why the input cannot be predicted: no task of this generation is worked on any more."""
        return f"{self.failures}{generation:04}/{REFUSED}"

    @property
    def last_tries(self) -> str:
        return f"{self.folder}last-tries/"

    def last_try(self, task: Task) -> str:
        """Written before a task's last try: should that be killed, nobody else could tell."""
        return f"{self.last_tries}{task.generation:04}/{_name(task)}"

    def last_try_ended(self, task: Task) -> str:
        """Written after it: it was not killed."""
        return f"{self.last_try(task)}{ENDED}"


def _name(task: Task) -> str:
    return "job" if task.chunk is None else f"{task.chunk:06}"


def folder_of(owner: str) -> str:
    """Return the folder of an owner's uploads; different owners have different folders.

    A character that a key cannot hold is written as `=` and two hexadecimal digits. A name that is
    then too long for a folder on disks is written as `=sha256-` and its digest: since `=s` begins
    no such character, no other name can have this folder.
    """
    name = re.sub(r"[^A-Za-z0-9_-]", lambda match: f"={ord(match[0]):02x}", owner)
    if len(name) <= 200:
        return name
    return f"=sha256-{hashlib.sha256(owner.encode()).hexdigest()}"


@dataclass(frozen=True)
class Uploads:
    """Where inputs may lie.

    root: URL of the store, `s3://bucket/` or `s3://bucket/prefix/`.
    """

    root: str

    def url(self, key: str) -> str:
        return self.root + key

    def prefix(self, owner: str) -> str:
        return f"{self.root}{UPLOADS}{folder_of(owner)}/"

    def key(self, url: str, owner: str) -> str:
        """The key of an input in the store. Raises InputForbidden, without asking the store."""
        prefix = self.prefix(owner)
        name = url.removeprefix(prefix)
        parts = name.split("/")
        if (
            not url.startswith(prefix)
            or len(name) > 512
            or not name.isprintable()
            or any(mark in name for mark in "%\\?#")
            or any(part[:1] in {"", "."} for part in parts)
        ):
            raise InputForbidden(prefix)
        return url.removeprefix(self.root)
