"""A text becomes places and counts, the same ones wherever and however often it is read."""

import json
from typing import Any

import numpy as np
import pytest

from mlops.errors import ContractInvalid
from mlops.models.contract import Contract
from mlops.models.schemas import Request
from mlops.models.sentiment.contract import SENTIMENT
from mlops.models.text import COUNTS, PLACES, hashes_of, split
from mlops.models.validation import Fault, validate

PARTS = (3, 4)
HASHES_OF_SO = [2563130371, 658855036, 1235994057, 2969089798]
HOSTILE = {
    "emoji": "🧑🏽‍🚀 loves it 😀😀",
    "umlauts": "Überraschend schöne Grüße",
    "CJK": "这部电影非常好看",
    "right to left": "\u202eסרט מצוין",
    "control characters": "a\x00b\x07\x1b[31m",
    "one character": "x" * 5_000,
    "punctuation": "!?" * 2_500,
    "combining": "e" + "\u0301" * 4_999,
    "no words": "…—·",
}


def request(text: object) -> Request | tuple[Fault, ...]:
    return validate(SENTIMENT, {"text_id": "T1", "text": text})


def tensors(*texts: str) -> dict[str, Any]:
    requests = [request(text) for text in texts]
    assert all(isinstance(found, Request) for found in requests)
    return dict(SENTIMENT.encoder.tensors(requests))


def places(text: str) -> dict[int, float]:
    found = tensors(text)
    return dict(zip(found[PLACES][0].tolist(), found[COUNTS][0].tolist(), strict=True))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The Battery DIED.", ["the", "battery", "died", "."]),
        ("It isn't very good, but cheap", ["it", "isn't", "~very", "~good", ",", "but", "cheap"]),
        ("not a b c d e", ["not", "~a", "~b", "~c", "~d", "e"]),
        ("never! good", ["never", "!", "good"]),
        ("Café don\u2019t :-)", ["cafe", "don't", ":-)"]),
    ],
)
def test_words_are_plain_and_those_after_a_negation_are_marked(text: str, words: list[str]) -> None:
    assert split(text) == words


def test_words_pairs_and_parts_are_counted() -> None:
    words = 2  # "so" and "good"
    pairs = 1
    parts = {"so": 2 + 1, "good": 4 + 3}  # of " so " and " good ", in lengths of 3 and 4
    assert len(hashes_of("so good", PARTS)) == words + pairs + sum(parts.values())
    twice = places("good good")
    assert set(places("good")) < set(twice)
    assert max(twice.values()) == 2


def test_a_part_is_no_word_of_the_same_letters() -> None:
    assert len(set(hashes_of("a", (3,)))) == 2


def test_places_never_change() -> None:
    """A model knows its weights by them: another hash would make nonsense of each version."""
    assert hashes_of("so", PARTS) == HASHES_OF_SO
    assert hashes_of("é", PARTS) == hashes_of("e", PARTS)


def test_a_long_word_and_a_short_one_are_hashed_alike() -> None:
    known, unknown = hashes_of("a" * 20, PARTS), hashes_of("a" * 21, PARTS)
    assert set(known[1:]) == set(unknown[1:])


def test_a_text_has_the_same_counts_beside_longer_ones() -> None:
    alone = places("so good")
    beside = tensors("so good", "a much longer text about nothing at all")
    counts = dict(zip(beside[PLACES][0].tolist(), beside[COUNTS][0].tolist(), strict=True))
    assert {place: count for place, count in counts.items() if count} == alone
    assert beside[PLACES].shape == beside[COUNTS].shape


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_any_text_has_places(text: str) -> None:
    found = tensors(text)
    assert found[PLACES].dtype == np.int64
    assert found[COUNTS].dtype == np.float32
    assert 0 <= found[PLACES].min() <= found[PLACES].max() < 2**17
    assert found[COUNTS].sum() == len(hashes_of(text, SENTIMENT.text.parts))


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("", "string_too_short"),
        (" \t\u3000\n", "blank"),
        ("x" * 5_001, "string_too_long"),
        ("\ud800", "string_unicode"),
        (None, "string_type"),
        (7, "string_type"),
    ],
    ids=["empty", "white space", "too long", "surrogate", "null", "number"],
)
def test_what_is_no_text_is_refused(text: object, kind: str) -> None:
    found = request(text)
    assert isinstance(found, tuple)
    assert [(fault.field, fault.type) for fault in found] == [("text", kind)]


TEXT = {"name": "text", "type": "text", "max_length": 100}
INPUTS = {"format": "text-1", "bits": 12, "parts": [3]}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"inputs": {"format": "text-1"}}, "inputs.bits: Field required"),
        ({"inputs": {"bits": 12}}, "inputs.bits: Extra inputs are not permitted"),
        ({"inputs": INPUTS | {"bits": 21}}, "inputs.bits: Input should be less than or equal"),
        ({"inputs": INPUTS | {"parts": [3, 3]}}, "the lengths of parts must rise"),
        ({"inputs": INPUTS | {"parts": [0]}}, "the lengths of parts must rise, from 1 on"),
        ({"inputs": INPUTS | {"dtype": "float64"}}, "inputs.dtype: Extra inputs are not permitted"),
        ({"fields": [TEXT | {"required": False}]}, "inputs of text-1 are one required text"),
        ({"fields": [TEXT, TEXT | {"name": "more"}]}, "inputs of text-1 are one required text"),
        ({"fields": [{"name": "on", "type": "boolean"}]}, "inputs of text-1 are one required"),
        ({"fields": [{"name": "on", "type": "boolean", "not_blank": True}]}, "no 'not_blank'"),
        ({"inputs": {}}, "fields.text: inputs of tabular-1 take no text"),
    ],
)
def test_a_contract_that_takes_no_text_is_refused(changes: dict[str, Any], reason: str) -> None:
    document = {
        "model": "any",
        "title": "Any",
        "task": "binary",
        "inputs": INPUTS,
        "fields": [TEXT],
        "answer": {"name": "risk"},
        "examples": {"a text": {"text": "x"}},
    }
    Contract.from_json(json.dumps(document).encode(), "contract.json")
    with pytest.raises(ContractInvalid, match=reason):
        Contract.from_json(json.dumps(document | changes).encode(), "contract.json")
