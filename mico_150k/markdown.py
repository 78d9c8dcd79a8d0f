"""Markdown from templates; strangers' words in it are shown as they are, and can do nothing."""

import unicodedata
from importlib.resources import files

import jinja2

SHOWN = 240
"""Characters of a text that are shown at most."""


def quoted(text: str) -> str:
    """The text in one code span: no markup, link, HTML or table can come of it.

    Blanks of any kind become one space; characters that cannot be seen go, among them those that
    turn the direction of writing; backticks and pipes are replaced by their likes, since a
    table's cell can hold neither.
    """
    visible = "".join(
        character if not unicodedata.category(character).startswith(("C", "Z")) else " "
        for character in text
    )
    line = " ".join(visible.split()).replace("`", "ˋ").replace("|", "¦")
    if len(line) > SHOWN:
        line = line[: SHOWN - 1].rstrip() + "…"
    return f"`{line}`" if line else "(empty)"


def markdown_template(name: str) -> jinja2.Template:
    """A template of this package, whose texts by strangers come through the filter `quoted`."""
    environment = jinja2.Environment(
        autoescape=False,  # noqa: S701 - Markdown and YAML, where HTML's escapes would be seen
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["quoted"] = quoted
    return environment.from_string(
        files("mico_150k").joinpath(f"templates/{name}.jinja").read_text()
    )
