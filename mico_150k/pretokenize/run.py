"""All of it: plan, encode what is not encoded yet, write the codes, make training's files."""

import json
import shutil
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from mico_150k.errors import DiskTooSmall, TooManyLeftOut, UsageError
from mico_150k.files import write_atomically
from mico_150k.forecast import existing, gigabytes
from mico_150k.names import QUARANTINE
from mico_150k.pretokenize.codes import CodedPicture, CodedRow, write_codes
from mico_150k.pretokenize.encoder import ChunkCodes, Encoder, EncoderOptions
from mico_150k.pretokenize.material import Fault, Material
from mico_150k.pretokenize.pickles import FIRST_TOKEN, PicklesResult, RecordOptions, write_pickles
from mico_150k.pretokenize.plan import CHUNK, Chunk, EncodingPlan
from mico_150k.pretokenize.ray_workers import Cluster, encode_with_ray
from mico_150k.pretokenize.sizes import SizeTable, grid
from mico_150k.pretokenize.vq import VQ, check_device
from mico_150k.pretokenize.workers import encode_here, encode_in_processes
from mico_150k.pretokenize.workspace import ChunkStore, Workspace, faults_of
from mico_150k.version import __version__
from mico_150k.watch import TOLERANCE

OnProgress = Callable[[int, int], None]
"""Takes how many are done, and how many there are."""


@dataclass(frozen=True, slots=True)
class PretokenizeOptions:
    """What decides the codes, where they are made, and what becomes of them.

    `devices` are torch's names; with a `cluster`, its one device is the kind that actors use.
    `tolerance` is the share of records that may be unusable before the work stops.
    """

    encoder: EncoderOptions
    devices: tuple[str, ...]
    sizes: SizeTable = field(default_factory=SizeTable.parse)
    records: RecordOptions = field(default_factory=RecordOptions)
    tolerance: float = TOLERANCE
    chunk: int = CHUNK
    cluster: Cluster | None = None


@dataclass(frozen=True, slots=True)
class Lengths:
    """Records with so many inputs: how many, the inputs' size, and tokens in training.

    `too_long` are those of more tokens than may be.
    """

    inputs: int
    records: int
    size: int
    least: int
    median: int
    most: int
    too_long: int


@dataclass(frozen=True, slots=True)
class PretokenizeResult:
    """What was made. Records read = records written + left out, by reason + too long."""

    folder: Path
    records_read: int
    records: int
    left_out: dict[str, int]
    too_long: dict[int, int]
    encodings: int
    encoded_before: int
    pickles: int
    vq: str
    seconds: float


@dataclass(frozen=True, slots=True)
class _Lost:
    """A record that cannot be used; `image` is its place from 1, "output", or None for all."""

    fault: Fault
    image: int | str | None


class Pretokenization:
    """Work that is planned and may start."""

    def __init__(self, material: Material, to: Path, options: PretokenizeOptions) -> None:
        """Plan it, from headers alone."""
        self.material = material
        self.options = options
        self.plan = EncodingPlan(material, options.sizes, options.chunk)
        self._workspace = Workspace(to)

    def lengths(self) -> list[Lengths]:
        """What the sizes come to, by number of inputs. Raises `UsageError` for what may not be."""
        found: dict[int, list[int]] = defaultdict(list)
        lost = self._lost({})
        limit = self.options.records.max_seq_len
        for place, record in enumerate(self.material.records):
            if place not in lost:
                grids = [
                    grid(self.plan.shape(*wanted)) for wanted in self.plan.wanted(record.pictures)
                ]
                found[record.inputs].append(self.options.records.tokens(record.prompt, grids))
        table = [
            Lengths(
                inputs,
                len(tokens),
                self.options.sizes.of_inputs(inputs),
                min(tokens),
                round(median(tokens)),
                max(tokens),
                sum(length > limit for length in tokens),
            )
            for inputs, tokens in sorted(found.items())
        ]
        self.options.records.refuse(sum(line.too_long for line in table))
        return table

    def run(
        self,
        *,
        overwrite: bool = False,
        on_encoded: OnProgress = lambda _done, _total: None,
        on_written: OnProgress = lambda _done, _total: None,
    ) -> PretokenizeResult:
        """Do it, or go on where it was stopped.

        `on_encoded` counts encodings, `on_written` records. Raises `OutputRefused`,
        `DiskTooSmall`, `TooManyLeftOut`, `WorkerLost`, and what loading the VQ raises.
        """
        started = time.monotonic()
        self._check_tolerance({})
        encoder, digest = self._load()
        workspace = self._workspace
        try:
            identity = self._identity(digest)
            workspace.claim(identity, overwrite=overwrite)
            before = self.plan.encodings
            if not workspace.manifest():
                before = self._encode(encoder, on_encoded)
                self._write_codes(identity)
        finally:
            if encoder:
                encoder.close()
        workspace.remove_work()
        made = write_pickles(
            workspace.codes,
            workspace.folder,
            self.options.records,
            overwrite=True,  # the folder is ours by now
            on_progress=on_written,
        )
        return self._result(made, before, digest, time.monotonic() - started)

    def _load(self) -> tuple[Encoder | None, str]:
        """The one encoder where this process has it, and the checkpoint's digest."""
        options = self.options
        if options.cluster and options.devices[1:]:
            msg = "--ray: name one --device, cuda or cpu, which every actor uses."
            raise UsageError(msg)
        if not options.cluster:
            for device in options.devices:
                check_device(device)
        alone = len(options.devices) == 1 and not options.cluster
        device = options.devices[0] if alone else "cpu"
        vq = VQ.load(options.encoder.vq, device, options.encoder.precision)
        return (Encoder(vq, options.encoder) if alone else None), vq.digest

    def _encode(self, encoder: Encoder | None, on_progress: OnProgress) -> int:
        """Encode all chunks that are not finished; returns what was encoded before."""
        workspace, plan = self._workspace, self.plan
        todo = [number for number in range(plan.chunks) if not workspace.has(number)]
        before = plan.encodings - sum(len(plan.chunk(number).shapes) for number in todo)
        done = before
        self._check_disk(before)
        on_progress(done, plan.encodings)
        faults: dict[int, Fault] = {}
        for number in set(range(plan.chunks)) - set(todo):
            self._collect_faults(number, faults)

        def count(more: int) -> None:
            nonlocal done
            done += more
            on_progress(done, plan.encodings)

        for chunk in self._encoded(encoder, map(plan.chunk, todo), count):
            workspace.keep(chunk)
            self._collect_faults(chunk.number, faults)
        self._check_tolerance(faults)
        return before

    def _encoded(
        self, encoder: Encoder | None, chunks: Iterator[Chunk], count: Callable[[int], None]
    ) -> Iterator[ChunkCodes]:
        options = self.options
        if encoder:
            return encode_here(encoder, chunks, count)
        if options.cluster:
            return encode_with_ray(
                options.encoder, options.cluster, options.devices[0], chunks, count
            )
        return encode_in_processes(options.encoder, options.devices, chunks, count)

    def _collect_faults(self, number: int, faults: dict[int, Fault]) -> None:
        """Add the pictures of a finished chunk that could not be encoded."""
        found = dict(faults_of(self._workspace.open_chunk(number)))
        if found:
            for place, picture in enumerate(self.plan.pictures(number)):
                if place in found:
                    faults[picture] = found[place]
            self._check_tolerance(faults)

    def _lost(self, faults: dict[int, Fault]) -> dict[int, _Lost]:
        """Records that cannot be used, by their place: for what was known, and for `faults`."""
        material = self.material
        faults = {**material.faults, **faults}
        lost = {place: _Lost(fault, None) for place, fault in material.unusable.items()}
        if faults:
            for place, record in enumerate(material.records):
                for image, picture in enumerate(record.pictures):
                    if picture in faults and place not in lost:
                        where = "output" if image == record.inputs else image + 1
                        lost[place] = _Lost(faults[picture], where)
        return lost

    def _check_tolerance(self, faults: dict[int, Fault]) -> None:
        lost = self._lost(faults)
        total = len(self.material.records)
        if len(lost) > self.options.tolerance * total:
            place, one = next(iter(lost.items()))
            share = min(1.0, max(0.05, round(2 * len(lost) / total, 2)))
            msg = (
                f"{len(lost)} of {total} records cannot be used, more than the tolerated "
                f"{self.options.tolerance:.2%}; the first is record {place}: "
                f"{one.fault.reason} ({one.fault.reason.meaning}) {one.fault.detail}\n"
                f"What is finished is kept. To go on without them: --tolerance {share:.2f}"
            )
            raise TooManyLeftOut(msg)

    def _write_codes(self, identity: dict[str, Any]) -> None:
        """The configuration, the lines of what was left out, and last what a run has said."""
        workspace, plan = self._workspace, self.plan
        faults: dict[int, Fault] = {}
        for number in range(plan.chunks):
            self._collect_faults(number, faults)
        lost = self._lost(faults)
        if len(lost) == len(self.material.records):
            msg = f"{self.material.name}: no record in it can be used."
            raise TooManyLeftOut(msg)
        store = ChunkStore(workspace, [plan.start(number) for number in range(plan.chunks)])
        rows = write_codes(workspace.codes, self._rows(store, lost), _made_with(identity))
        records = self.material.records
        lines = [
            json.dumps(
                {
                    "record": place,
                    "id": records[place].id,
                    "image": one.image,
                    "reason": one.fault.reason.value,
                    "detail": one.fault.detail,
                },
                ensure_ascii=False,
            )
            for place, one in sorted(lost.items())
        ]
        if lines:
            text = "".join(f"{line}\n" for line in lines)
            write_atomically(workspace.folder / QUARANTINE, text.encode())
        reasons = Counter(one.fault.reason.value for one in lost.values())
        workspace.finish(
            {
                "identity": identity,
                "records_read": len(records),
                "rows": rows,
                "left_out": dict(reasons.most_common()),
                "encodings": plan.encodings,
            }
        )

    def _rows(self, store: ChunkStore, lost: dict[int, _Lost]) -> Iterator[CodedRow]:
        """All records but the lost ones. Of pictures with the same bytes, the first one's codes."""
        first: dict[tuple[str, int], int] = {}
        for place, record in enumerate(self.material.records):
            if place in lost:
                continue
            pictures = []
            for picture, size in self.plan.wanted(record.pictures):
                encoding = self.plan.encoding(picture, size)
                digest = store.digest(encoding)
                encoding = first.setdefault((digest, size), encoding)
                codes = store.codes(encoding, self.plan.shape(picture, size))
                pictures.append(CodedPicture(codes, size, digest))
            yield CodedRow(record.id, record.prompt, pictures)

    def _check_disk(self, before: int) -> None:
        """Raise `DiskTooSmall` where codes and pickles will not fit."""
        plan = self.plan
        share = 1 - before / max(1, plan.encodings)
        needed = round(plan.codes * _CODE_BYTES * share) + plan.encodings * _PICKLE_BYTES
        free = shutil.disk_usage(existing(self._workspace.folder)).free
        if needed > free:
            msg = (
                f"{self._workspace.folder}: this will need {gigabytes(needed)}, and the disk has "
                f"{gigabytes(free)} free."
            )
            raise DiskTooSmall(msg)

    def _identity(self, digest: str) -> dict[str, Any]:
        """What decides the codes: two runs with the same identity have the same bytes."""
        options = self.options
        precision = options.encoder.precision
        device = options.devices[0].partition(":")[0]
        return {
            "vq_sha256": digest,
            "device": device,
            "dtype": precision.dtype,
            "batch": precision.batch,
            "threads": precision.threads,
            "sizes": str(options.sizes),
            "output_size": options.sizes.output,
            "records": self.plan.digest(),
            "versions": {
                "mico-150k": __version__,
                **{name: version(name) for name in ("torch", "diffusers", "pillow", "pyarrow")},
            },
        }

    def _result(
        self, made: PicklesResult, before: int, digest: str, seconds: float
    ) -> PretokenizeResult:
        said = self._workspace.manifest()
        return PretokenizeResult(
            folder=made.folder,
            records_read=said["records_read"],
            records=made.records,
            left_out=said["left_out"],
            too_long=made.too_long,
            encodings=said["encodings"],
            encoded_before=before,
            pickles=made.pickles,
            vq=digest,
            seconds=seconds,
        )


def _made_with(identity: dict[str, Any]) -> dict[str, Any]:
    """What whoever reads the codes wants to know: not where the records came from."""
    told = {key: value for key, value in identity.items() if key != "records"}
    return {**told, "crop": "centre", "first_token": FIRST_TOKEN}


_CODE_BYTES = 9  # 2 while under way, 2 in Parquet at most, 5 in a pickle
_PICKLE_BYTES = 4096  # what a file system rounds up, and the file's entry
