"""Options that several commands share."""

from typing import Annotated

import typer

from mico_150k.core.task import parse_task_map
from mico_150k.images.header import Verify
from mico_150k.sources import ReadOptions
from mico_150k.sources.shape import parse_map

Map = Annotated[
    list[str] | None,
    typer.Option(
        "--map",
        metavar="PART=COLUMN…",
        help="Which column holds what, if that is not detected: "
        "`--map inputs=a,b output=c id=d instruction=e`. Inputs are one list column, or a column "
        "each; `id=@row` numbers the rows; `task=@none` ignores task columns.",
    ),
]
TaskMap = Annotated[
    list[str] | None,
    typer.Option(
        "--task-map",
        metavar="FOLDER=TASK…",
        help="The task of a folder, a file or a pattern, if it is not detected from the name.",
    ),
]
Exclude = Annotated[
    list[str] | None,
    typer.Option(metavar="PATTERN", help="Skip files of the source that match."),
]
AllowOutside = Annotated[
    bool,
    typer.Option("--allow-outside", help="Accept image paths outside the source's folder."),
]
VerifyOption = Annotated[
    Verify,
    typer.Option(
        help="How much of each image to check: its header; its structure, with checksums and end; "
        "or every pixel (slow)."
    ),
]
Where = Annotated[
    str | None,
    typer.Option(
        metavar="SQL",
        help="Keep only rows for which this DuckDB expression over the columns of `index` holds: "
        "`\"task = 'hoi' and num_inputs <= 3\"`.",
    ),
]
RayAddress = Annotated[
    str | None,
    typer.Option(
        "--ray-address",
        metavar="ADDRESS",
        help="With `--executor ray`: the cluster's address, or `local` to start one; by default "
        "the cluster that runs here.",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]

LicenseOption = Annotated[
    str | None,
    typer.Option(
        "--license",
        metavar="ID",
        help="The dataset's license: an identifier of the Hub, such as `cc-by-nc-4.0`.",
    ),
]
LicenseName = Annotated[
    str, typer.Option("--license-name", help="With `--license other`: its name.")
]
LicenseLink = Annotated[
    str, typer.Option("--license-link", help="With `--license other`: where its text is.")
]


def make_reading(
    columns: list[str] | None,
    tasks: list[str] | None,
    exclude: list[str] | None,
    *,
    allow_outside: bool,
) -> ReadOptions:
    """Return the reading options of a source. Raises `UsageError`."""
    return ReadOptions(
        columns=parse_map(columns or []),
        tasks=parse_task_map(tasks or []),
        exclude=tuple(exclude or ()),
        allow_outside=allow_outside,
    )
