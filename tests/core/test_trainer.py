"""A trainer's options are plain data, and what is given for them is checked."""

import math

import pytest

from mico_150k.core.errors import UsageError
from mico_150k.core.trainer import Option, Trainer, Value

RATE = Option("learning_rate", float, 0.1, "", minimum=0)
KIND = Option("kind", str, None, "", choices=("a", "b"))
FAST = Option("fast", bool, False, "", needs="kind")


class WithOptions(Trainer):
    """A trainer of which only the options count."""

    title = "Mine"
    options = (RATE, KIND, FAST)


def test_an_option_is_named_in_python_and_on_the_command_line() -> None:
    assert RATE.flag == "--learning-rate"


@pytest.mark.parametrize(
    ("option", "value", "kept"),
    [(RATE, 2, 2.0), (RATE, 0.0, 0.0), (KIND, None, None), (KIND, "b", "b"), (FAST, True, True)],
)
def test_a_value_of_its_type_is_kept(option: Option, value: object, kept: Value) -> None:
    found = option.check(value)
    assert found == kept
    assert type(found) is type(kept)


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        (RATE, "2", "learning_rate='2' is not of type float"),
        (RATE, True, "learning_rate=True is not of type float"),
        (RATE, None, "learning_rate=None is not of type float"),
        (RATE, -1, "learning_rate=-1.0 must be at least 0"),
        (RATE, math.nan, "learning_rate=nan is not a finite number"),
        (RATE, 10**400, "learning_rate=inf is not a finite number"),
        (KIND, "c", "kind='c' must be a or b"),
        (KIND, 1, "kind=1 is not of type str"),
        (Option("text", str, "", ""), "\udcff", "is not UTF-8"),
        (FAST, 1, "fast=1 is not of type bool"),
    ],
)
def test_another_value_is_refused(option: Option, value: object, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        option.check(value)


def test_all_options_have_values_and_unknown_ones_are_refused() -> None:
    assert WithOptions.check_options({"kind": "a", "fast": True}) == {
        "learning_rate": 0.1, "kind": "a", "fast": True,
    }  # fmt: skip
    with pytest.raises(UsageError, match="Mine has no option rate: its options are learning_rate"):
        WithOptions.check_options({"rate": 1})
    with pytest.raises(UsageError, match="fast needs kind"):
        WithOptions.check_options({"fast": True})
