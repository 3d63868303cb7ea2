"""Characters that a URL, a header or a path must not contain are named."""

import pytest

from mlops.models.characters import find_control_character, find_other_than_visible_ascii


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("a\nb", "a line feed"),
        ("a\r\n", "a carriage return"),
        ("\0", "a NUL"),
        ("\x85", "the character U+0085"),
        ("\x9b", "the character U+009B"),
    ],
)
def test_a_control_character_is_named_by_both(text: str, name: str) -> None:
    assert find_control_character(text) == name
    assert find_other_than_visible_ascii(text) == name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("a b", "a space"),
        ("a\u00a0b", "a no-break space"),
        ("\ufeffa", "a byte order mark"),
        ("\u00e9", "the character U+00E9 (LATIN SMALL LETTER E WITH ACUTE)"),
    ],
)
def test_paths_may_hold_what_urls_may_not(text: str, name: str) -> None:
    assert find_control_character(text) is None
    assert find_other_than_visible_ascii(text) == name


def test_visible_ascii_is_usable() -> None:
    text = "".join(map(chr, range(0x21, 0x7F)))
    assert find_control_character(text) is None
    assert find_other_than_visible_ascii(text) is None
