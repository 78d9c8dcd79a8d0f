"""Foreign text as it is shown or written down: short, on one line, and valid UTF-8."""

from mico_150k.core.plural import counted

MOST_CHARACTERS = 200
"""A path, a name or an id is shorter; what is longer is no such thing."""

_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))}
_SEPARATORS = {0x2028: "\\u2028", 0x2029: "\\u2029"}


def excerpt(value: object, most: int = MOST_CHARACTERS) -> str:
    """The value's text, its middle left out where it has more than `most` characters.

    What would command a terminal, end a line, or is no valid Unicode (a file name that is not
    UTF-8) is shown by its number.
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
