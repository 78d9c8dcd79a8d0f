"""Options that several commands share, and how a source is opened by them."""

from typing import Annotated

import typer

from mico_150k.card.file import License
from mico_150k.core.errors import UsageError
from mico_150k.core.task import parse_task_map
from mico_150k.images.header import Verify
from mico_150k.sources import ReadOptions
from mico_150k.sources.shape import parse_map

Map = Annotated[
    list[str] | None,
    typer.Option(
        "--map",
        metavar="PART=COLUMN…",
        help="Which columns hold what, where that is not found: "
        "`--map inputs=a,b output=c id=d instruction=e`. One list column, or one column an "
        "input; `id=@row` takes the row's place as id; `task=@none` ignores the columns of tasks.",
    ),
]
TaskMap = Annotated[
    list[str] | None,
    typer.Option(
        "--task-map",
        metavar="FOLDER=TASK…",
        help="The task of a folder, a file or a pattern, where its name does not tell.",
    ),
]
Exclude = Annotated[
    list[str] | None,
    typer.Option(metavar="PATTERN", help="Files of the source that are no part of it."),
]
AllowOutside = Annotated[
    bool,
    typer.Option("--allow-outside", help="Take image paths that lead out of the source's folder."),
]
VerifyOption = Annotated[
    Verify,
    typer.Option(
        help="How much of each image is looked at: its header, its checksums and end, or "
        "every pixel (slow)."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]

LicenseOption = Annotated[
    str | None,
    typer.Option(
        "--licence",
        "--license",
        metavar="ID",
        help="The dataset's licence, by the Hub's identifier, such as `cc-by-nc-4.0`; `other` "
        "with a name.",
    ),
]
LicenseName = Annotated[
    str | None, typer.Option("--licence-name", help="The name of an `other` one.")
]
LicenseLink = Annotated[str | None, typer.Option("--licence-link", help="Where its text is.")]


def make_license(identifier: str | None, name: str | None, link: str | None) -> License | None:
    """The licence that the options give, if any. Raises `UsageError`."""
    if identifier is None:
        if name is not None or link is not None:
            msg = "--licence-name and --licence-link belong to `--licence other`."
            raise UsageError(msg)
        return None
    return License(identifier, name or "", link or "")


def make_reading(
    columns: list[str] | None,
    tasks: list[str] | None,
    exclude: list[str] | None,
    *,
    allow_outside: bool,
) -> ReadOptions:
    """What the options say of a source. Raises `UsageError`."""
    return ReadOptions(
        columns=parse_map(columns or []),
        tasks=parse_task_map(tasks or []),
        exclude=tuple(exclude or ()),
        allow_outside=allow_outside,
    )
