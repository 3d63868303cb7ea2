"""`mlops smoke`: check the answers of a deployed API."""

import json
import math
import signal
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import chain, cycle, islice
from pathlib import Path
from threading import Event, Lock
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import ValidationError
from rich.live import Live
from rich.text import Text
from urllib3.util import Retry

from mlops.cli.answers import Models, ServedContract, wrong_fields
from mlops.cli.api_client import ApiClient, Http, client
from mlops.cli.output import DEFAULT_STORE, AsJson, Store, answer, notes
from mlops.cli.release import StackName, find_stack
from mlops.cli.samconfig import Samconfig, Samconfigs
from mlops.cli.traffic import Case, by_model, examples, rows, too_little
from mlops.errors import MlopsError
from mlops.inference.version import ModelVersion, Pin
from mlops.models.contract import Contract

if TYPE_CHECKING:
    from mlops.aws.stacks import Stack
    from mlops.bootstrap.releases import Places

_DIGEST, _RELEASE = "Model-Digest", "Release"
_AT_ONCE = 8
_SHOWN_SECONDS = 0.2
_REASONS = 10
"""How many reasons are kept: the first ones. Each may name a request of its own."""
# A connection that broke is tried once more; what the API answers counts as it is.
_RETRY = Retry(connect=1, read=1, status=0, redirect=0, allowed_methods=None)


class Tally:
    """What an API answered until now. Threads share it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.answers: Counter[str] = Counter()
        self.failed = 0
        self.reasons: list[str] = []
        self._lock = Lock()

    def ask(self, api: ApiClient, case: Case) -> None:
        release = None
        try:
            release, faults = _answered(api, case)
        except MlopsError as error:
            faults = [str(error)]
        with self._lock:
            if release is not None:
                self.answers[release] += 1
            if faults:
                self._fail(case.contract.model, faults)

    def fail(self, model: str, fault: str) -> None:
        """Count a model that cannot be asked at all."""
        with self._lock:
            self._fail(model, [fault])

    def _fail(self, model: str, faults: Sequence[str]) -> None:
        self.failed += 1
        if len(self.reasons) < _REASONS:
            self.reasons.append(f"{model}: {'; '.join(faults)}")

    def __str__(self) -> str:
        answers = [f"{number:,} by version {release}" for release, number in self._by_release()]
        return f"Answers of {self.url}: {', '.join(answers) or 'none'}. Failed: {self.failed:,}"

    def document(self) -> dict[str, Any]:
        return {
            "url": self.url,
            "answers": dict(self._by_release()),
            "failed": self.failed,
            "reasons": self.reasons,
        }

    def _by_release(self) -> list[tuple[str, int]]:
        return sorted(self.answers.items())


def add_to(app: typer.Typer) -> None:
    app.command()(smoke)


def smoke(
    context: typer.Context,
    rate: Annotated[
        float | None,
        typer.Option(
            min=0.01,
            max=100,
            help="Keep sending this many requests a second, with rows of the models' holdouts.",
        ),
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option(
            min=0.01,
            help="With --rate: stop after this many seconds. [default: run until interrupted]",
        ),
    ] = None,
    url: Annotated[
        str | None,
        typer.Option(envvar="MLOPS_API_URL", help="URL of the API. [default: that of the stack]"),
    ] = None,
    stack: StackName = None,
    store: Store = DEFAULT_STORE,
    samconfig: Samconfigs = Path("samconfig.toml"),
    as_json: AsJson = False,
) -> None:
    """Send example requests to the API and check the answers (exit code 1: one is wrong).

    Each answer has to come from a version that is pinned or live. Requests are signed as in
    `mlops batch`. If --stack is given, its API is asked, even if MLOPS_API_URL is set.

    With --rate, the command makes traffic for a canary: it sends the rows of a version's holdout,
    because a few examples are too few to analyze. The rows are read from the store of the stack,
    or from --store if only a URL is given. If they cannot be read, nothing is sent (exit code 1).
    """
    if seconds is not None and rate is None:
        raise typer.BadParameter("--seconds needs --rate.")
    pinned = Samconfig.read(samconfig).pins()
    if _named(context, "stack") and not _named(context, "url"):
        url = None
    found = None
    if url and not (stack and rate):
        address, live = url, _served(_client(url))
    else:
        found = find_stack(stack, samconfig)
        live = _live(found)
        address = url or found.outputs["ApiUrl"]
    # What is live first: what the rows of a newer version hold, it may not take.
    pins = by_model([*live, *pinned])
    tally = Tally(address)
    if not pins:
        notes.print(f"No model is pinned or live, so no request is sent to {address}.")
    elif rate is None:
        api = _client(address)
        for model, of_model in pins.items():
            _ask_examples(api, model, of_model, tally)
    else:
        if found is not None and (warning := too_little(rate, found.parameters, len(pins))):
            notes.print(warning)
        location = _places(found).store if found else store
        _send(address, rows(pins, location), tally, rate, seconds)
    reasons = [f"- {reason}" for reason in tally.reasons]
    answer(tally.document(), as_json, "\n".join([str(tally), *reasons]))
    if tally.failed:
        raise typer.Exit(1)


def _named(context: typer.Context, option: str) -> bool:
    """Whether the command line names it, and not only the environment."""
    source = context.get_parameter_source(option)
    return source is not None and source.name == "COMMANDLINE"


def _places(stack: "Stack") -> "Places":
    """Raises CloudUnavailable where it is a stack of something else."""
    from mlops.bootstrap.releases import places_of

    return places_of(stack)


def _live(stack: "Stack") -> list[Pin]:
    """The pins that the alias of a stack's API leads to. Raises CloudUnavailable."""
    from mlops.bootstrap.releases import open_console

    api = open_console(_places(stack)).deps.api
    traffic = api.traffic()
    versions = [api.describe(number) for number in (traffic.version, *traffic.weights)]
    return [pin for version in versions for pin in version.pins]


def _served(api: ApiClient) -> list[Pin]:
    """What an API says that it serves. Raises ApiRefused, ApiUnreachable."""
    return [
        Pin(ModelVersion.parse(found["model_version"]), found["digest"])
        for found in api.call("GET", "/v1/models", Models)["models"]
    ]


def _ask_examples(api: ApiClient, model: str, pins: Sequence[Pin], tally: Tally) -> None:
    """Send the examples of the contract that the API shows for the model."""
    try:
        shown = api.call("GET", f"/v1/models/{model}", ServedContract)["contract"]
        contract = Contract.from_json(json.dumps(shown).encode(), f"The contract of {model}")
    except MlopsError as error:
        tally.fail(model, str(error))
        return
    for case in examples(contract, pins):
        tally.ask(api, case)


def _answered(api: ApiClient, case: Case) -> tuple[str, list[str]]:
    """Who answered, and what is wrong with it. Raises ApiRefused, ApiUnreachable, ConfigInvalid."""
    contract = case.contract
    answer = api.ask("POST", f"/v1/predict/{contract.model}", case.request)
    faults = []
    if answer.status != 200:
        faults.append(f"the status is {answer.status}")
    try:
        found = contract.response.model_validate_json(answer.data, strict=True).model_dump()
    except ValidationError as error:
        faults.append(f"these fields of the answer are wrong: {wrong_fields(error)}")
        found = {}
    subject = contract.subject
    if found and subject is not None and found[subject] != case.request[subject]:
        faults.append(f"it answers for another {subject}")
    digest = answer.headers.get(_DIGEST, "no digest")
    pin = case.pins.get(digest)
    if pin is None:
        faults.append(f"{digest} answered, which is neither pinned nor live")
    elif found and found["model_version"] != str(pin.version):
        faults.append(f"{found['model_version']} answered with the digest of {pin.version}")
    return answer.headers.get(_RELEASE, "-"), faults


def _client(url: str) -> ApiClient:
    return client(url, Http(_RETRY))


def _send(
    url: str,
    cases: Sequence[Sequence[Case]],
    tally: Tally,
    rate: float,
    seconds: float | None,
) -> None:
    """Send `rate` requests a second, or as many as the API answers, and show what came of them.

    cases: of each model; the models take turns. No two senders have the same of them at once.
    """
    senders = min(_AT_ONCE, math.ceil(rate))
    apis = [_client(url) for _ in range(senders)]  # each with its own connection
    ends = math.inf if seconds is None else time.monotonic() + seconds
    stop = Event()
    with (
        _interruption() as asked_to_end,
        ThreadPoolExecutor(senders) as threads,
        Live(console=notes, transient=True, auto_refresh=False) as live,
    ):
        begins = time.monotonic()
        sending = [
            threads.submit(
                _keep_sending,
                api,
                islice(
                    chain.from_iterable(zip(*map(cycle, cases), strict=True)), number, None, senders
                ),
                tally,
                begins + number / rate,
                senders / rate,
                stop,
            )
            for number, api in enumerate(apis)
        ]
        try:
            while not asked_to_end and not any(sender.done() for sender in sending):
                if (left := ends - time.monotonic()) <= 0:
                    break
                stop.wait(min(_SHOWN_SECONDS, left))
                if notes.is_interactive:
                    live.update(Text(str(tally)), refresh=True)
        finally:
            stop.set()
    for sender in sending:
        sender.result()


def _keep_sending(
    api: ApiClient, cases: Iterator[Case], tally: Tally, begins: float, pause: float, stop: Event
) -> None:
    """Send one every `pause` seconds. What an API was too slow for is not made up for."""
    due = begins
    while not stop.wait(max(due - time.monotonic(), 0)):
        tally.ask(api, next(cases))
        due = max(due + pause, time.monotonic())


@contextmanager
def _interruption() -> Iterator[Sequence[int]]:
    """The signals by which this process is asked to end, once it is: it ends in its own time.

    No event is set by them: its lock may just be held by the thread that is interrupted.
    """
    asked: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda got, _: asked.append(got)) for number in numbers]
    try:
        yield asked
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
