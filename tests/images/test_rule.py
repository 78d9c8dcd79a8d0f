"""The table of causes and that of reasons stand in the documents as they stand in the code."""

from pathlib import Path

from mico_150k.core.reasons import Reason
from mico_150k.images.rules import CAUSES

DOCS = Path(__file__).parents[2] / "docs"


def table(page: str, heading: str) -> list[str]:
    """The lines of the table below a heading line."""
    lines = (DOCS / page).read_text().splitlines()
    start = lines.index(heading) + 2
    end = next(place for place in range(start, len(lines)) if not lines[place].startswith("|"))
    return lines[start:end]


def test_the_page_on_images_has_the_table_of_causes() -> None:
    assert table("images.md", "| cause | found | result |") == [
        f"| `{cause.name}` | {cause.seen} | {cause.done} |" for cause in CAUSES
    ]


def test_the_page_on_the_data_has_the_table_of_reasons() -> None:
    assert table("data.md", "| reason | meaning |") == [
        f"| `{reason}` | {reason.meaning} |" for reason in Reason
    ]
