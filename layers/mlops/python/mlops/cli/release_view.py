"""How releases are shown: for people, or as JSON for programs."""

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
            facts["verdict"] = f"at the latest in {left / 60:.0f} min {left % 60:.0f} s"
    if found.last is not None:
        facts["last"] = f"{found.last.id}: {found.last.outcome}; {'; '.join(found.last.reasons)}"
    return table([{"": name, " ": value} for name, value in facts.items()]).lstrip()


def _shares(traffic: "Traffic | None") -> str:
    shares = _split(traffic)
    if shares is None:
        return "is not there"
    return ", ".join(f"{share:.0%} version {number}" for number, share in shares.items())


def row(record: ReleaseRecord) -> dict[str, str]:
    return {
        "id": record.id,
        "outcome": record.outcome,
        "from": record.champion or "-",
        "to": record.candidate or "-",
        "models": ", ".join(str(pin.version) for pin in record.pins) or "-",
        "commit": (record.deployed_sha or "-")[:12],
        "ended": f"{record.ended_at:%Y-%m-%d %H:%M}",
        "why": "; ".join(record.reasons),
    }
