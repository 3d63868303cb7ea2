"""Every error that a caller can tell apart; each carries the facts, none a status code.

MlopsError
├── DataInvalid             training data that breaks the contract
├── ConfigInvalid           a configuration file that cannot be used
├── ContractInvalid         a contract that no model could be served with
├── EstimatorUnusable       a file that holds no estimator which could be served
├── ImportRefused           an estimator whose graph would not predict the same
├── GateRefused             a candidate whose figures are not good enough
├── ModelNotFound           no such model
├── PinInvalid              text that is not a pin
├── VersionInvalid          text that is not a version, or not of the model
├── VersionNotFound         no such version in the store
├── VersionExists           the version is there already, with other content
├── ArtifactError           a version that must not be served
│   ├── PinMismatch         the manifest is not the pinned one
│   ├── ManifestInvalid     the manifest cannot be read
│   ├── ArtifactMissing     a file that the manifest lists is gone
│   ├── ArtifactCorrupt     a file's bytes are not those the manifest lists
│   └── ModelUnusable       the bytes are right, yet they are no model of this contract
│       └── GoldenRowsFailed  it does not answer as it did when it was trained
├── StoreError              the object store did not do as asked
│   ├── ObjectNotFound
│   │   └── ObjectBlocked   something else lies in its place, such as a folder
│   ├── ObjectExists        create-only write to a key that is taken
│   ├── ObjectChanged       replacing a state that is no longer the current one
│   ├── StoreThrottled      still throttled after the last retry
│   └── StoreUnavailable    refused, unreachable or misconfigured
│       └── StoreFull       no space is left in it
├── RegistryCorrupt         the SQLite file is not a registry
│   └── DocumentInvalid     a document that the registry is made from cannot be used
├── RegistryBusy            other writers won every try
├── MalformedJson           text that is not JSON as the standard has it
├── JobNotFound             no such batch job, or another caller's
├── JobConflict             the job's id is taken by another job
├── JobDamaged              what was written about a job has changed since
├── JobEnded                too late to cancel it, or nothing to retry
├── InputForbidden          an input outside of the caller's own folder
├── InputRefused            an input that cannot be predicted at all: the job fails
├── OutOfTime               no time is left to go on; another try will
├── CloudUnavailable        AWS refuses, cannot be reached or is misconfigured
│   └── StackNotFound       no such stack with these credentials
├── FunctionGone            the function, its alias or a version of it is not there
├── TrafficChanged          the alias is not as it was read: somebody else has moved it
├── TrafficRefused          a split of traffic that an alias cannot have
├── InvocationFailed        a function did not answer
├── RecordDamaged           what was written about a release has changed since
└── ReleaseRefused          no release or rollback now; the traffic is as it was
"""

from collections.abc import Sequence


class MlopsError(Exception):
    """Base of every error this package raises on purpose."""


class DataInvalid(MlopsError):
    """line: None where the whole of `source` is to blame."""

    def __init__(self, source: str, line: int | None, field: str, reason: str) -> None:
        where = source if line is None else f"{source}, line {line}"
        super().__init__(f"{where}, {field}: {reason}")
        self.source, self.line, self.field, self.reason = source, line, field, reason


class ConfigInvalid(MlopsError):
    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path, self.reason = path, reason


class ContractInvalid(MlopsError):
    """reasons: each names the key that is wrong."""

    def __init__(self, source: str, reasons: Sequence[str]) -> None:
        super().__init__(f"{source}: {'; '.join(reasons)}")
        self.source, self.reasons = source, tuple(reasons)


class GateRefused(MlopsError):
    def __init__(self, model: str, reasons: Sequence[str]) -> None:
        super().__init__(f"The gate refuses this {model} candidate: {'; '.join(reasons)}")
        self.model, self.reasons = model, tuple(reasons)


class EstimatorUnusable(MlopsError):
    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path, self.reason = path, reason


class ImportRefused(MlopsError):
    def __init__(self, model: str, reason: str) -> None:
        super().__init__(f"{model} is not imported: {reason}")
        self.model, self.reason = model, reason


class ModelNotFound(MlopsError):
    def __init__(self, model: str, known: Sequence[str] = ()) -> None:
        hint = f" Known: {', '.join(known)}." if known else ""
        super().__init__(f"There is no model {model!r} here.{hint}")
        self.model, self.known = model, tuple(known)


class PinInvalid(MlopsError):
    def __init__(self, text: str) -> None:
        super().__init__(
            f"{text!r} is not a pin; a pin looks like churn-model-v1.3.2@sha256:<64 hex digits>"
        )
        self.text = text


class VersionInvalid(MlopsError):
    def __init__(self, text: str, model: str | None = None) -> None:
        """model: the one that the version must be of."""
        what = "model version" if model is None else f"version of {model}"
        super().__init__(
            f"{text!r} is not a {what}; one looks like {model or 'churn'}-model-v1.3.2"
        )
        self.text = text


class VersionNotFound(MlopsError):
    def __init__(self, version: str) -> None:
        super().__init__(f"There is no version {version} in the store")
        self.version = version


class VersionExists(MlopsError):
    def __init__(self, version: str, file: str, place: str = "store") -> None:
        super().__init__(
            f"{version} has another {file} in the {place} already. A version never changes, so"
            " register this one under a new name"
        )
        self.version, self.file = version, file


class ArtifactError(MlopsError):
    """A version that must not be served."""

    def __init__(self, version: str, reason: str) -> None:
        super().__init__(f"{version}: {reason}")
        self.version, self.reason = version, reason


class PinMismatch(ArtifactError):
    def __init__(self, version: str, pinned: str, found: str, hint: str = "") -> None:
        reason = f"the pin says {pinned}, the manifest is {found} {hint}"
        super().__init__(version, reason.rstrip())
        self.pinned, self.found = pinned, found


class ManifestInvalid(ArtifactError):
    pass


class ArtifactMissing(ArtifactError):
    def __init__(self, version: str, file: str) -> None:
        super().__init__(version, f"{file} is missing")
        self.file = file


class ArtifactCorrupt(ArtifactError):
    def __init__(self, version: str, file: str, listed: str, found: str) -> None:
        super().__init__(version, f"{file} is {found}, the manifest lists {listed}")
        self.file, self.listed, self.found = file, listed, found


class ModelUnusable(ArtifactError):
    pass


class GoldenRowsFailed(ModelUnusable):
    """The model can be loaded, but does not repeat its golden rows."""


class StoreError(MlopsError):
    """The object store did not do as asked."""

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(f"{key}: {reason}")
        self.key, self.reason = key, reason


class ObjectNotFound(StoreError):
    def __init__(self, key: str, reason: str = "there is no such object") -> None:
        super().__init__(key, reason)


class ObjectBlocked(ObjectNotFound):
    pass


class ObjectExists(StoreError):
    def __init__(self, key: str) -> None:
        super().__init__(key, "the object exists already")


class ObjectChanged(StoreError):
    def __init__(self, key: str) -> None:
        super().__init__(key, "somebody else has changed the object")


class StoreThrottled(StoreError):
    pass


class StoreUnavailable(StoreError):
    pass


class StoreFull(StoreUnavailable):
    pass


class MalformedJson(MlopsError):
    pass


class JobNotFound(MlopsError):
    def __init__(self, job_id: str) -> None:
        super().__init__("There is no such job")
        self.job_id = job_id


class JobConflict(MlopsError):
    def __init__(self, job_id: str) -> None:
        super().__init__("The same id or Idempotency-Key was used for another job")
        self.job_id = job_id


class JobDamaged(MlopsError):
    def __init__(self, job_id: str, reason: str) -> None:
        super().__init__(f"The job is damaged: {reason}")
        self.job_id, self.reason = job_id, reason


class JobEnded(MlopsError):
    def __init__(self, job_id: str, state: str) -> None:
        super().__init__(f"The job {state}")
        self.job_id, self.state = job_id, state


class InputForbidden(MlopsError):
    def __init__(self, prefix: str) -> None:
        super().__init__(f"Use an input below {prefix} whose key has neither % nor ..")
        self.prefix = prefix


class InputRefused(MlopsError):
    """line: of the file, where one is to blame."""

    def __init__(self, reason: str, line: int | None = None) -> None:
        super().__init__(reason if line is None else f"Line {line}: {reason}")
        self.reason, self.line = reason, line


class OutOfTime(MlopsError):
    pass


class CloudUnavailable(MlopsError):
    def __init__(self, what: str, reason: str) -> None:
        super().__init__(f"{what}: {reason}")
        self.what, self.reason = what, reason


class StackNotFound(CloudUnavailable):
    pass


class FunctionGone(MlopsError):
    def __init__(self, name: str) -> None:
        super().__init__(f"There is no {name}")
        self.name = name


class TrafficChanged(MlopsError):
    def __init__(self, alias: str, reason: str = "somebody else has moved it") -> None:
        super().__init__(f"The alias {alias} is not as expected: {reason}")
        self.alias = alias


class TrafficRefused(MlopsError):
    pass


class InvocationFailed(MlopsError):
    def __init__(self, version: str, reason: str) -> None:
        super().__init__(f"{version} does not answer: {reason}")
        self.version, self.reason = version, reason


class ReleaseRefused(MlopsError):
    pass


class RecordDamaged(MlopsError):
    def __init__(self, key: str, reason: str) -> None:
        super().__init__(
            f"{key} cannot be read ({reason}); it was changed since a release wrote it"
        )
        self.key, self.reason = key, reason


class RegistryCorrupt(MlopsError):
    def __init__(self, reason: str) -> None:
        super().__init__(
            f"The registry cannot be read ({reason}). To make it again: mlops registry rebuild"
        )
        self.reason = reason


class DocumentInvalid(RegistryCorrupt):
    """Rebuilding the registry leaves it out, and says why."""

    def __init__(self, key: str, reason: str) -> None:
        MlopsError.__init__(
            self,
            f"{key} is damaged: {reason}. Restore it, for example from an older version of the"
            " object, or delete it",
        )
        self.key, self.reason = key, reason


class RegistryBusy(MlopsError):
    def __init__(self, tries: int) -> None:
        super().__init__(f"Other writers changed the registry during each of {tries} tries")
        self.tries = tries
