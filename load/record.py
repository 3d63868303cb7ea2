"""What a run has measured, and whether it kept to its profile."""

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

from load.profiles import GROWTH_AT_MOST, MADE_AT_LEAST, Profile
from mlops.files import write_file

_LOOK = 30  # seconds over which memory is read at either end: one reading may be an odd one
_LONGEST = 200  # characters of an error that are shown


@dataclass(frozen=True)
class Answer:
    second: float
    milliseconds: float
    error: str | None = None


@dataclass(frozen=True)
class Slot:
    """So many seconds of a run, one point of its picture."""

    second: int
    requests: int
    errors: int
    p50: float
    p95: float
    p99: float


@dataclass(frozen=True)
class Memory:
    second: float
    resident: int  # bytes


@dataclass
class Measured:
    answers: list[Answer] = field(default_factory=list)
    memory: list[Memory] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Record:
    target: str
    profile: str
    date: str
    commit: str | None = None  # where git knows of none
    machine: str
    planned: int
    requests: int
    errors: dict[str, int]
    p50: float
    p95: float
    p99: float
    slowest: float
    slots: tuple[Slot, ...]
    memory: tuple[Memory, ...]

    def growth(self) -> float | None:
        """Of memory since the start, as a share; nothing where it was not read until the end."""
        end = max((each.second for each in self.memory), default=0.0)
        planned = self.slots[-1].second if self.slots else 0
        if end < max(3 * _LOOK, planned - _LOOK):
            return None
        before = [each for each in self.memory if each.second < _LOOK]
        after = [each for each in self.memory if each.second >= end - _LOOK]
        return _resident(after) / _resident(before) - 1

    def write(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        fields = asdict(self)
        # One point, one line: so that what changes can be read.
        points = {name: fields.pop(name) for name in ("slots", "memory")}
        head = json.dumps(fields, indent=1)[:-2]
        lists = [
            f' "{name}": [\n  ' + ",\n  ".join(map(json.dumps, found)) + "\n ]"
            for name, found in points.items()
        ]
        write_file(file, ",\n".join([head, *lists]) + "\n}\n")


def read(file: Path) -> Record:
    fields = json.loads(file.read_text())
    slots = tuple(Slot(**slot) for slot in fields.pop("slots"))
    return Record(
        **fields | {"slots": slots, "memory": tuple(Memory(**each) for each in fields["memory"])}
    )


def record(
    target: str,
    name: str,
    profile: Profile,
    measured: Measured,
    *,
    date: str,
    commit: str | None,
    machine: str,
) -> Record:
    answers = measured.answers
    times = [answer.milliseconds for answer in answers]
    return Record(
        target=target,
        profile=name,
        date=date,
        commit=commit,
        machine=machine,
        planned=profile.planned,
        requests=len(answers),
        errors=dict(Counter(answer.error[:_LONGEST] for answer in answers if answer.error)),
        p50=percentile(times, 50),
        p95=percentile(times, 95),
        p99=percentile(times, 99),
        slowest=percentile(times, 100),
        slots=tuple(_slots(profile, answers)),
        memory=tuple(Memory(round(each.second, 1), each.resident) for each in measured.memory),
    )


def broken(record: Record, profile: Profile) -> list[str]:
    """Which thresholds it did not keep, in words."""
    problems = [f"{count} × {error}" for error, count in record.errors.items()]
    if record.requests < MADE_AT_LEAST * record.planned:
        problems.append(f"{record.requests} of {record.planned} requests could be made")
    if record.p95 > profile.p95_ms:
        problems.append(f"p95 is {record.p95} ms, more than {profile.p95_ms:g} ms")
    growth = record.growth()
    if profile.is_soak and growth is None:
        problems.append("resident memory could not be read until the end")
    elif growth is not None and growth >= GROWTH_AT_MOST:
        problems.append(f"resident memory grew by {growth:.1%}, not less than {GROWTH_AT_MOST:.0%}")
    return problems


def percentile(values: Sequence[float], percent: int) -> float:
    """The smallest value that so many percent are not above; 0 of none."""
    if not values:
        return 0.0
    return round(sorted(values)[math.ceil(len(values) * percent / 100) - 1], 2)


def _slots(profile: Profile, answers: Sequence[Answer]) -> list[Slot]:
    starts = range(0, profile.seconds, profile.slot)
    found: dict[int, list[Answer]] = {start: [] for start in starts}
    for answer in answers:
        found[int(answer.second) // profile.slot * profile.slot].append(answer)
    slots = []
    for start, those in found.items():
        times = [answer.milliseconds for answer in those]
        p50, p95, p99 = (percentile(times, percent) for percent in (50, 95, 99))
        errors = sum(answer.error is not None for answer in those)
        slots.append(Slot(start, len(those), errors, p50, p95, p99))
    return slots


def _resident(samples: Sequence[Memory]) -> float:
    return median(each.resident for each in samples)
