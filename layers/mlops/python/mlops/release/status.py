"""How releases stand: the traffic, the release that runs, what was deployed last, the history."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mlops.errors import FunctionGone
from mlops.registry.releases import Ended, Kind, ReleaseRecord
from mlops.release.alias import is_free, is_same
from mlops.release.canary_analysis import CanaryAnalysis
from mlops.release.note import Note
from mlops.release.ports import LATEST, Dependencies, ExecutionStatus, Function, Traffic
from mlops.release.steps import Plan, State, Watch


@dataclass(frozen=True)
class Running:
    """The release that has the alias and is not over.

    execution, state: None where Step Functions does not know it. state: the next step's.
    """

    note: Note
    execution: ExecutionStatus | None
    state: State | None

    @property
    def plan(self) -> Plan | None:
        """What is to be live instead of what; None until that is known."""
        plan = getattr(self.state, "plan", None)
        return plan if isinstance(plan, Plan) else None

    @property
    def analyses(self) -> tuple[CanaryAnalysis, ...]:
        return self.state.analyses if isinstance(self.state, Watch) else ()

    @property
    def ends_at(self) -> datetime | None:
        """When the last analysis can be made; None where there is no canary."""
        if not isinstance(self.state, Watch):
            return None
        schedule = self.state.plan.settings.schedule
        return schedule.due_at(self.state.began, schedule.analyses)


@dataclass(frozen=True)
class Status:
    """api, batch: None where the function or its alias is not there. last: to have ended."""

    api: Traffic | None
    batch: Traffic | None
    running: Running | None
    last: ReleaseRecord | None


@dataclass(frozen=True)
class Result:
    """The record that says why something is live, or is not."""

    record: ReleaseRecord
    is_live: bool


class Releases:
    """parse: reads a state. All raise any StoreError, CloudUnavailable, RegistryCorrupt."""

    def __init__(self, deps: Dependencies, parse: Callable[[Mapping[str, Any]], State]) -> None:
        self._deps = deps
        self._parse = parse

    def status(self) -> Status:
        history = self.history()
        traffic = _traffic(self._deps.api)
        note = None if traffic is None else traffic.note
        is_over = note is None or note.undone or is_free(self._deps, note)
        return Status(
            api=traffic,
            batch=_traffic(self._deps.batch),
            running=None if note is None or is_over else self._running(note),
            last=history[0] if history else None,
        )

    def history(self) -> Sequence[ReleaseRecord]:
        """Return all records, the newest first."""
        return self._deps.registry.releases()[::-1]

    def result(self, deployed_at: datetime) -> Result | None:
        """Say how what is deployed now was released; None where no release has been about it yet.

        deployed_at: when that deployment began. What was not promoted before may be by now, even
        where it is the same. For what operators rolled back, the record is their rollback.
        Raises FunctionGone.
        """
        api, batch = self._deps.api, self._deps.batch
        latest = api.describe(LATEST), batch.describe(LATEST)

        def is_latest(number: str, batch_number: str) -> bool:
            return is_same(latest[0], api.describe(number)) and is_same(
                latest[1], batch.describe(batch_number)
            )

        history = self.history()
        live = api.traffic(), batch.traffic()
        if is_latest(live[0].version, live[1].version):
            made_live = (it for it in history if it.moved and it.candidate == live[0].version)
            record = next(made_live, history[0] if history else None)
            is_all = not (live[0].weights or live[1].weights)
            return None if record is None else Result(record, is_live=is_all)
        for record in history:
            if record.ended_at < deployed_at:
                return None
            about = record.candidate, record.batch_candidate
            if record.kind is Kind.ROLLBACK:
                about = record.champion, record.batch_champion
            if about[0] and about[1] and is_latest(about[0], about[1]):
                return Result(record, is_live=False)
        return None

    def result_of(self, id: str) -> Result | None:
        """Say how one release ended; None where that is not recorded."""
        for record in self.history():
            if record.id == id:
                return Result(record, record.moved or record.outcome is Ended.UNCHANGED)
        return None

    def _running(self, note: Note) -> Running:
        execution = self._deps.executions.find(note.by)
        document = self._deps.executions.last_state(note.by)
        return Running(
            note=note,
            execution=None if execution is None else execution.status,
            state=None if document is None else self._parse(document),
        )


def _traffic(function: Function) -> Traffic | None:
    with suppress(FunctionGone):
        return function.traffic()
    return None
