"""How releases are shown: for people, or as JSON for programs."""

import shutil
import textwrap
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from mlops.bootstrap import utc_now
from mlops.cli.output import table
from mlops.registry.releases import ReleaseRecord

if TYPE_CHECKING:
    from mlops.release.desk import Status
    from mlops.release.ports import Traffic


def document(found: "Status") -> dict[str, Any]:
    running = found.running
    return {
        "api": _split(found.api),
        "batch": _split(found.batch),
        "running": None
        if running is None
        else {
            "id": running.holder.id,
            "kind": running.holder.kind,
            "locked": running.locked,
            "execution": running.execution,
            "plan": None if running.plan is None else running.plan.to_document(),
            "gate": running.gate,
            "looks": [
                {
                    "number": look.number,
                    "outcome": look.outcome,
                    "reasons": [*look.reasons],
                    "requests": look.requests,
                    "stable_requests": look.stable_requests,
                }
                for look in running.looks
            ],
            "next_look_at": _iso(running.next_look_at),
            "ends_at": _iso(running.ends_at),
            "promoted_by": running.decision,
        },
        "last": None if found.last is None else found.last.to_document(),
    }


def _split(traffic: "Traffic | None") -> dict[str, float] | None:
    if traffic is None:
        return None
    rest = 1 - sum(traffic.weights.values())
    return {traffic.version: round(rest, 6), **traffic.weights}


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def shown(found: "Status") -> str:
    facts = {"API": _shares(found.api), "batch": _shares(found.batch)}
    running = found.running
    if running is not None:
        facts[running.holder.kind] = f"{running.holder.id}, {running.execution}"
        if not running.locked:
            facts["lock"] = f"was taken away; to end it: mlops release abort {running.holder.id}"
        if running.plan is not None and running.plan.despite:
            facts["despite"] = f"alarms that rang: {', '.join(running.plan.despite)}"
        if running.gate is not None:
            facts["gate"] = "passed" if running.gate["passed"] else "refused"
        for look in running.looks:
            facts[f"look {look.number}"] = (
                f"{look.outcome}, {look.requests:,} requests: {'; '.join(look.reasons)}"
            )
        if running.decision is not None:
            facts["promoted"] = f"by {running.decision}"
        if running.ends_at is not None:
            left = max((running.ends_at - utc_now()).total_seconds(), 0)
            facts["verdict"] = f"at the latest in {minutes_and_seconds(left)}"
    if found.last is not None:
        facts["last"] = f"{found.last.id}: {found.last.outcome}; {'; '.join(found.last.reasons)}"
    return table([{"": name, " ": value} for name, value in facts.items()]).lstrip()


def _shares(traffic: "Traffic | None") -> str:
    shares = _split(traffic)
    if shares is None:
        return "is not there"
    return ", ".join(f"{share:.0%} version {number}" for number, share in shares.items())


def listed(records: Sequence[ReleaseRecord]) -> str:
    """One line each, and below it what it was about and why: side by side no terminal has room."""
    width = shutil.get_terminal_size().columns
    heading, *rows = table([_row(record) for record in records]).splitlines()
    lines = [heading]
    for record, row in zip(records, rows, strict=True):
        lines.append(row)
        for text in (", ".join(_about(record)), "; ".join(record.reasons)):
            lines += textwrap.wrap(
                text,
                width,
                initial_indent="  ",
                subsequent_indent="  ",
                break_long_words=False,
                break_on_hyphens=False,
            )
    return "\n".join(lines)


def _row(record: ReleaseRecord) -> dict[str, str]:
    return {
        "id": record.id,
        "outcome": record.outcome,
        "ended": f"{record.ended_at:%Y-%m-%d %H:%M}",
    }


def _about(record: ReleaseRecord) -> Iterator[str]:
    if record.champion is not None:
        yield f"version {record.champion} to {record.candidate}"
    elif record.candidate is not None:
        yield f"version {record.candidate}"
    yield from (str(pin.version) for pin in record.pins)
    if record.deployed_sha is not None:
        yield f"commit {record.deployed_sha[:12]}"


def minutes_and_seconds(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"
