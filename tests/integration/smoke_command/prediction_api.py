"""The API on the loopback, as far as `mlops smoke` asks it."""

import json
import threading
from collections.abc import Callable, Iterator
from itertools import cycle
from typing import Any

from mlops.models.churn.contract import CHURN
from tests.integration.batch_command.fake_api import Answer, FakeApi, Seen, of

VERSION, DIGEST = "churn-model-v1.0.0", f"sha256:{'0' * 64}"
PREDICT = "POST /v1/predict/churn"
CONTRACT = "GET /v1/models/churn"


class PredictionApi(FakeApi):
    """Predicts as ours does. after: called with the number of each prediction, once it is sent for.

    releases: of one prediction after the other. digest: of the version that answers.
    """

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.releases: Iterator[str] = cycle(["1"])
        self.digest = DIGEST
        self.after: Callable[[int], None] = lambda number: None
        self.lock = threading.Lock()

    def answer(self, seen: Seen) -> Answer:
        request = f"{seen.method} {seen.path}"
        with self.lock:  # as many at once as the command sends
            if not self.script.get(request) and request == CONTRACT:
                return of({"contract": json.loads(CHURN.to_json())})
            if self.script.get(request) or request != PREDICT:
                return super().answer(seen)
            self.seen.append(seen)
            self.after(len(self.seen))
            return self.predicted(seen.document)

    def predicted(self, document: Any, **replaced: object) -> Answer:
        request = CHURN.request.model_validate(document)
        made = CHURN.answer_to(request, [0.5], model_version=VERSION, prediction_id="pred_1")
        document = {**made.model_dump(mode="json"), **replaced}
        return of(document, Model_Digest=self.digest, Release=next(self.releases))


def models(digest: str | None = None, version: str = VERSION) -> Answer:
    found = [] if digest is None else [{"model_version": version, "digest": digest}]
    return of({"models": found})
