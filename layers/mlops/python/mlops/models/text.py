"""The input format `text-1`: a text as counts of hashed words, pairs of words and parts of words.

Python splits the text, and only numbers go into the graph: ONNX's own operators for texts need a
locale that small images lack, and differ from what training computes.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING
from zlib import crc32

import numpy as np

from mlops.models.inputs import Tensors

if TYPE_CHECKING:
    from mlops.models.contract import Contract, RequestField
    from mlops.models.formats import TextFormat

PLACES, COUNTS = "places", "counts"
"""Names of the inputs of the graph."""

_TOKEN = re.compile(r"\w[\w']*|[^\w\s]+")
_ENDS_NEGATION = frozenset(".,;:!?")
_NEGATIONS = frozenset(
    [
        *("no", "not", "never", "none", "nobody", "nothing", "neither", "nor", "cannot", "without"),
        *("hardly", "barely", "aint", "arent", "cant", "couldnt", "didnt", "doesnt", "dont"),
        *("hadnt", "hasnt", "havent", "isnt", "shouldnt", "wasnt", "werent", "wont", "wouldnt"),
    ]
)
_REACH = 4
"""Words after a negation that it turns around, unless punctuation or "but" comes first."""
_NEGATED = "~"
_OF_PARTS = crc32(b"part of a word ")
"""Where the hash of a part begins, so that it differs from that of a word of the same letters."""


class TextInputs:
    """Turns requests into the places of a text's features, and how often each occurs.

    A feature is a word, a pair of neighbouring words, or a part of a word of some lengths. Its
    place is a hash, so no vocabulary has to be stored; features that share a place share a weight.
    """

    fields: tuple[RequestField, ...] = ()
    signature: Mapping[str, tuple[str, int | None]] = {
        PLACES: ("tensor(int64)", None),
        COUNTS: ("tensor(float)", None),
    }

    def __init__(self, contract: Contract, format: TextFormat) -> None:
        (self._field,) = contract.features
        self._format = format

    @cached_property
    def layout(self) -> str:
        """How features become places; JSON."""
        return json.dumps(
            {"text": self._field.name, "bits": self._format.bits, "parts": self._format.parts}
        )

    def tensors(self, requests: Sequence[object]) -> Tensors:
        """Return places and counts, shape (n, features of the longest text).

        Shorter texts end in features that occur 0 times.
        """
        found = [self._count(getattr(request, self._field.name)) for request in requests]
        shape = len(found), max(map(len, found), default=0)
        places = np.zeros(shape, dtype=np.int64)
        counts = np.zeros(shape, dtype=np.float32)
        for row, features in enumerate(found):
            places[row, : len(features)] = np.fromiter(features, np.int64, len(features))
            counts[row, : len(features)] = np.fromiter(features.values(), np.float32, len(features))
        return {PLACES: places, COUNTS: counts}

    def _count(self, text: str) -> Mapping[int, int]:
        """Return how often each place occurs in a text."""
        last = self._format.places - 1
        return Counter([found & last for found in hashes_of(text, self._format.parts)])


def hashes_of(text: str, lengths: tuple[int, ...]) -> list[int]:
    """Return the hashes of a text's words, of the pairs of neighbouring ones, and of their parts.

    lengths: of the parts, in characters.
    """
    words = split(text)
    found = [crc32(word.encode()) for word in words]
    found += [crc32(f"{first} {second}".encode()) for first, second in pairwise(words)]
    for word in words:
        found += (_known_parts if len(word) <= _LONGEST_KNOWN else _parts)(word, lengths)
    return found


def _parts(word: str, lengths: tuple[int, ...]) -> tuple[int, ...]:
    """Return the hashes of the parts of a word.

    The space at both ends of a word counts, so that a part knows whether a word begins or ends with
    it. A word that is no longer than a length is a part itself, and then there are no longer ones.
    """
    padded = f" {word} "
    # To encode each part would take most of the time.
    content, unit = (padded.encode(), 1) if word.isascii() else (padded.encode("utf-32-le"), 4)
    found: list[int] = []
    for length in lengths:
        if len(padded) <= length:
            found.append(crc32(content, _OF_PARTS))
            break
        size = length * unit
        starts = range(0, len(content) - size + 1, unit)
        found += [crc32(content[start : start + size], _OF_PARTS) for start in starts]
    return tuple(found)


_LONGEST_KNOWN = 20
_known_parts = lru_cache(maxsize=8192)(_parts)
"""For the words that texts are made of; one that somebody made up would only fill the memory."""


def split(text: str) -> list[str]:
    """Return words and runs of punctuation in lower case, without accents.

    Words in the reach of a negation are marked.
    """
    text = text.lower()
    if not text.isascii():
        signs = unicodedata.normalize("NFKD", text)
        text = "".join(sign for sign in signs if not unicodedata.combining(sign))
        text = text.replace("\u2019", "'")
    found, left = [], 0
    for part in _TOKEN.findall(text):
        is_word = part[0].isalnum()
        if part[0] in _ENDS_NEGATION or part == "but":
            left = 0
        found.append(f"{_NEGATED}{part}" if left and is_word else part)
        left = max(left - 1, 0)
        if part in _NEGATIONS or part.endswith("n't"):
            left = _REACH
    return found
