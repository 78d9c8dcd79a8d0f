"""What a renamed class is to an identity: nothing."""

from dataclasses import fields, make_dataclass
from typing import Any


def renamed(value: Any) -> Any:
    """The same values in a class of another name, with its fields in another order."""
    values = {field.name: getattr(value, field.name) for field in reversed(fields(value))}
    return make_dataclass("Renamed", values)(**values)
