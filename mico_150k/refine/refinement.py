"""A refinement: it derives a new dataset folder from an existing one.

    index ──► assignments ──► shards, linked or written again ──► sample, bench, index, card …

After any interruption it resumes at the first unfinished shard, as a build does.
"""

import time
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mico_150k.build.build import BuildResult, versions
from mico_150k.build.drop_limit import TOLERANCE
from mico_150k.build.output import refuse_misread
from mico_150k.build.provenance import refine_command, unless
from mico_150k.build.shard_writer import ShardWriter
from mico_150k.builders import BUILDERS
from mico_150k.core.errors import BrokenFile, NotADataset, OutputRefused
from mico_150k.core.identity import json_sha256
from mico_150k.core.progress import Progress
from mico_150k.core.sample import Sample
from mico_150k.dataset import layout
from mico_150k.dataset.configurations import CONFIGS
from mico_150k.dataset.reader import Dataset, open_dataset
from mico_150k.dataset.records import FileRecord, ShardRecord, ShardStats
from mico_150k.dataset.report import Report
from mico_150k.dataset.row_group import MAX_BYTES, MAX_ROWS, cut
from mico_150k.dataset.workspace import Workspace
from mico_150k.images.reader import digest_of
from mico_150k.io.files import link, same_disk
from mico_150k.io.machine import existing, free_space, require_room
from mico_150k.refine.decide import Decision, decide
from mico_150k.refine.finalize import finish_refinement, require_readable, sample_seed
from mico_150k.refine.options import OnStep, RefineOptions
from mico_150k.refine.repack import NewShard, OldShard, plan_shards

OnProgress = Callable[[Progress], None]
IDENTITY_VERSION = 1
"""Of the keys of a refinement's identity."""


@dataclass(frozen=True, slots=True)
class Refinement:
    """A refinement that is planned and can start."""

    dataset: Dataset
    out: Path
    options: RefineOptions
    decision: Decision
    shards: tuple[NewShard, ...]
    tolerance: float = TOLERANCE

    @classmethod
    def prepare(
        cls,
        location: Dataset | str | Path,
        out: Path,
        options: RefineOptions,
        *,
        tolerance: float = TOLERANCE,
        on_step: OnStep = lambda *_: None,
    ) -> "Refinement":
        """Plan a refinement; this writes nothing except the cache of fingerprints.

        Args:
            location: The dataset to refine, open or its folder: it is on this machine.
            out: The folder to write.
            options: The steps.
            tolerance: The fraction of the benchmark's cases that may be unusable.
            on_step: Called with the progress.

        Raises:
            UsageError: The dataset is not on this machine, or an option does not fit it.
            MicoError: As `decide` raises.
        """
        dataset = location if isinstance(location, Dataset) else open_dataset(location)
        location = dataset.location
        if dataset.folder is None:
            msg = f"{location} is not on this machine: download it first, then refine the folder."
            raise NotADataset(msg)
        here, there = out.resolve(), dataset.folder.resolve()
        if here.is_relative_to(there):
            what = "is the dataset itself" if here == there else f"is inside {location}"
            msg = f"{out} {what}. Choose another folder with --out."
            raise OutputRefused(msg)
        refuse_misread(out)
        if not _configs(dataset):
            msg = (
                f"{location} has no configuration with images and all rows, which a new dataset "
                "needs."
            )
            raise NotADataset(msg)
        require_readable(dataset)
        decision = decide(dataset, options, tolerance=tolerance, on_step=on_step)
        shard_bytes = dataset.manifest["build"]["options"]["shard_bytes"]
        sizes = _sizes(dataset, _configs(dataset)[:1])
        pack = not options.selection.is_all
        shards = plan_shards(decision.assignments, sizes, shard_bytes, pack=pack)
        return cls(dataset, out, options, decision, shards, tolerance)

    @property
    def linked(self) -> int:
        """The number of shards that become links."""
        return sum(shard.link is not None for shard in self.shards)

    def run(
        self, *, overwrite: bool = False, on_progress: OnProgress = lambda _: None
    ) -> BuildResult:
        """Write the dataset, or resume an interrupted refinement.

        Args:
            overwrite: Whether to remove another dataset from the folder.
            on_progress: Called with the progress.

        Raises:
            OutputRefused: The folder holds something else.
            DiskTooSmall: The result does not fit on the disk.
            BrokenFile: A file of the dataset is damaged.
        """
        started = time.monotonic()
        workspace = Workspace(self.out.absolute(), CONFIGS, str(self.out))
        identity = self.identity()
        with workspace.claimed(identity, {}, self._check_disk, overwrite=overwrite) as is_left:
            if is_left:
                records = _finished(workspace)
                resumed = len(records)
                self._check_disk(sum(_bytes(record) for record in records.values()))
                self._write(workspace, records, on_progress)
                finished = [(shard, records[shard.split, shard.number]) for shard in self.shards]
                made = {"build": identity, "commands": self._commands()}
                report = finish_refinement(workspace, self.dataset, self.decision, finished, made)
                return self._result(report, resumed, started)
        workspace.tidy()
        return self._result(Report.of_folder(self.out), len(self.shards), started)

    def identity(self) -> dict[str, Any]:
        """Everything that decides the refinement: the same identity gives the same bytes."""
        build = self.dataset.manifest["build"]
        removal = self.decision.removal
        return {
            "version": IDENTITY_VERSION,
            "source": "dataset",
            "plan": json_sha256(self._plan()),
            "options": {
                **self.options.to_dict(),
                "bench": self.decision.bench.content_hash if self.decision.bench else None,
                "remove": sorted(removal.entries) if removal else None,
                "configs": sorted(set(self.dataset.configs) - {layout.INDEX, layout.CODES}),
                "shard_bytes": build["options"]["shard_bytes"],
                "sample_seed": sample_seed(self.dataset),
                "row_group_bytes": MAX_BYTES,
                "row_group_rows": MAX_ROWS,
            },
            "versions": versions(),
            "of": {"manifest": self._digest_of_source(), "build": build},
        }

    def _plan(self) -> dict[str, Any]:
        """The assignment of every row, as plain values."""
        assignments = self.decision.assignments
        return {
            "shards": [
                {
                    "split": shard.split,
                    "number": shard.number,
                    "places": list(shard.places),
                    "link": None if shard.link is None else list(shard.link),
                }
                for shard in self.shards
            ],
            "skipped": [
                {"id": row.id, "reason": reason.value, "detail": detail}
                for row, reason, detail in assignments.reasons()
            ],
            "overlaps": [
                [place, overlap] for place, overlap in sorted(assignments.overlaps.items())
            ],
        }

    def _digest_of_source(self) -> str:
        """Of the manifest, without codes: they are not taken over, and may come at any time."""
        manifest = self.dataset.manifest
        configs = {
            config: files for config, files in manifest["configs"].items() if config != layout.CODES
        }
        return json_sha256({**manifest, "configs": configs})

    def _commands(self) -> list[list[str]]:
        before: list[list[str]] = self.dataset.manifest.get("commands", [])
        reads_bench = self.options.bench is not None
        tolerance = unless(TOLERANCE, "--tolerance", self.tolerance) if reads_bench else []
        return [*before, refine_command(before, *self.options.to_argv(), *tolerance)]

    def bytes_to_write(self) -> int:
        """Estimate the bytes of new files; all bytes count if the file system cannot link."""
        sizes = _sizes(self.dataset, _configs(self.dataset))
        rows = self.decision.assignments.rows
        counts: dict[OldShard, int] = {}
        for row in rows:
            counts[row.split, row.shard] = counts.get((row.split, row.shard), 0) + 1
        linkable = self.dataset.folder is not None and same_disk(
            self.dataset.folder, existing(self.out)
        )
        size = self.decision.bench.bytes if self.decision.bench else 0
        for shard in self.shards:
            if shard.link is None or not linkable:
                olds = ((rows[place].split, rows[place].shard) for place in shard.places)
                size += round(sum(sizes[old] / counts[old] for old in olds))
        return size

    def _result(self, report: Report, resumed: int, started: float) -> BuildResult:
        return BuildResult.of_folder(self.out, report, len(self.shards), resumed, started)

    def _check_disk(self, there: int) -> None:
        """Raise `DiskTooSmall` where what is left to do will not fit; `there` bytes need not."""
        needed = self.bytes_to_write() - there
        what = "{} will be written, besides hard links"
        require_room(self.out, needed, free_space(self.out), what)

    def _write(
        self,
        workspace: Workspace,
        records: dict[OldShard, ShardRecord],
        on_progress: OnProgress,
    ) -> None:
        """Link or write the shards that are not in `records`, and put them there."""
        total = sum(len(shard.places) for shard in self.shards)
        rows = written = 0

        def tell(more: int, size: int = 0) -> None:
            nonlocal rows, written
            rows, written = rows + more, written + size
            on_progress(Progress(rows, total, written, 0, 0))

        for shard in self.shards:
            key = shard.split, shard.number
            if key in records:
                tell(records[key].rows)
            elif shard.link:
                records[key] = self._link(workspace, shard, shard.link)
                tell(len(shard.places))
            else:
                records[key] = self._rewrite(workspace, shard, tell)

    def _rewrite(
        self, workspace: Workspace, shard: NewShard, tell: Callable[[int, int], None]
    ) -> ShardRecord:
        """Write a shard, in all configurations, from rows of others."""
        configs = _configs(self.dataset)
        writer = ShardWriter(workspace, shard.number, configs, frozenset(), shard.split)
        try:
            with closing(self._samples(shard)) as samples:
                for group in cut(samples):
                    writer.write(group)
                    tell(len(group), sum(sample.num_bytes for sample in group))
            return writer.finish()
        except BaseException:
            writer.abandon()
            raise

    def _samples(self, shard: NewShard) -> Generator[Sample, None, None]:
        """Yield the shard's samples, after comparing each image with its digest in `index`."""
        assignments = self.decision.assignments
        for split in dict.fromkeys(assignments.rows[place].split for place in shard.places):
            places = [place for place in shard.places if assignments.rows[place].split == split]
            with closing(self.dataset.samples(assignments.index_of(places), split)) as groups:
                for sample in (sample for group in groups for sample in group):
                    if any(digest_of(image.data) != image.digest for image in sample.images):
                        msg = (
                            f"{self.dataset.location}: {sample.id}: an image differs from the one "
                            "in the index.\n"
                            "`mico check` lists damaged files."
                        )
                        raise BrokenFile(msg)
                    yield sample

    def _link(self, workspace: Workspace, shard: NewShard, old: OldShard) -> ShardRecord:
        """Link the files of a shard that stays as it is."""
        assert self.dataset.folder is not None
        there = layout.shard_name(old[1], old[0])
        here = layout.shard_name(shard.number, shard.split)
        files = {}
        for config in _configs(self.dataset):
            files[config] = FileRecord(**self.dataset.manifest["configs"][config][there])
            source = self.dataset.file(f"{config}/{there}")
            if source.stat().st_size != files[config].bytes:
                msg = (
                    f"{source}: its size differs from the manifest. `mico check` lists damaged "
                    "files."
                )
                raise BrokenFile(msg)
            link(source, self.out / config / here)
        tally = ShardStats()
        for task in (self.decision.assignments.rows[place].task for place in shard.places):
            tally.tasks[task] += 1
        record = tally.record(shard.number, files, shard.split)
        workspace.keep(record)
        return record


def _configs(dataset: Dataset) -> list[str]:
    return [config for config in BUILDERS if config in dataset.manifest["configs"]]


def _bytes(record: ShardRecord) -> int:
    return sum(file.bytes for file in record.files.values())


def _finished(workspace: Workspace) -> dict[OldShard, ShardRecord]:
    return {
        (split, number): record
        for split in (layout.SPLIT, layout.VALIDATION)
        for number, record in workspace.records(split=split).items()
    }


def _sizes(dataset: Dataset, configs: list[str]) -> dict[OldShard, int]:
    """Bytes of each shard in these configurations together."""
    sizes: dict[OldShard, int] = {}
    for config in configs:
        for name, record in dataset.manifest["configs"][config].items():
            old = layout.split_of(name), layout.number_of(name)
            sizes[old] = sizes.get(old, 0) + record["bytes"]
    return sizes
