"""What people, or a judge, went back from. A deployment alone does not bring it back.

A version of a function is known by its number. But each commit builds an image, and with it a
version, of its own: a model that people went back from would come with the next commit, whatever
that is about, and pass a judge that had nothing against it before. So what people took back is
known by its pins as well. What a judge took back, it would take back again.
"""

from collections.abc import Callable, Iterator, Sequence

from mlops.inference.version import Pin
from mlops.registry.releases import Ended, Kind, ReleaseRecord
from mlops.release.ports import FunctionVersion


def why_not_again(
    releases: Sequence[ReleaseRecord],
    champion: FunctionVersion,
    candidate: FunctionVersion,
    batch_candidate: FunctionVersion,
    is_aborted: Callable[[str], bool],
) -> str | None:
    """Why a deployment is not to release that; None where nothing speaks against it.

    releases: the oldest first. is_aborted: whether people ended the release with that id.
    """
    # With a new API batch has no say: who mends the API deploys the same batch again.
    batch = batch_candidate.number if candidate == champion else None
    if _version_was_taken_back(releases, candidate.number, batch, is_aborted):
        return f"version {candidate.number} was taken back before; `mlops release start` retries"
    new = (pin for pin in candidate.pins if pin not in champion.pins)
    models = [str(pin.version) for pin in new if next(_said_of(releases, pin, is_aborted), False)]
    if models:
        return (
            f"{', '.join(models)} was taken back before; pin another version, or let"
            " `mlops release start` retry"
        )
    return None


def _version_was_taken_back(
    releases: Sequence[ReleaseRecord],
    number: str,
    batch: str | None,
    is_aborted: Callable[[str], bool],
) -> bool:
    """batch: where that alone is new."""

    def is_it(version: str | None, batch_version: str | None) -> bool:
        return version == number and (batch is None or batch_version == batch)

    for record in reversed(releases):
        if batch is None and record.candidate == record.champion:
            continue  # it was about batch alone
        left = record.kind is Kind.ROLLBACK and is_it(record.champion, record.batch_champion)
        is_about_it = left or is_it(record.candidate, record.batch_candidate)
        if is_about_it and _was_decided(record, is_aborted):
            return left or not record.moved
    return False


def _was_decided(record: ReleaseRecord, is_aborted: Callable[[str], bool]) -> bool:
    """What was refused before it had traffic may be asked again, unless people did so."""
    if record.outcome is Ended.REFUSED:
        return is_aborted(record.id)
    return record.outcome is not Ended.UNCHANGED


def _said_of(
    releases: Sequence[ReleaseRecord], pin: Pin, is_aborted: Callable[[str], bool]
) -> Iterator[bool]:
    """Whether people took a model back, by each record that says so or not; the newest first."""
    pins_of = {record.candidate: record.pins for record in releases if record.pins}
    for record in reversed(releases):
        before, after = pins_of.get(record.champion, ()), record.pins
        if record.moved:
            if pin in after:
                yield False
            elif pin in before and record.kind is Kind.ROLLBACK:
                yield True
        elif pin in after and pin not in before and is_aborted(record.id):
            yield True
