"""`mlops batch submit | status | results | cancel | retry`: batch jobs over the API."""

import hashlib
import json
import re
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Annotated, Any
from urllib.parse import unquote, urlsplit

import typer
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from mlops.batch.job import Format, format_of
from mlops.batch.jobs import MAX_INPUT_BYTES
from mlops.cli.answers import JOB_ID, Job, Upload
from mlops.cli.api_client import ApiClient, client
from mlops.cli.column_renames import read_renames
from mlops.cli.output import AsJson, answer, notes, table
from mlops.errors import ConfigInvalid
from mlops.models.characters import find_other_than_visible_ascii

_PATH = "/v1/predict/batch"
_FIRST_POLL_SECONDS, _LAST_POLL_SECONDS = 0.2, 5.0
_INTERRUPTED = 130
_BLOCK = 1024 * 1024
_FILES = ("results", "errors", "summary")


class State(StrEnum):
    """The final states of a job; before them it is `queued` or `running`."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


Url = Annotated[
    str,
    typer.Option(
        envvar="MLOPS_API_URL",
        help="URL of the API. Requests that leave this machine are signed with AWS credentials, or"
        " carry the bearer token MLOPS_API_TOKEN.",
    ),
]
DEFAULT_URL = "http://127.0.0.1:8000"
JobId = Annotated[str, typer.Argument(help="Id of the job, as `mlops batch submit` shows it.")]
Output = Annotated[
    Path | None,
    typer.Option(
        help="Folder to download results, errors and summary to. [default: the id of the job]"
    ),
]
AnyFormat = Annotated[
    Format | None,
    typer.Option(
        help="Format of the file. [default: the one that its name ends with]", case_sensitive=False
    ),
]


def add_to(app: typer.Typer) -> None:
    group = typer.Typer(
        no_args_is_help=True, rich_markup_mode=None, help="Predict many rows at once."
    )
    for command in (submit, status, results, cancel, retry):
        group.command()(command)
    app.add_typer(group, name="batch")


def submit(
    file: Annotated[
        Path,
        typer.Argument(
            exists=True,
            dir_okay=False,
            readable=True,
            help="The file of rows to predict, or a pipe.",
        ),
    ],
    model: Annotated[str, typer.Option(help="Name of the model.")] = "churn",
    pin: Annotated[
        str | None,
        typer.Option(help="Pin of the version to use. [default: the version that the API serves]"),
    ] = None,
    format: AnyFormat = None,
    output_format: Annotated[
        Format | None,
        typer.Option(
            help="Format of results and errors. [default: that of the file]", case_sensitive=False
        ),
    ] = None,
    rename: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN=FIELD",
            help="Read this column of the file as this field of the model. Can be repeated.",
        ),
    ] = None,
    drop: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN", help="Leave out this column of the file. Can be repeated."),
    ] = None,
    rename_file: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            readable=True,
            help='Read --rename and --drop from a file: JSON {"column": "field", "column to leave'
            ' out": null}, or CSV lines column,field.',
        ),
    ] = None,
    escape_formulas: Annotated[
        bool,
        typer.Option(
            help="In CSV results, put an apostrophe before ids that a spreadsheet would run as"
            " formulas.",
        ),
    ] = True,
    wait: Annotated[
        bool,
        typer.Option("--wait", help="Wait until the job has finished, and download its results."),
    ] = False,
    output: Output = None,
    idempotency_key: Annotated[
        str | None,
        typer.Option(
            help="Submitting again with the same key gives the same job. [default: a new key]"
        ),
    ] = None,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Upload a file and predict its rows (exit code 1: the job failed)."""
    found = format or format_of(file.name)
    if found is None:
        raise typer.BadParameter(
            f"The name {file.name} does not show the format of the file; use --format with one of"
            f" {', '.join(Format)}."
        )
    if output is not None and not wait:
        raise typer.BadParameter("--output needs --wait, which downloads the results.")
    if idempotency_key is not None and (unusable := find_other_than_visible_ascii(idempotency_key)):
        raise typer.BadParameter(
            f"--idempotency-key contains {unusable}. Use letters, digits and visible ASCII signs."
        )
    renames = read_renames(rename or (), drop or (), rename_file)
    api = client(url)
    request: dict[str, Any] = {
        "model": model,
        "pin": pin,
        "format": found,
        "output_format": output_format,
        "rename": renames or None,
        "escape_formulas": None if escape_formulas else False,
    }
    request["input"] = _upload(api, file, found, idempotency_key)
    job = api.call(
        "POST",
        _PATH,
        Job,
        {name: value for name, value in request.items() if value is not None},
        # With a key of our own, a request whose answer got lost can be repeated.
        {"Idempotency-Key": idempotency_key or uuid.uuid4().hex},
    )
    if wait:
        _follow(api, job, output, as_json)
    else:
        text = f"Submitted {job['job_id']}. To get its results: mlops batch results {job['job_id']}"
        answer(job, as_json, text)


def status(job_id: JobId, url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
    """Show the progress of a job (exit code 1: it failed or was cancelled)."""
    job = client(url).call("GET", _path(job_id), Job)
    answer(job, as_json, _shown(job))
    _exit_as(job)


def results(
    job_id: JobId, output: Output = None, url: Url = DEFAULT_URL, as_json: AsJson = False
) -> None:
    """Wait until a job has finished and download its results (exit code 1: it failed)."""
    api = client(url)
    _follow(api, api.call("GET", _path(job_id), Job), output, as_json)


def cancel(job_id: JobId, url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
    """Cancel a job: its remaining rows will not be predicted."""
    job = client(url).call("DELETE", _path(job_id), Job)
    answer(job, as_json, _shown(job))


def retry(job_id: JobId, url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
    """Retry a failed job: predict its missing rows."""
    job = client(url).call("POST", _path(job_id, "/retry"), Job)
    answer(job, as_json, _shown(job))


def _path(job_id: str, below: str = "") -> str:
    if JOB_ID.fullmatch(job_id) is None:
        raise typer.BadParameter(
            f"{job_id!r} is not the id of a job. One looks like job_ and 32 hex digits."
        )
    return f"{_PATH}/{job_id}{below}"


def _upload(api: ApiClient, file: Path, format: Format, idempotency_key: str | None) -> str:
    """Return the URL of the uploaded file, the same for the same key and content."""
    with _of_known_size(file) as content:
        size = content.stat().st_size
        headers = {}
        if idempotency_key is not None:
            with content.open("rb") as hashed:
                digest = hashlib.file_digest(hashed, "sha256")
            digest.update(idempotency_key.encode())
            headers["Idempotency-Key"] = digest.hexdigest()
        if size == 0:
            raise ConfigInvalid(str(file), "it is empty")
        request = {"format": format, "bytes": size}
        link = api.call("POST", f"{_PATH}/uploads", Upload, request, headers)
        with (
            _progress(DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()) as progress,
            progress.open(content, "rb", description=f"Uploading {file.name}") as reader,
        ):
            api.upload(link["url"], reader, link["headers"])
    uploaded: str = link["input"]
    return uploaded


@contextmanager
def _of_known_size(file: Path) -> Iterator[Path]:
    """Give the file, or a copy of what a pipe holds: an upload needs the size first.

    Raises ConfigInvalid for a pipe or a device that holds more than an input may have.
    """
    if file.is_file():
        yield file
        return
    with NamedTemporaryFile() as copy, file.open("rb") as source:
        while block := source.read(_BLOCK):
            copy.write(block)
            if copy.tell() > MAX_INPUT_BYTES:
                raise ConfigInvalid(str(file), f"it holds more than {MAX_INPUT_BYTES:,} bytes")
        copy.flush()
        yield Path(copy.name)


def _follow(api: ApiClient, job: Mapping[str, Any], output: Path | None, as_json: bool) -> None:
    job_id = job["job_id"]
    try:
        job = _ended(api, job)
    except KeyboardInterrupt:
        notes.print(f"{job_id} continues. To wait for it again: mlops batch results {job_id}")
        raise typer.Exit(_INTERRUPTED) from None
    files = []
    if job["status"] == State.SUCCEEDED:
        files = list(_download(api, job["links"], output or Path(job_id)))
        if job["rows"]["failed"]:
            failed = job["rows"]["failed"]
            rows = "1 row is" if failed == 1 else f"{failed:,} rows are"
            notes.print(f"{rows} not valid; see {files[1]}")
            found, kept = _errors_of(files[2])
            if kept < found:
                notes.print(f"It has the first {kept:,} of {found:,} errors; {files[2]} counts all")
    written = [f"Wrote {file}" for file in files]
    answer({**job, "files": [*map(str, files)]}, as_json, "\n".join([_shown(job), *written]))
    _exit_as(job)


def _errors_of(summary: Path) -> tuple[int, int]:
    """Return how many errors a job has, and how many of them its file of errors holds."""
    try:
        document = json.loads(summary.read_bytes())
        return int(document["errors_found"]), int(document["errors_kept"])
    except (ValueError, TypeError, KeyError):  # of a job from before they were counted
        return 0, 0


def _ended(api: ApiClient, job: Mapping[str, Any]) -> Mapping[str, Any]:
    pause = _FIRST_POLL_SECONDS
    with _progress(MofNCompleteColumn(), TimeRemainingColumn()) as progress:
        rows = progress.add_task("", total=None)
        while job["status"] not in list(State):
            _show_rows(progress, rows, job)
            time.sleep(pause)
            pause = min(pause * 1.3, _LAST_POLL_SECONDS)
            job = api.call("GET", _path(job["job_id"]), Job)
    return job


def _show_rows(progress: Progress, task: TaskID, job: Mapping[str, Any]) -> None:
    rows = job["rows"]
    progress.update(
        task,
        description=f"{job['job_id']} is {job['status']}",
        completed=rows["done"] + rows["failed"],
        total=rows["total"],
    )


def _download(api: ApiClient, links: Mapping[str, str], folder: Path) -> Iterator[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    for name in _FILES:
        target = folder / _file_name(name, links[name])
        api.download(links[name], target)
        yield target


def _file_name(name: str, link: str) -> str:
    """Return the file name in the link, if it is one that this API gives."""
    last = unquote(urlsplit(link).path).rpartition("/")[2]
    return last if re.fullmatch(rf"{name}(\.[a-z]+){{1,2}}", last) else name


def _shown(job: Mapping[str, Any]) -> str:
    rows = job["rows"]
    total = "?" if rows["total"] is None else f"{rows['total']:,}"
    facts = {
        "job": job["job_id"],
        "status": job["status"],
        "model": job["model_version"],
        "rows": f"{rows['done']:,} predicted, {rows['failed']:,} not valid, {total} in all",
        "submitted": job["submitted_at"],
        "started": job["started_at"],
        "ended": job["ended_at"],
        "reason": job["reason"],
    }
    lines = [{"": name, " ": str(value)} for name, value in facts.items() if value]
    return table(lines).lstrip()  # without the empty headings


def _exit_as(job: Mapping[str, Any]) -> None:
    if job["status"] in (State.FAILED, State.CANCELLED):
        raise typer.Exit(1)


@contextmanager
def _progress(*columns: ProgressColumn) -> Iterator[Progress]:
    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        *columns,
        console=notes,
        transient=True,
        disable=not notes.is_interactive,
    ) as progress:
        yield progress
