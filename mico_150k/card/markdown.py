"""Renders Markdown templates; foreign text is shown but has no effect."""

import re
import unicodedata
from importlib.resources import files

import jinja2

from mico_150k.core.plural import counted

SHOWN = 240
"""Characters of a text that are shown at most."""

_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9 .,+-]*")


def word(value: object) -> str:
    """Return a value as it is if it is a plain word or number, else quoted."""
    text = str(value)
    return text if _WORD.fullmatch(text.replace("_", "-")) else quoted(text)


def code(text: str) -> str:
    """Lines of code, to stand between fences: none of them is one of a card's own marks.

    What cannot be seen, or turns the direction of writing, is shown by its number.
    """
    visible = "".join(
        character if character == "\n" or character.isprintable() else f"\\x{ord(character):02x}"
        for character in text
    )
    return visible.replace("<!--", "<! --")


def quoted(text: object) -> str:
    """The text in one code span: no markup, link, HTML or table can come of it.

    Blanks of any kind become one space; characters that cannot be seen go, among them those that
    turn the direction of writing; backticks and pipes are replaced by their likes, since a
    table's cell can hold neither.
    """
    visible = "".join(
        character if not unicodedata.category(character).startswith(("C", "Z")) else " "
        for character in str(text)
    )
    line = " ".join(visible.split()).replace("`", "ˋ").replace("|", "¦")
    if len(line) > SHOWN:
        line = line[: SHOWN - 1].rstrip() + "…"
    return f"`{line}`" if line else "(empty)"


def markdown_template(package: str, name: str) -> jinja2.Template:
    """The template that lies in a package; strangers' texts come through `quoted` and `word`."""
    environment = jinja2.Environment(
        autoescape=False,  # noqa: S701 - Markdown and YAML, where HTML's escapes would be seen
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["quoted"] = quoted
    environment.filters["word"] = word
    environment.filters["counted"] = counted
    return environment.from_string(files(package).joinpath(f"{name}.jinja").read_text())
