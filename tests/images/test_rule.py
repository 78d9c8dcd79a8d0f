"""The table of causes and that of reasons stand in the README as they stand in the code."""

from pathlib import Path

from mico_150k.core.reasons import Reason
from mico_150k.images.rules import CAUSES

README = Path(__file__).parents[2] / "README.md"


def table(heading: str) -> list[str]:
    """The lines of the table below a heading line."""
    lines = README.read_text().splitlines()
    start = lines.index(heading) + 2
    end = next(place for place in range(start, len(lines)) if not lines[place].startswith("|"))
    return lines[start:end]


def test_the_readme_has_the_table_of_causes() -> None:
    assert table("| cause | what is seen | what is made of it |") == [
        f"| `{cause.name}` | {cause.seen} | {cause.done} |" for cause in CAUSES
    ]


def test_the_readme_has_the_table_of_reasons() -> None:
    assert table("| reason | |") == [f"| `{reason}` | {reason.meaning} |" for reason in Reason]
