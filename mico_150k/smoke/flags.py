"""A trainer's options by their names alone, for where its own parser cannot be run."""

import ast
from collections.abc import Iterator, Sequence
from pathlib import Path

from mico_150k.smoke.facts import Flags


def unknown_flags(arguments: Sequence[str], flags: Flags, clone: Path) -> list[str]:
    """Return the flags among these arguments that no file of the clone defines."""
    names = {_plain(name) for name in flags.library}
    for file in flags.files:
        names.update(map(_plain, _defined((clone / file).read_bytes())))
    return [
        word for word in arguments if word.startswith("--") and _plain(word.partition("=")[0])
        not in names
    ]  # fmt: skip


def values(arguments: Sequence[str]) -> dict[str, str | bool]:
    """Return options and values as they stand on a command line; True for a flag alone."""
    found: dict[str, str | bool] = {}
    name = ""
    for word in arguments:
        if word.startswith("--"):
            name, has_value, value = word.partition("=")
            name = _plain(name)
            found[name] = value if has_value else True
        elif name and found[name] is True:
            found[name] = word
    return found


def _plain(name: str) -> str:
    return name.lstrip("-").replace("-", "_")


def _defined(source: bytes) -> Iterator[str]:
    """What `add_argument` is called with, and the fields of classes."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr == "add_argument":
                for word in node.args:
                    if isinstance(word, ast.Constant) and isinstance(word.value, str):
                        yield word.value
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id
