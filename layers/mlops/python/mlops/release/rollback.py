"""One command, one update of the alias: back to what was live before."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta

from mlops.errors import (
    ArtifactError,
    FunctionGone,
    InvocationFailed,
    MlopsError,
    ObjectChanged,
    ReleaseRefused,
    StoreError,
    TrafficChanged,
    VersionNotFound,
)
from mlops.inference.loading import SERVED_FILES, read_listed, read_manifest
from mlops.inference.version import Pin
from mlops.registry.releases import Ended, Kind, ReleaseRecord
from mlops.release.asking import HEALTH
from mlops.release.closing import World
from mlops.release.lock import Held, Holder, Lock
from mlops.release.ports import Function, FunctionVersion, Notices, Traffic
from mlops.release.reconcile import Reconciler, tell
from mlops.release.records import Folder, Plan, Settings
from mlops.release.target import state, target_of
from mlops.release.traffic import move, settle

_TRIES = 5
_JUST_NOW = timedelta(minutes=2)


@dataclass(frozen=True)
class RolledBack:
    """version: of the API, which has all traffic now. text: what was done, for people."""

    version: str
    text: str


class Rollback:
    def __init__(self, world: World, reconciler: Reconciler, notices: Notices) -> None:
        self._world = world
        self._reconciler = reconciler
        self._notices = notices
        self._lock = Lock(world.objects)

    def roll_back(self, to: str | None, by: str) -> RolledBack:
        """Take the canary back; or else what was promoted last.

        to: number of a version that was live once, or the name of a model version it served.
        Raises ReleaseRefused, with the traffic as it was; FunctionGone, TrafficChanged, any
        StoreError, RegistryCorrupt, RegistryBusy, CloudUnavailable. What an error leaves half
        done, the reconciler ends.
        """
        before = self._world.api.traffic()
        if before.weights:
            self._require_no_target(to)
            # Ahead of all else, and without asking the store: every request counts now.
            self._take_weights(before)
        held = self._without_rollback()
        if held.holder is not None:
            is_running = self._reconciler.occupied(held.holder) is not None
            if is_running:
                self._require_no_target(to)
            try:
                return self._end_release(held, held.holder, before, is_running, to, by)
            except ObjectChanged as error:
                if not before.weights:
                    raise ReleaseRefused("somebody else has just ended the release") from error
        if before.weights:
            now = self._world.api.traffic()
            if now.version == before.version:
                return RolledBack(now.version, f"version {now.version} has all traffic again")
            # The canary was promoted at that very moment.
            held, to = self._lock.read_whatever(), before.version
        return self._return(held, to, by)

    def _without_rollback(self) -> Held:
        """The lock, after a rollback that has died was ended. Raises ReleaseRefused.

        What nobody can read does not keep anybody from going back.
        """
        while True:
            held = self._lock.read_whatever()
            if held.holder is None or held.holder.kind is Kind.RELEASE:
                return held
            occupied = self._reconciler.occupied(held.holder)
            if occupied is not None:
                raise ReleaseRefused(occupied)
            self._reconciler.finish(held.holder, "its rollback did not come to its end")

    def _require_no_target(self, to: str | None) -> None:
        if to is not None:
            raise ReleaseRefused("a release is under way; roll it back first, without a target")

    def _take_weights(self, traffic: Traffic) -> None:
        for _ in range(_TRIES):
            with suppress(TrafficChanged):
                move(self._world.api, traffic.version, {}, traffic.revision)
                return
            traffic = self._world.api.traffic()
            if not traffic.weights:
                return
        raise TrafficChanged("of the API")

    def _end_release(
        self,
        held: Held,
        release: Holder,
        before: Traffic,
        is_running: bool,
        to: str | None,
        by: str,
    ) -> RolledBack:
        """Take the lock over, so that no other rollback does. Raises ObjectChanged if one did."""
        why, api, batch = f"rolled back by {by}", self._world.api, self._world.batch
        holder = Holder(Kind.ROLLBACK, release.id, self._world.now())
        self._lock.write(held, holder)
        folder = Folder(self._world.objects, release.id)
        if before.weights:
            folder.begin_canary(self._world.now())  # it had traffic, whoever has noted that
        folder.abort(why)
        self._world.executions.stop(release.id, why)
        was = before.version, batch.traffic().version
        closed = self._reconciler.finish(holder, why, by)
        text = tell(self._notices, closed)
        live = api.traffic().version, batch.traffic().version
        is_stopped = bool(before.weights) or live != was or folder.began() is not None
        if to is None and closed.outcome is Ended.PROMOTED:
            # Its end was written down before anybody could stop it: that is what to go back from,
            # unless the traffic is back already.
            plan = folder.plan()
            is_stopped = plan is None or live[plan.part] != plan.to[plan.part]
        elif to is None and is_running and not is_stopped:
            raise ReleaseRefused(
                f"version {live[0]} is still live. The release under way had no traffic yet, and"
                " was stopped; to go back from what is live, roll back again"
            )
        if to is None and is_stopped:
            return RolledBack(live[0], text)
        return self._return(self._lock.read_whatever(), to, by)

    def _return(self, held: Held, to: str | None, by: str) -> RolledBack:
        """Back from what is live. Raises ReleaseRefused while somebody holds the lock.

        What was deployed meanwhile begins as soon as the release before has let go of it.
        """
        if held.holder is not None:
            raise ReleaseRefused(
                f"what was promoted stays live: a {held.holder.kind} has just begun"
                f" ({held.holder.id}); to go back all the same, roll back again"
            )
        now = self._world.now()
        holder = Holder(Kind.ROLLBACK, f"rollback-{now:%Y%m%dT%H%M%S%f}", now)
        # Every check comes before the lock is taken: who gives up meanwhile holds up nobody.
        plan = self._plan(holder, to, by)
        # To wake what is asleep may have taken most of the time that a rollback is given.
        holder = replace(holder, at=self._world.now())
        try:
            self._lock.write(held, holder)
        except ObjectChanged as error:
            raise ReleaseRefused("a release or another rollback has just begun") from error
        Folder(self._world.objects, plan.id).keep_plan(plan)
        why, failure = f"rolled back by {by}", None
        try:
            if not settle(self._world.api, plan.candidate.number, plan.champion.number):
                raise TrafficChanged("of the API")
        except MlopsError as error:  # it may have moved all the same
            why, failure = f"{why}, which failed: {error}", error
        # It looks what is live now; batch follows, or the API stays.
        closed = self._reconciler.finish(holder, why, by)
        if failure is not None:
            raise failure
        return RolledBack(plan.candidate.number, tell(self._notices, closed))

    def _plan(self, holder: Holder, to: str | None, by: str) -> Plan:
        """Every check there is. Raises ReleaseRefused."""
        api, batch = self._world.api, self._world.batch
        traffic, batch_traffic = api.traffic(), batch.traffic()
        if traffic.weights:
            raise ReleaseRefused("somebody has just given weights to the alias")
        releases = self._world.registry.releases()
        if to is None:
            self._require_no_other(releases)
        live = traffic.version, batch_traffic.version
        target = target_of(releases, live, to)
        if state(target) == live:
            raise ReleaseRefused(f"version {traffic.version} is live already")
        number = target.candidate or ""
        try:
            candidate = _ready(api, number, traffic)
            batch_number = target.batch_candidate or batch_traffic.version
            batch_candidate = _ready(batch, batch_number, batch_traffic)
            for pin in candidate.pins:
                self._require_model(pin)
        except (
            FunctionGone,
            InvocationFailed,
            VersionNotFound,
            ArtifactError,
            StoreError,
        ) as error:
            raise ReleaseRefused(f"version {number} cannot come back: {error}") from error
        return Plan(
            id=holder.id,
            kind=Kind.ROLLBACK,
            by=by,
            started_at=holder.at,
            champion=api.describe(traffic.version),
            candidate=candidate,
            revision=traffic.revision,
            batch_champion=batch.describe(batch_traffic.version),
            batch_candidate=batch_candidate,
            batch_revision=batch_traffic.revision,
            settings=Settings(code_sha=target.deployed_sha),
        )

    def _require_no_other(self, releases: Sequence[ReleaseRecord]) -> None:
        """Of two who go back at once, the second would go back one version too far."""
        ended = [it for it in releases if it.outcome in (Ended.PROMOTED, Ended.ROLLED_BACK)]
        last = ended[-1] if ended else None
        if last is None or last.outcome is not Ended.ROLLED_BACK:
            return
        age = self._world.now() - last.ended_at
        if age < _JUST_NOW:
            # A clock is wrong, this one or another, where that is yet to come.
            when = f"{age.total_seconds():.0f} s ago" if age >= timedelta() else "lately"
            raise ReleaseRefused(
                f"{last.id} was taken back {when} ({'; '.join(last.reasons)});"
                " to go back further, say --to which version"
            )

    def _require_model(self, pin: Pin) -> None:
        """Whether it can be served. Its other files would cost time, which counts now.

        Raises VersionNotFound, any ArtifactError, any StoreError.
        """
        versions = self._world.registry.versions
        manifest = read_manifest(versions, pin)
        for file in SERVED_FILES:
            read_listed(versions, manifest, file)


def _ready(function: Function, number: str, traffic: Traffic) -> FunctionVersion:
    """A version that can have all traffic; the one that has it stays as it is.

    Raises FunctionGone, InvocationFailed, CloudUnavailable.
    """
    if number == traffic.version:
        return function.describe(number)
    return function.awake(number, HEALTH)
