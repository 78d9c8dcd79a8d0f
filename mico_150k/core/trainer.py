"""What an export needs to know about a trainer: its options, limits and files.

Trainers are defined in `builders/`, beside the configurations with their rows.
"""

import hashlib
import json
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf, isfinite
from pathlib import Path
from typing import Any, ClassVar

from mico_150k.core.errors import OutputRefused, UsageError
from mico_150k.core.excerpt import excerpt
from mico_150k.core.sample import is_text

LAUNCH = "train.sh"
"""The launch script of every export."""

Size = tuple[int, int]
"""Width and height in pixels."""

_MOST = 2**53  # whole numbers beyond it are not those of a float

Value = bool | int | float | str | None
"""The value of an option, as `export.json` stores it."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A row of the index, on which limits are tested before any image is read."""

    id: str
    instruction: str
    inputs: tuple[Size, ...]
    output: Size


@dataclass(frozen=True, slots=True)
class Limit:
    """A kind of row that a trainer cannot take, or changes in a way that users should know.

    `source` names the place in the trainer's code.
    """

    name: str
    why: str
    source: str
    applies: Callable[[Candidate], bool]


@dataclass(frozen=True, slots=True)
class Setting:
    """A hyperparameter, and where its value comes from."""

    name: str
    value: str
    source: str


def flag(name: str) -> str:
    """Return the name of an option on the command line."""
    return f"--{name.replace('_', '-')}"


@dataclass(frozen=True, slots=True)
class Option:
    """An option of one trainer: `--num-workers` on the command line, `num_workers=` in Python.

    `needs` names another option of the trainer that must be set, too. A `bool` is
    a flag. The default may be None, for a value that was not given.
    """

    name: str
    type: type[bool] | type[int] | type[float] | type[str]
    default: Value
    help: str
    metavar: str | None = None
    minimum: int | None = None
    choices: Sequence[str] = ()
    needs: str = ""

    @property
    def flag(self) -> str:
        """The name on the command line."""
        return flag(self.name)

    def check(self, value: object) -> Value:
        """Return the value if it is valid; raise `UsageError` if it is not."""
        if value is None and self.default is None:
            return None
        if self.type is float and type(value) is int:
            value = float(value) if abs(value) <= _MOST else inf
        why = ""
        if not isinstance(value, bool | int | float | str) or type(value) is not self.type:
            why = f"is not of type {self.type.__name__}"
        elif isinstance(value, str) and not is_text(value):
            why = "is not UTF-8"
        elif self.choices and value not in self.choices:
            why = f"must be {' or '.join(self.choices)}"
        elif isinstance(value, float) and not isfinite(value):
            why = "is not a finite number"
        elif self.minimum is not None and not isinstance(value, str) and value < self.minimum:
            why = f"must be at least {self.minimum}"
        else:
            return value
        msg = f"{self.name}={excerpt(repr(value))} {why}."
        raise UsageError(msg)


@dataclass(frozen=True, slots=True)
class Readers:
    """The processes that read an export of shards: ranks, and workers for each (0: the rank)."""

    ranks: int
    workers: int

    @property
    def count(self) -> int:
        """The number of readers."""
        return self.ranks * max(1, self.workers)

    def __str__(self) -> str:
        return f"{self.ranks} ranks × {max(1, self.workers)} workers"


@dataclass(frozen=True, slots=True)
class Exported:
    """A finished export: `export.json`, and what its other files are made from.

    `root` is the export's own folder and `images` that of its images, both absolute; "" where
    the images lie in Parquet. `dataset` is what it was made from. `skipped` and `remarks` are
    rows by the limit's name; `unique_images` are files of images, `record_files` the rows of each
    file of records, `row_groups` those of each Parquet file, and `measured` is the trainer's own.
    `files` are those that the export has written to its folder.
    """

    trainer: str
    root: str
    images: str
    dataset: str
    identity: dict[str, Any]
    rows_chosen: int
    rows: int
    truncated: int
    skipped: dict[str, int]
    remarks: dict[str, int]
    unique_images: int = 0
    record_files: dict[str, int] = field(default_factory=dict)
    row_groups: dict[str, int] = field(default_factory=dict)
    measured: dict[str, Any] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)

    @property
    def options(self) -> Mapping[str, Any]:
        """The trainer's own options, each with its value."""
        options: Mapping[str, Any] = self.identity["options"]
        return options

    @property
    def token(self) -> str:
        """Eight hexadecimal digits of the identity, for names that no other export may share."""
        identity = json.dumps(self.identity, sort_keys=True).encode()
        return hashlib.sha256(identity).hexdigest()[:8]


INSTALL_STEP = (
    "Install mico-150k there without its dependencies, so that no package version changes:",
    "pip install --no-deps PATH/TO/mico-150k",
)
"""For a trainer whose patched clone calls this package."""


class Trainer(ABC):
    """A trainer. Its limits and files follow its code, not its documentation."""

    name: ClassVar[str]
    """Its subcommand of `mico export`."""
    title: ClassVar[str]
    """The name that people use."""
    url: ClassVar[str]
    """The repository with its code."""
    reads: ClassVar[str]
    """The kind of files, for `mico export --help`."""
    options: ClassVar[Sequence[Option]] = ()
    """The trainer's own options; `self.chosen` holds their values."""
    format: ClassVar[str] = ""
    """The name of its kind of files in `--format`, if there are several kinds."""
    other_formats: ClassVar[Sequence[type["Trainer"]]] = ()
    """Classes for the trainer's other kinds of files; their names begin with an underscore."""
    format_help: ClassVar[str] = ""
    """The help of `--format`, if there are several kinds."""
    branch: ClassVar[str] = ""
    """The branch of it, where that is not the usual one."""
    max_inputs: ClassVar[int | None] = None
    """More inputs than this are cut or crash; None where only something else is limited."""
    max_inputs_source: ClassVar[str] = ""
    limits: Sequence[Limit] = ()
    """What leaves a row out, besides too many inputs. Options may decide it."""
    skips: ClassVar[Sequence[Limit]] = ()
    """What the trainer may skip by itself, as it is set: `mico inspect` tells it, and an export
    keeps it. Of those that include each other, the narrow ones come first."""
    remarks: Sequence[Limit] = ()
    """What is counted and told, and leaves nothing out. Options may decide it."""
    settings: ClassVar[Sequence[Setting]] = ()
    """The hyper-parameters of the launch script."""
    facts: ClassVar[Sequence[str]] = ()
    """What people should know before they train, in Markdown, such as memory, disk and losses."""
    steps: Sequence[tuple[str, str]]
    """What to do, in order: a sentence, and the shell commands for it, "" for none.

    `{root}` in a command stands for the export's folder, `{token}` in a sentence for its token.
    """

    def __init__(self, **options: object) -> None:
        """A trainer with some values for its options. Raises `UsageError`."""
        self.chosen = self.check_options(options)

    @classmethod
    def check_options(cls, given: Mapping[str, object]) -> dict[str, Value]:
        """Every option of its own with its value, by default where it is not given.

        Raises `UsageError` for an option that it does not have or that has no effect, and for a
        value that it does not take.
        """
        own = {option.name: option for option in cls.options}
        if unknown := [name for name in given if name not in own]:
            kind = f" with format={cls.format!r}" if cls.format else ""
            has = f"its options are {', '.join(own)}." if own else "it has none."
            msg = f"{cls.title}{kind} has no option {excerpt(', '.join(unknown))}: {has}"
            raise UsageError(msg)
        chosen = {
            name: option.check(given.get(name, option.default)) for name, option in own.items()
        }
        are_set = {name for name, option in own.items() if chosen[name] != option.default}
        for option in cls.options:
            if option.name in are_set and option.needs and option.needs not in are_set:
                msg = f"{option.name} needs {option.needs}."
                raise UsageError(msg)
        return chosen

    @classmethod
    def formats(cls) -> Sequence[type["Trainer"]]:
        """Return this class and those of its other kinds of files."""
        return (cls, *cls.other_formats)

    @classmethod
    def all_options(cls) -> Sequence[Option]:
        """Return the options of all kinds of files; `--format` comes first."""
        found = {option.name: option for kind in cls.formats() for option in kind.options}
        if cls.other_formats:
            kinds = sorted(kind.format for kind in cls.formats())
            choice = Option("format", str, None, cls.format_help, choices=kinds)
            return (choice, *found.values())
        return tuple(found.values())

    def misreads(self, place: str) -> str:
        """Return why the trainer cannot open a path, or "" if it can."""
        del place
        return ""

    def check_place(self, root: Path) -> None:
        """Raise `OutputRefused` if the trainer would not find the files in this folder."""
        if not is_text(str(root)):
            msg = f"{excerpt(root)}: this path is not UTF-8 and cannot be written into a record."
            raise OutputRefused(msg)
        if why := self.misreads(str(root)):
            msg = f"{root}: {self.title} {why} and would not find these files. Choose another path."
            raise OutputRefused(msg)

    @abstractmethod
    def files(self, exported: Exported) -> Mapping[str, str]:
        """Return the small files: name → text. Their paths are absolute, from `exported`."""

    def measure(self, rows: Iterable[Candidate]) -> dict[str, Any]:
        """Measure the exported rows; the result becomes `Exported.measured`."""
        del rows
        return {}

    def tables(self, exported: Exported) -> Sequence[str]:
        """Return Markdown that START.md shows below the counts."""
        del exported
        return ()

    def notes(self, exported: Exported) -> Sequence[str]:
        """Return warnings, one line each, for the terminal and START.md."""
        del exported
        return ()


class PathTrainer(Trainer):
    """A trainer that reads JSON records with paths of image files."""

    reads = "JSON and image files"
    records: ClassVar[str]
    """The file of records: an array in `.json`, one record per line in `.jsonl`."""

    @abstractmethod
    def record(self, inputs: list[str], output: str, instruction: str) -> dict[str, Any]:
        """Return a row's record: absolute paths, and exactly the keys that the trainer reads."""

    def record_file(self, repeat: int) -> str:
        """Return the file for a row's record; `repeat` rows before it have the same output.

        A trainer that identifies rows by their outputs puts repeated ones into other files.
        """
        del repeat
        return self.records


ROWS = "rows"
"""The folder, inside an export's, of a `FolderTrainer`'s rows."""


@dataclass(frozen=True, slots=True)
class RowFolders:
    """The folders of all rows with one number of inputs, absolute.

    `target` holds output images and captions, and `inputs` a folder for each place of an input.
    """

    rows: int
    target: str
    inputs: tuple[str, ...]

    @classmethod
    def at(cls, root: str, inputs: int, rows: int = 0) -> "RowFolders":
        """Return the folders in an export's folder."""
        place = f"{root}/{ROWS}/inputs-{inputs}"
        numbered = tuple(f"{place}/input-{number}" for number in range(1, inputs + 1))
        return cls(rows, f"{place}/target", numbered)


class FolderTrainer(PathTrainer):
    """A trainer that reads folders: targets with captions, and a folder for each place of an input.

    A row is its target, a caption, and one file in each folder of inputs, all of one name: the
    number of its line in `rows.jsonl`. The images are relative links, see `RowFolders`.
    """

    reads = "folders of images and captions"
    records = "rows.jsonl"
    one_ending: ClassVar[bool] = False
    """Whether it looks for an input by the target's name with its ending, whatever the input is."""

    def record(self, inputs: list[str], output: str, instruction: str) -> dict[str, Any]:
        """Return what the links and captions are made from."""
        return {"inputs": inputs, "target": output, "caption": instruction}

    def caption(self, instruction: str) -> str:
        """Return the text to write, so that the trainer reads the instruction."""
        return instruction

    def measure(self, rows: Iterable[Candidate]) -> dict[str, Any]:
        """Return the number of rows for each number of inputs."""
        counts = Counter(str(len(row.inputs)) for row in rows)
        return {"rows": dict(sorted(counts.items()))}

    def folders(self, exported: Exported) -> Sequence[RowFolders]:
        """Return the folders of the exported rows, one entry for each number of inputs."""
        counts = exported.measured["rows"].items()
        return [RowFolders.at(exported.root, int(inputs), rows) for inputs, rows in counts]


class ShardTrainer(Trainer):
    """A trainer that reads a configuration's Parquet files and distributes their row groups."""

    reads = "Parquet shards"

    def readers(self, most: int) -> Readers | None:
        """Return the readers, each of which then gets the same number of row groups.

        `most` are the rows, or in place the row groups: more readers would get nothing.
        """
        del most
        return None


class CodesTrainer(Trainer):
    """A trainer that reads JSON records with paths to pickles, each with an image's VQ codes."""

    reads = "JSON and VQ codes"
    records: ClassVar[str]
    """The file of records, a JSON array."""

    @abstractmethod
    def on_codes(self, told: Mapping[str, Any]) -> "CodesTrainer":
        """Return this trainer for a dataset's codes, as the manifest describes them.

        Raises `UsageError`, `ValueError` or `TypeError` if the description is not valid.
        """

    @abstractmethod
    def pickle(self, codes: Sequence[int], columns: int, rows: int) -> dict[str, Any]:
        """Return the content of an image's file; `codes` are its grid, row by row."""

    @abstractmethod
    def record(
        self, id_: str, prompt: str, paths: Sequence[str], grids: Sequence[tuple[int, int]]
    ) -> dict[str, Any]:
        """Return a row's record with its images' absolute paths and grids (columns, rows)."""
