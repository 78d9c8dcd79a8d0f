"""The target of `load_dataset`: a source to generate rows from, or a dataset folder to read."""

import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import xxhash

from mico_150k.build.drop_limit import DropLimit
from mico_150k.build.plan import Plan, Unit, make_plan
from mico_150k.build.worker import GroupProgress, unit_rows
from mico_150k.builders import BUILDERS, get_builder
from mico_150k.core.errors import SourceChanged, SourceNotFound, UsageError
from mico_150k.core.excerpt import excerpt
from mico_150k.core.identity import json_sha256
from mico_150k.core.sample import SkippedRow
from mico_150k.dataset import layout
from mico_150k.dataset.folder import DatasetFolder, read_rows
from mico_150k.images.header import Verify
from mico_150k.sources import ReadOptions, Source, open_source
from mico_150k.sources.validate import RowValidator

logger = logging.getLogger(__name__)

KeyedRow = tuple[str, dict[str, Any]]


def fingerprint(state: dict[str, str]) -> str:
    """Return a digest that changes whenever the data changes."""
    return xxhash.xxh3_128_hexdigest(repr(sorted(state.items())).encode())


def require_same(planned: dict[str, str], found: dict[str, str]) -> None:
    """Raise `SourceChanged` if the data differs from the data that was planned."""
    differing = [name for name, state in sorted(found.items()) if planned.get(name) != state]
    differing += sorted(set(planned) - set(found))
    if differing:
        msg = (
            f"{excerpt(differing[0])} has changed since `load_dataset` started.\n"
            "Load it again when nothing writes to it."
        )
        raise SourceChanged(msg)


class LoadTarget(Protocol):
    """Data that can be read shard by shard."""

    @property
    def state(self) -> dict[str, str]:
        """Return a text per file that changes whenever the file changes."""

    def splits(self, config: str) -> dict[str, list[Any]]:
        """Return the shards that can be read in parallel, by split. Raises `UnknownConfig`."""

    def rows(self, config: str, shards: list[Any]) -> Iterator[KeyedRow]:
        """Yield the rows of some shards, each with a unique key."""


@dataclass(frozen=True, slots=True)
class FolderTarget:
    """A dataset folder whose shards are paths."""

    folder: DatasetFolder

    @property
    def state(self) -> dict[str, str]:
        """Return sizes and modification times of all shards."""
        status = {
            path: path.stat()
            for config in self.folder.configs
            for files in self.folder.splits(config).values()
            for path in files
        }
        return {str(path): f"{of.st_size}-{of.st_mtime_ns}" for path, of in status.items()}

    def splits(self, config: str) -> dict[str, list[Path]]:
        """Return the configuration's files."""
        self.folder.shards(config)
        return self.folder.splits(config)

    def rows(self, config: str, shards: list[Path]) -> Iterator[KeyedRow]:
        """Yield the rows as stored in the files."""
        for shard in shards:
            for row, values in enumerate(read_rows(shard)):
                yield f"{config}/{shard.name}/{row}", values


@dataclass(frozen=True, slots=True)
class SourceTarget:
    """A source with its plan, whose shards are the plan's units."""

    source: Source
    plan: Plan
    verify: Verify
    tolerance: float

    @property
    def state(self) -> dict[str, str]:
        """Return the modification tokens of all files, and the options that affect the rows."""
        mtime_tokens = {file.name: file.mtime_token for file in self.source.files}
        plan = json_sha256({"verify": self.verify.value, "plan": self.plan.identity()})
        return {**mtime_tokens, self.source.location: plan}

    def splits(self, config: str) -> dict[str, list[Unit]]:
        """Return the plan's units in shard order: tasks alternate."""
        if config not in BUILDERS:
            msg = f"{config!r} cannot be generated from a source: `mico build` writes it."
            raise UsageError(msg)
        units = sorted(self.plan.units, key=lambda unit: unit.shards[0].number)
        return {layout.SPLIT: units}

    def rows(self, config: str, shards: list[Unit]) -> Iterator[KeyedRow]:
        """Yield the rows that `mico build` would write.

        The tolerance is a share of the rows read here: what other processes skip is not known.
        Raises `TooManySkipped`.
        """
        builder = get_builder(config)
        watch = DropLimit(self.plan.part(shards), self.tolerance)
        reasons: Counter[str] = Counter()
        rows = 0
        for shard in shards:
            for result in RowValidator(self.verify).examine(
                unit_rows(self.source, self.plan, shard)
            ):
                rows += 1
                if isinstance(result, SkippedRow):
                    watch.on_group(GroupProgress(rows, 0, [result]))
                    reasons[result.reason.value] += 1
                    rows = 0
                else:
                    yield result.id, builder.row(result)
        if reasons:
            logger.warning("skipped %d rows: %s", reasons.total(), dict(reasons))


def find_target(  # noqa: PLR0913 - each is a choice of its own
    data_dir: str | None,
    reading: ReadOptions,
    *,
    verify: Verify,
    tolerance: float,
    shard_bytes: int,
    seed: int,
) -> LoadTarget:
    """Return the dataset folder or source at `data_dir`; without one, `./mico-150k`.

    Raises every kind of `SourceError`, which names what was searched for.
    """
    folder = Path(data_dir or layout.DATASET)
    if DatasetFolder.is_one(folder):
        return FolderTarget(DatasetFolder(folder))
    if data_dir is None:
        msg = (
            f"there is no dataset folder {folder.resolve()}, and no source was named.\n"
            f'Name one: load_dataset("{layout.DATASET}", CONFIG, data_dir=SOURCE)'
        )
        raise SourceNotFound(msg)
    source = open_source(data_dir, reading)
    plan = make_plan(source, shard_bytes=shard_bytes, seed=seed)
    return SourceTarget(source, plan, verify, tolerance)
