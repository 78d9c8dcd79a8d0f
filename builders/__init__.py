"""The registry: one file in this folder for each configuration, each trainer, or both.

They are found by what they define, so that to add one is to add its file. What several share is in
a file as well, which defines neither.
"""

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from types import ModuleType
from typing import Any, TypeVar

from mico_150k.core.configuration import Builder
from mico_150k.core.errors import BuilderRefused, UnknownConfig
from mico_150k.core.trainer import Trainer

Defined = TypeVar("Defined", Builder, Trainer)

_SCRIPT = "mico_150k"
"""The loading script of `datasets` before 4: it lies here, and registers nothing."""
_FIRST = "default"
"""The configuration that a card names first; the others follow by name."""
TAKEN = frozenset(
    (
        "trainer", "dataset", "out", "in_place", "where", "sample", "limit", "seed", "over_limit",
        "max_inputs", "images", "overwrite", "on_progress", "on_forecast", "format", "json",
        "as_json", "context", "help",
    )
)  # fmt: skip
"""What no trainer may call an option of its own: every export has such an option or argument."""


def _modules() -> Iterator[ModuleType]:
    names = {module.name for module in pkgutil.iter_modules(__path__)} - {_SCRIPT}
    for name in sorted(names, key=lambda name: (name != _FIRST, name)):
        yield importlib.import_module(f"{__name__}.{name}")


def _defined(kind: type[Defined]) -> Iterator[type[Defined]]:
    """Every class of a kind that a module here defines, but private ones."""
    for module in _modules():
        for value in vars(module).values():
            if (
                isinstance(value, type)
                and not value.__name__.startswith("_")
                # Before `issubclass`: in Python 3.10 `dict[str, int]` says that it is a type.
                and value.__module__ == module.__name__
                and issubclass(value, kind)
            ):
                yield value


def _by_name(kind: type[Defined]) -> dict[str, Defined]:
    """Return an instance of each class of a kind, by name.

    Raises `BuilderRefused` if a class is incomplete, or its name is taken.
    """
    found: dict[str, Defined] = {}
    for each in _defined(kind):
        where = f"{inspect.getfile(each)}: {each.__name__}"
        if missing := _missing(each):
            msg = f"{where} has no {', '.join(missing)}; see docs/adding-a-trainer.md."
            raise BuilderRefused(msg)
        if taken := _taken(each):
            msg = (
                f"{where} has an option {', '.join(taken)}, which all exports already have: "
                "rename it."
            )
            raise BuilderRefused(msg)
        if each.name in found:
            other = inspect.getfile(type(found[each.name]))
            msg = f"{where} has the name {each.name!r}, which a class in {other} has, too."
            raise BuilderRefused(msg)
        found[each.name] = each()
    return found


def _missing(defined: type) -> list[str]:
    """What its bases declare, and it has not."""
    declared = [name for base in defined.__mro__ for name in inspect.get_annotations(base)]
    values = [name for name in declared if not hasattr(defined, name)]
    return [*dict.fromkeys(values), *sorted(getattr(defined, "__abstractmethods__", ()))]


def _taken(defined: type) -> list[str]:
    """The names of a trainer's own options that are not free."""
    kinds = defined.formats() if issubclass(defined, Trainer) else ()
    return [option.name for kind in kinds for option in kind.options if option.name in TAKEN]


BUILDERS = _by_name(Builder)
"""Configuration name → builder, in the order of the card."""

TRAINERS = _by_name(Trainer)  # type: ignore[type-abstract] # concrete ones are found
"""Trainer name on the command line → trainer."""


def get_builder(name: str) -> Builder:
    """Return the builder of a configuration. Raises `UnknownConfig`."""
    if name not in BUILDERS:
        msg = f"{name!r} is not a configuration; there are {', '.join(BUILDERS)}."
        raise UnknownConfig(msg)
    return BUILDERS[name]


def get_trainer(name: str, file_format: str = "", **options: Any) -> Trainer:  # noqa: ANN401
    """Return a trainer with its own options, for one of the kinds of files that it reads.

    Raises `UnknownConfig`, and `UsageError` for an option that it does not have.
    """
    if name not in TRAINERS:
        msg = f"{name!r} is not a known trainer; there are {', '.join(TRAINERS)}."
        raise UnknownConfig(msg)
    trainer = TRAINERS[name]
    for kind in trainer.formats():
        if file_format in {"", kind.format}:
            return kind(**options)
    formats = [kind.format for kind in trainer.formats()]
    msg = f"format={file_format!r}: {trainer.title} has {' or '.join(filter(None, formats))}."
    if not trainer.format:
        msg = f"format={file_format!r}: {trainer.title} reads one kind of files and has no formats."
    raise UnknownConfig(msg)
