"""A release, step by step: read it from top to bottom.

    begin ─▶ gate ─▶ canary ─▶ watch … watch ─▶ promote ─▶ record
      └───────┴────────┴─────────┴────────────────┴─▶ undo ─▶ record

`step` takes a state and returns the next one. Its caller keeps the state, waits as long as it
says, and calls again; after an error, with `undo`. Each step can be made twice. It moves an alias
only where the note says that the alias is this release's, so overwriting the note stops it.
"""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal

from mlops.errors import TrafficChanged
from mlops.monitoring.thresholds import ERROR_WINDOW
from mlops.registry.releases import Ended, Kind, ReleaseRecord
from mlops.release.alias import advance, describe, follow, is_at, is_free, is_same, move, undo
from mlops.release.analysis import Verdict
from mlops.release.canary_analysis import CanaryAnalyses, CanaryAnalysis, Schedule
from mlops.release.history import why_not_again
from mlops.release.note import Note, Reached
from mlops.release.ports import (
    Alarms,
    Dependencies,
    Deployments,
    FunctionVersion,
    GateReport,
    Traffic,
)
from mlops.release.recorder import Recorder, first_record
from mlops.release.repair import Repair, outcome_of

_WAIT_FOR_OTHERS = 10
"""Seconds until a release looks again whether the one before it has ended."""
_ALARMS_END = ERROR_WINDOW + timedelta(minutes=2)
"""An alarm that rolled a canary back returns to OK when its window has no errors of the canary."""
_LONGEST_CAUSE = 500


@dataclass(frozen=True)
class Settings:
    """How releases go.

    weight: the canary's share of the traffic. code_sha: what is deployed.
    when_inconclusive: what becomes of a canary that neither failed nor passed.
    """

    weight: float = 0.1
    poll_seconds: int = 30
    schedule: Schedule = Schedule()
    when_inconclusive: Literal["rollback", "promote"] = "rollback"
    code_sha: str | None = None


@dataclass(frozen=True)
class Start:
    """What an execution is started with.

    despite_alarms: begin although alarms are in ALARM, and go on while these are. retry: release
    also what was rolled back before.
    """

    by: str
    despite_alarms: bool = False
    retry: bool = False


@dataclass(frozen=True)
class Plan:
    """What is to be live instead of what. It holds for all of a release, whatever is deployed."""

    by: str
    started_at: datetime
    champion: FunctionVersion
    candidate: FunctionVersion
    batch_champion: FunctionVersion
    batch_candidate: FunctionVersion
    settings: Settings
    despite: tuple[str, ...] = ()

    @property
    def has_canary(self) -> bool:
        return self.candidate.number != self.champion.number

    def note(self, id: str, reached: Reached) -> Note:
        return Note(
            by=id,
            reached=reached,
            api_was=self.champion.number,
            api=self.candidate.number,
            batch_was=self.batch_champion.number,
            batch=self.batch_candidate.number,
        )


# --- the states: what each step needs to know ---------------------------------------------------
@dataclass(frozen=True, kw_only=True)
class _State:
    """id: of the release. wait: seconds until the step is made."""

    id: str
    wait: int = 0


@dataclass(frozen=True, kw_only=True)
class Begin(_State):
    """behind: the release that it has waited for. alarms_since: when it first waited for alarms."""

    next: Literal["begin"] = "begin"
    started_at: datetime
    input: Start
    behind: str = ""
    alarms_since: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Gate(_State):
    next: Literal["gate"] = "gate"
    plan: Plan


@dataclass(frozen=True, kw_only=True)
class Canary(_State):
    next: Literal["canary"] = "canary"
    plan: Plan


@dataclass(frozen=True, kw_only=True)
class Watch(_State):
    """began: when the canary got its traffic. analyses: those there were."""

    next: Literal["watch"] = "watch"
    plan: Plan
    began: datetime
    analyses: tuple[CanaryAnalysis, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Promote(_State):
    """began: None where there was no canary."""

    next: Literal["promote"] = "promote"
    plan: Plan
    reasons: tuple[str, ...]
    began: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Undo(_State):
    """Any state after which something failed can be read as this one.

    failure: what Step Functions caught. plan: None where the release has not begun.
    """

    next: Literal["undo"] = "undo"
    plan: Plan | None = None
    input: Start | None = None
    started_at: datetime | None = None
    began: datetime | None = None
    reasons: tuple[str, ...] = ()
    failure: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Record(_State):
    next: Literal["record"] = "record"
    outcome: Ended
    reasons: tuple[str, ...]
    by: str
    started_at: datetime
    plan: Plan | None = None


@dataclass(frozen=True, kw_only=True)
class Done(_State):
    next: Literal[""] = ""
    outcome: Ended
    reasons: tuple[str, ...]


State = Begin | Gate | Canary | Watch | Promote | Undo | Record | Done


class Release:
    """The steps. Each raises any StoreError, RegistryBusy, CloudUnavailable, FunctionGone.

    check: the gate. refusals: why no release can end well with these settings.
    """

    def __init__(
        self,
        deps: Dependencies,
        settings: Settings,
        alarms: Alarms,
        deployments: Deployments,
        check: Callable[[str, Plan], GateReport],
        analyses: CanaryAnalyses,
        refusals: tuple[str, ...] = (),
    ) -> None:
        self._deps = deps
        self._settings = settings
        self._alarms = alarms
        self._deployments = deployments
        self._check = check
        self._analyses = analyses
        self._refusals = refusals
        self._recorder = Recorder(deps)
        self._repair = Repair(deps, self._recorder)

    def step(self, state: State) -> State:
        match state:
            case Begin():
                return self._begin(state)
            case Gate():
                return self._gate(state)
            case Canary():
                return self._canary(state)
            case Watch():
                return self._watch(state)
            case Promote():
                return self._promote(state)
            case Undo():
                return self._undo(state)
            case Record():
                return self._record(state)
            case Done():
                return state

    # --- begin: one release at a time, and only of something new --------------------------------
    def _begin(self, state: Begin) -> State:
        if self._deps.registry.has_release(state.id):
            return Done(id=state.id, outcome=Ended.REFUSED, reasons=("it has been ended already",))
        if self._refusals:
            return _refused(state, *self._refusals)
        if why := self._deployments.half_done():
            return _refused(state, why)
        self._repair()
        traffic, batch = self._deps.api.traffic(), self._deps.batch.traffic()
        notes = [it.note for it in (traffic, batch) if it.note is not None]
        own = next((note for note in notes if note.by == state.id), None)
        if own is not None and own.undone:
            return _refused(state, "it was undone before it had begun")
        for note in notes:
            if note.by != state.id and not is_free(self._deps, note):
                return replace(state, behind=note.by, wait=_WAIT_FOR_OTHERS)
        plan = self._plan(state, own, traffic, batch)
        if why := self._deployments.half_done():  # since the versions were published
            return _refused(state, why)
        if own is None and (end := self._needless(state, plan)) is not None:
            return end
        note = plan.note(state.id, Reached.BEGIN)
        for function, found in ((self._deps.api, traffic), (self._deps.batch, batch)):
            if found.note != note:
                try:
                    move(function, found.version, {}, note, found.revision)
                except TrafficChanged:
                    return replace(state, wait=1)
        return Gate(id=state.id, plan=plan)

    def _plan(self, state: Begin, own: Note | None, traffic: Traffic, batch: Traffic) -> Plan:
        """Publish both functions; or go on with what was published, where it has an alias."""
        api, other = self._deps.api, self._deps.batch
        champions = api.describe(traffic.version), other.describe(batch.version)
        if own is None:
            candidates = api.publish(), other.publish()
        else:
            candidates = api.describe(own.api), other.describe(own.batch)
        # What was published may be, under another number, what is live.
        candidate, batch_candidate = (
            champion if is_same(candidate, champion) else candidate
            for candidate, champion in zip(candidates, champions, strict=True)
        )
        raised = self._alarms.raised() if state.input.despite_alarms else ()
        return Plan(
            state.input.by,
            state.started_at,
            champions[0],
            candidate,
            champions[1],
            batch_candidate,
            self._settings,
            raised,
        )

    def _needless(self, state: Begin, plan: Plan) -> State | None:
        """Return how a release ends that does not begin; or waits; None where it may begin."""
        registry = self._deps.registry
        first_record(plan.champion, plan.batch_champion, self._deps)
        self._recorder.settle_stages()
        if not plan.has_canary and plan.batch_candidate == plan.batch_champion:
            reasons = ("what is deployed is live already",)
            return _record(state.id, plan, Ended.UNCHANGED, reasons)
        if not state.input.retry:
            again = why_not_again(
                registry.releases(), plan.champion, plan.candidate, plan.batch_candidate
            )
            if again is not None:
                return _record(state.id, plan, Ended.REFUSED, (again,))
        raised = () if state.input.despite_alarms else self._alarms.raised()
        if raised:
            since = state.alarms_since or self._deps.now()
            if state.behind and self._deps.now() - since < _ALARMS_END:
                return replace(state, alarms_since=since, wait=_WAIT_FOR_OTHERS)
            why = f"alarms are in state ALARM: {', '.join(raised)}"
            return _record(state.id, plan, Ended.REFUSED, (why,))
        return None

    # --- gate: no traffic without proof ---------------------------------------------------------
    def _gate(self, state: Gate) -> State:
        plan = state.plan
        report = self._check(state.id, plan)
        if not report.passed:
            return Undo(id=state.id, plan=plan, reasons=report.reasons)
        new = [pin for pin in plan.candidate.pins if pin not in plan.champion.pins]
        self._recorder.settle_stages(new)
        if not plan.has_canary:
            return Promote(id=state.id, plan=plan, reasons=("only batch has changed",))
        if not plan.champion.pins:
            why = "no model was live before"
            return Promote(id=state.id, plan=plan, reasons=(why,))
        return Canary(id=state.id, plan=plan)

    # --- canary: a share of the traffic, watched until its last analysis ------------------------
    def _canary(self, state: Canary) -> State:
        plan, settings = state.plan, state.plan.settings
        note = plan.note(state.id, Reached.BEGIN)
        advance(self._deps, note, Reached.CANARY, settings.weight)
        began = self._deps.now()
        return Watch(id=state.id, plan=plan, began=began, wait=settings.poll_seconds)

    def _watch(self, state: Watch) -> State:
        plan, settings = state.plan, state.plan.settings
        found, batch = self._deps.api.traffic(), self._deps.batch.traffic()
        undone = Undo(id=state.id, plan=plan, began=state.began)
        is_ours = is_at(found, plan.note(state.id, Reached.CANARY), "api", settings.weight)
        if not is_ours or not is_at(batch, plan.note(state.id, Reached.BEGIN), "batch"):
            part, moved = ("batch", batch) if is_ours else ("the API", found)
            why = f"somebody else has moved {part}: it is {describe(moved)}"
            return replace(undone, reasons=(why,))
        raised = [name for name in self._alarms.raised() if name not in plan.despite]
        if raised:
            return replace(undone, reasons=tuple(f"alarm {name}" for name in raised))
        promoted = Promote(id=state.id, plan=plan, reasons=(), began=state.began)
        if found.note is not None and found.note.who:
            return replace(promoted, reasons=(f"promoted by {found.note.who}",))
        analyses = self._analyses.analyze(
            state.id,
            settings.schedule,
            state.began,
            state.analyses,
            (plan.champion, plan.candidate),
        )
        last = analyses[-1] if analyses else None
        if last is not None and last.verdict is Verdict.FAILED:
            return replace(undone, reasons=last.reasons)
        if last is None or last.number < settings.schedule.analyses:
            return replace(state, analyses=analyses, wait=settings.poll_seconds)
        if last.verdict is Verdict.PASSED:
            return replace(promoted, reasons=last.reasons)
        why = f"inconclusive at the last analysis, and then to {settings.when_inconclusive}"
        end = undone if settings.when_inconclusive == "rollback" else promoted
        return replace(end, reasons=(why, *last.reasons))

    # --- promote: the API, then batch -----------------------------------------------------------
    def _promote(self, state: Promote) -> State:
        plan = state.plan
        begun = plan.note(state.id, Reached.BEGIN)
        before = begun if state.began is None else replace(begun, reached=Reached.CANARY)
        advance(self._deps, before, Reached.PROMOTE, plan.settings.weight)
        reasons = (*state.reasons, *follow(self._deps, plan.note(state.id, Reached.PROMOTE)))
        return _record(state.id, plan, Ended.PROMOTED, reasons)

    # --- undo: whatever failed, one version has all traffic -------------------------------------
    def _undo(self, state: Undo) -> State:
        plan, start = state.plan, state.input
        failure = (_words(state.failure),) if state.failure else ()
        reasons = (*state.reasons, *failure)
        notes = undo(self._deps, state.id)
        if notes and notes[0].is_rollback:
            record = self._repair.finish(notes[0], "").record
            return Done(id=state.id, outcome=record.outcome, reasons=record.reasons)
        if notes and not notes[0].undone:  # the API was promoted: only batch is to follow
            reasons += follow(self._deps, notes[0])
        outcome = outcome_of(notes, had_traffic=state.began is not None)
        if plan is not None:
            return _record(state.id, plan, outcome, reasons)
        return Record(
            id=state.id,
            by=start.by if start else "unknown",
            started_at=state.started_at or self._deps.now(),
            outcome=outcome,
            reasons=reasons,
        )

    # --- record: the registry, and the operators ------------------------------------------------
    def _record(self, state: Record) -> State:
        plan = state.plan
        record = ReleaseRecord(
            id=state.id,
            kind=Kind.RELEASE,
            outcome=state.outcome,
            reasons=state.reasons,
            by=state.by,
            started_at=state.started_at,
            ended_at=self._deps.now(),
        )
        if plan is not None:
            if plan.despite:
                words = f"it began although alarms were in ALARM: {', '.join(plan.despite)}"
                record = replace(record, reasons=(*state.reasons, words))
            record = replace(
                record,
                champion=plan.champion.number,
                candidate=plan.candidate.number,
                batch_champion=plan.batch_champion.number,
                batch_candidate=plan.batch_candidate.number,
                pins=plan.candidate.pins,
                deployed_sha=plan.settings.code_sha,
            )
        closed = self._recorder.write(record)
        return Done(id=state.id, outcome=closed.record.outcome, reasons=closed.record.reasons)


def _refused(state: Begin, *reasons: str) -> Undo:
    return Undo(id=state.id, input=state.input, started_at=state.started_at, reasons=reasons)


def _record(id: str, plan: Plan, outcome: Ended, reasons: tuple[str, ...]) -> Record:
    return Record(
        id=id,
        plan=plan,
        by=plan.by,
        started_at=plan.started_at,
        outcome=outcome,
        reasons=reasons,
    )


def _words(failure: Mapping[str, str]) -> str:
    """Name what Step Functions caught; of an error that a function raised, its message alone."""
    error, cause = failure.get("Error", "unknown error"), failure.get("Cause", "")
    with suppress(ValueError, TypeError, KeyError):
        cause = str(json.loads(cause)["errorMessage"])
    return f"{error}: {cause[:_LONGEST_CAUSE]}" if cause else error
