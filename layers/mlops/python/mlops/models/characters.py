"""Name the characters that a URL, a header or a path must not contain."""

import re
import unicodedata

_NAMES = {
    "\0": "a NUL",
    "\t": "a tab",
    "\n": "a line feed",
    "\r": "a carriage return",
    "\x1b": "an escape character",
    "\x7f": "a delete character",
    " ": "a space",
    "\xa0": "a no-break space",
    "\ufeff": "a byte order mark",
}
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
_OTHER_THAN_VISIBLE_ASCII = re.compile("[^!-~]")


def find_control_character(text: str) -> str | None:
    """Return the name of the first control character, or None if there is none."""
    return _find(_CONTROL, text)


def find_other_than_visible_ascii(text: str) -> str | None:
    """Return the name of the first character that no URL or token contains, or None."""
    return _find(_OTHER_THAN_VISIBLE_ASCII, text)


def _find(pattern: re.Pattern[str], text: str) -> str | None:
    found = pattern.search(text)
    return None if found is None else _name(found.group())


def _name(character: str) -> str:
    code = f"U+{ord(character):04X}"
    known = _NAMES.get(character)
    if known is not None:
        return known
    name = unicodedata.name(character, "")
    return f"the character {code} ({name})" if name else f"the character {code}"
