"""Makes foreign text safe to show: short, on one line, and valid UTF-8."""

from mico_150k.core.plural import counted

MOST_CHARACTERS = 200
"""Paths, names and ids are shorter than this."""

_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))}
_SEPARATORS = {0x2028: "\\u2028", 0x2029: "\\u2029"}


def excerpt(value: object, most: int = MOST_CHARACTERS) -> str:
    """Return a value's text on one line, shortened in the middle.

    Terminal commands, line ends and invalid Unicode (from a file name that is not UTF-8) are shown
    as escapes.

    Args:
        value: Anything; its `str` is shown.
        most: The length in characters from which it is shortened.
    """
    try:
        text = str(value)
    except (RecursionError, ValueError):  # nested too deeply, or a number of too many digits
        text = f"({type(value).__name__})"
    length = len(text)
    if length > most:
        text = f"{text[: most * 2 // 3]}… ({counted(length, 'character')}) …{text[-(most // 3) :]}"
    text = text.encode("utf-8", "backslashreplace").decode()
    return text.translate(_CONTROLS | _SEPARATORS)
