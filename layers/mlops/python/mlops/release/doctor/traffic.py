"""What was deployed, what has the traffic, and what releases and registry say about it."""

from collections.abc import Iterator

from mlops.inference.version import ModelVersion
from mlops.registry.journal import Stage
from mlops.registry.releases import Ended, ReleaseRecord
from mlops.release.doctor.facts import Deployed, Facts, Kept, Side, planned
from mlops.release.doctor.remedies import Finding, Remedies, Severity
from mlops.release.ports import Traffic


def check(facts: Facts, remedies: Remedies) -> Iterator[Finding]:
    if facts.deployed is None:
        return
    traffic = _Traffic(facts.deployed, facts.kept, remedies)
    yield from traffic.outages()
    if facts.kept.location not in facts.unread:
        yield from traffic.differences()


class _Traffic:
    def __init__(self, deployed: Deployed, kept: Kept, remedies: Remedies) -> None:
        self._deployed = deployed
        self._kept = kept
        self._remedies = remedies
        moved = [record for record in kept.records if record.moved]
        self._last_moved = moved[-1] if moved else None

    def outages(self) -> Iterator[Finding]:
        yield from self._alarms()
        for side in self._deployed.sides:
            yield from self._gone(side)

    def differences(self) -> Iterator[Finding]:
        yield from self._release()
        yield from self._weights()
        if self._deployed.release is None:
            yield from self._not_live()
            yield from self._records()
            yield from self._batch()
            yield from self._stages()

    def _alarms(self) -> Iterator[Finding]:
        raised, holding = self._deployed.alarms, self._deployed.holding
        despite = "`mlops release start --despite-alarms`"
        for alarms, why in (
            (
                [name for name in raised if name in holding],
                f"Until they end, a canary is rolled back, and none begins but by {despite}.",
            ),
            ([name for name in raised if name not in holding], "They hold up no release."),
        ):
            if alarms:
                what = f"Alarms are in state ALARM: {', '.join(alarms)}"
                yield Finding(Severity.ERROR, what, why, self._remedies.describe_alarms(alarms))

    def _gone(self, side: Side) -> Iterator[Finding]:
        if side.latest is None:
            what = f"The function {side.name} is not there"
            why = "It was deleted past CloudFormation, or its creation has failed."
            yield Finding(Severity.ERROR, what, why, self._remedies.deploy())
        elif side.traffic is None:
            number = self._left_at(side) or "1"
            what = f"The alias live of {side.name} is not there"
            why = "It was deleted past CloudFormation; nothing has traffic."
            remedy = self._remedies.make_alias(side.name, number)
            yield Finding(Severity.ERROR, what, why, remedy)

    def _release(self) -> Iterator[Finding]:
        """Say whose the aliases are; what is left at the end of a release is seen then."""
        deployed, release = self._deployed, self._deployed.release
        if release is None:
            return
        found = [f"{side.name}: {_shares(side.traffic)}" for side in deployed.sides if side.traffic]
        split = "; ".join(found) or "nothing has traffic"
        if deployed.is_running:
            what = f"A release is under way: {release}"
            why = f"Until its end, what it moves may differ; now {split}."
            yield Finding(Severity.NOTE, what, why, self._remedies.status())
        else:
            what = f"The release {release} does not run, and still has the aliases"
            why = f"It was cut short, and left {split}. The repair, every minute, ends it."
            remedy = self._remedies.repair(deployed.release_function)
            yield Finding(Severity.ERROR, what, why, remedy)

    def _not_live(self) -> Iterator[Finding]:
        """Say why what was deployed has no traffic, or not all."""
        behind = [side for side in self._deployed.sides if not side.is_current]
        if not behind:
            return
        names = " and ".join(side.name for side in behind)
        what = f"What was deployed last is not live: $LATEST of {names}"
        if self._deployed.is_changing:
            why = "Its release begins after the deployment."
            yield Finding(Severity.NOTE, what, why, self._remedies.status())
        else:
            why, remedy = self._became(), self._mend_api() or self._start()
            pinned = self._rolled_back_pin()
            if pinned is not None and not self._weighted():
                why = f"{why} To try it once more instead of pinning what is live: {remedy}"
                remedy = self._remedies.pin(pinned)
            yield Finding(Severity.WARNING, what, why, remedy)

    def _became(self) -> str:
        records = self._kept.records
        last, about = (records[-1] if records else None), planned(records)
        if last is not None and last.outcome is Ended.REFUSED and last.champion is None:
            return f"The last release was refused before it had a plan, {_because(last)}."
        if about is None or not all(side.was_tried for side in self._deployed.sides):
            return "No release of it has begun."
        if about.outcome is Ended.PROMOTED:
            return f"It was live after {about.id}, and is not any more."
        verb = "refused" if about.outcome is Ended.REFUSED else "rolled back"
        return f"It was {verb}, {_because(about)}."

    def _rolled_back_pin(self) -> ModelVersion | None:
        """The live model, where it was gone back to: then the commit is what is wrong."""
        api, about = self._deployed.api, planned(self._kept.records)
        if api is None or api.live is None or api.latest is None or about is None:
            return None
        tried = all(side.was_tried for side in self._deployed.sides)
        if not tried or about.outcome is not Ended.ROLLED_BACK:
            return None
        others = [pin.version for pin in api.live.pins if pin not in api.latest.pins]
        return others[0] if others else None

    def _weights(self) -> Iterator[Finding]:
        """Releases give weights to the API alone; what they do while they run is theirs."""
        for side, traffic in self._weighted():
            if side is self._deployed.api and self._deployed.release is not None:
                continue
            what = f"{side.name} has weights that belong to no release: {_shares(traffic)}"
            why = "Somebody has set them past the releases, or a release was cut short."
            yield Finding(Severity.ERROR, what, why, self._unweigh(side, traffic))

    def _records(self) -> Iterator[Finding]:
        api = self._deployed.api
        if api is None or api.traffic is None:
            return
        number, last = api.traffic.version, self._last_moved
        if last is None:
            what = f"No release is recorded for version {number}, which is live"
            why = "No release came so far yet; the first that does enters what it finds live."
            yield Finding(Severity.WARNING, what, why, self._start())
        elif last.candidate != number:
            what = f"Version {number} is live, and no release made it so"
            why = f"The last one, {last.id}, left version {last.candidate}; it was moved since."
            remedy = self._mend_api() or self._start()
            yield Finding(Severity.ERROR, what, why, remedy)

    def _batch(self) -> Iterator[Finding]:
        api, batch = self._deployed.api, self._deployed.batch
        if api is None or batch is None or api.live is None or batch.live is None:
            return
        left_at = self._left_at(batch)
        moved = left_at is not None and batch.live.number != left_at
        back = self._remedies.move(batch.name, left_at) if moved and left_at is not None else None
        if {*batch.live.pins} != {*api.live.pins}:
            what = f"Batch is live with {_pins(batch)}, the API with {_pins(api)}"
            why = "A file and a request get different predictions."
            remedy = self._mend_api() or back or self._start()
            yield Finding(Severity.ERROR, what, why, remedy)
        elif back is not None and self._last_moved is not None:
            what = f"Version {batch.live.number} of batch is live, and no release made it so"
            why = f"The last one, {self._last_moved.id}, left version {left_at}."
            yield Finding(Severity.WARNING, what, why, back)

    def _stages(self) -> Iterator[Finding]:
        entries, api = self._kept.entries, self._deployed.api
        if entries is None or api is None or api.live is None or self._last_moved is None:
            return
        live = [pin.version for pin in api.live.pins]
        for version in live:
            if version in entries and entries[version].stage is not Stage.CHAMPION:
                what = f"{version} is live, and {entries[version].stage} in the registry"
                rebuild = self._kept.stages.get(version) is Stage.CHAMPION
                yield self._stage(what, rebuild)
        for version, entry in entries.items():
            if entry.stage is Stage.CHAMPION and version not in live:
                what = f"{version} is champion in the registry, and not live"
                yield self._stage(what, self._kept.stages.get(version) is not Stage.CHAMPION)

    def _stage(self, what: str, rebuild: bool) -> Finding:
        if rebuild:
            why = "The registry is older than its journal."
            return Finding(Severity.WARNING, what, why, self._remedies.rebuild())
        mend = self._mend_api()
        if mend is not None:
            why = "The alias was moved past the releases, which note the stages."
            return Finding(Severity.WARNING, what, why, mend)
        why = "The release could not note it at its end; the next one does when it begins."
        return Finding(Severity.WARNING, what, why, self._start())

    def _weighted(self) -> list[tuple[Side, Traffic]]:
        found = ((side, side.traffic) for side in self._deployed.sides)
        return [(side, traffic) for side, traffic in found if traffic and traffic.weights]

    def _unweigh(self, side: Side, traffic: Traffic) -> str:
        if side is self._deployed.api:
            return self._remedies.roll_back()
        return self._remedies.move(side.name, traffic.version)

    def _start(self) -> str:
        """A release; or first what takes away weights that are nobody's."""
        weighted = self._weighted()
        return self._unweigh(*weighted[0]) if weighted else self._remedies.start()

    def _mend_api(self) -> str | None:
        """Back to where the last release left the API, if it is elsewhere."""
        api, last = self._deployed.api, self._last_moved
        if api is None or api.traffic is None or last is None:
            return None
        if last.candidate in (None, api.traffic.version):
            return None
        # While it has weights, a rollback takes these away, and refuses to be told where to.
        return self._remedies.roll_back(None if api.traffic.weights else last.candidate)

    def _left_at(self, side: Side) -> str | None:
        """The version at which the last release left a function."""
        last = self._last_moved
        if last is None:
            return None
        return last.batch_candidate if side is self._deployed.batch else last.candidate


def _shares(traffic: Traffic) -> str:
    shares = {traffic.version: 1 - sum(traffic.weights.values()), **traffic.weights}
    return ", ".join(f"{share:.0%} version {number}" for number, share in shares.items())


def _because(record: ReleaseRecord) -> str:
    return f"by {record.id}: {'; '.join(record.reasons)}"


def _pins(side: Side) -> str:
    pins = () if side.live is None else side.live.pins
    return ", ".join(str(pin.version) for pin in pins) or "no model"
