"""All of it: plan, encode what is not encoded yet, write the codes, make training's files."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any

from mico_150k.build.drop_limit import TOLERANCE
from mico_150k.builders.dimoo_tokens import SizeTable, grid
from mico_150k.core.errors import UsageError
from mico_150k.dataset.codes import CodedPicture, CodedRow, CodesFolder, write_codes
from mico_150k.dataset.layout import QUARANTINE
from mico_150k.export.codes_records import RecordOptions
from mico_150k.export.pickles import PicklesResult, bytes_of_pickles, write_pickles
from mico_150k.io.files import write_atomically
from mico_150k.io.machine import check_room
from mico_150k.pretokenize.chunks import ChunkStore
from mico_150k.pretokenize.encoder import ChunkCodes, Encoder, EncoderOptions
from mico_150k.pretokenize.encoding import Encode, Encoding, OnProgress
from mico_150k.pretokenize.identity import made_with, make_identity
from mico_150k.pretokenize.losses import FailedRecords
from mico_150k.pretokenize.material import EncodeInputs
from mico_150k.pretokenize.plan import BATCHES_A_CHUNK, Chunk, EncodingPlan
from mico_150k.pretokenize.ray_workers import Cluster, encode_with_ray
from mico_150k.pretokenize.reuse import KnownCodes
from mico_150k.pretokenize.vq import VQ, check_checkpoint, check_device
from mico_150k.pretokenize.workers import encode_here, encode_in_processes
from mico_150k.pretokenize.workspace import Workspace

CODE_BYTES = 4
"""Of a code in the chunk where it is kept, and in `dimoo-codes`, at most."""


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
    cluster: Cluster | None = None
    batches_a_chunk: int = BATCHES_A_CHUNK


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


class Pretokenization:
    """Work that is planned and may start."""

    def __init__(self, material: EncodeInputs, to: Path, options: PretokenizeOptions) -> None:
        """Plan it, from headers alone."""
        self.material = material
        self.options = options
        chunk = options.batches_a_chunk * options.encoder.precision.batch
        self.plan = EncodingPlan(material, options.sizes, chunk)
        self._losses = FailedRecords(material, options.tolerance)
        self._workspace = Workspace(to)

    def lengths(self) -> list[Lengths]:
        """What the sizes come to, by number of inputs. Raises `UsageError` for what may not be."""
        found: dict[int, list[int]] = defaultdict(list)
        lost = self._losses.records()
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
        if table:
            too_long = sum(line.too_long for line in table)
            self.options.records.check(too_long, sum(line.records for line in table))
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
        self._losses.check()
        self._check_devices()
        workspace = self._workspace
        with workspace.held():
            encoder, digest = self._load()
            try:
                identity = self._identity(digest)
                workspace.claim(identity, overwrite=overwrite)
                before = self.plan.encodings
                if not workspace.manifest:
                    before = self._encode(self._encode_with(encoder, digest), identity, on_encoded)
                    self._write_codes(identity)
            finally:
                if encoder:
                    encoder.close()
            workspace.remove_work()
            made = write_pickles(
                CodesFolder.open(workspace.codes),
                workspace.folder,
                self.options.records,
                overwrite=True,  # the folder is ours by now
                on_progress=on_written,
            )
            return self._result(made, before, digest, time.monotonic() - started)

    @property
    def _is_alone(self) -> bool:
        """Whether this process has the one device."""
        return len(self.options.devices) == 1 and not self.options.cluster

    def _check_devices(self) -> None:
        """Before anything that takes long."""
        options = self.options
        if options.cluster and options.devices[1:]:
            msg = "--ray: name one --device, cuda or cpu, which every actor uses."
            raise UsageError(msg)
        if not options.cluster:
            for device in options.devices:
                check_device(device)
        check_checkpoint(options.encoder.vq)

    def _load(self) -> tuple[Encoder | None, str]:
        """The one encoder where this process has it, and the checkpoint's digest."""
        options = self.options
        device = options.devices[0] if self._is_alone else "cpu"
        vq = VQ.load(options.encoder.vq, device, options.encoder.precision)
        return (Encoder(vq, options.encoder) if self._is_alone else None), vq.digest

    def _identity(self, digest: str) -> dict[str, Any]:
        options = self.options
        device = options.devices[0].partition(":")[0]
        return make_identity(
            replace(options.encoder, vq_sha256=digest), device, options.sizes, self.plan.digest()
        )

    def _encode_with(self, encoder: Encoder | None, digest: str) -> Encode:
        """How chunks are encoded: workers must have the checkpoint of this digest."""
        options = replace(self.options.encoder, vq_sha256=digest)
        devices, cluster = self.options.devices, self.options.cluster

        def encode(chunks: Iterator[Chunk], count: Callable[[int], None]) -> Iterator[ChunkCodes]:
            if encoder:
                return encode_here(encoder, chunks, count)
            if cluster:
                return encode_with_ray(options, cluster, devices[0], chunks, count)
            return encode_in_processes(options, devices, chunks, count)

        return encode

    def _encode(self, encode: Encode, identity: dict[str, Any], on_progress: OnProgress) -> int:
        """Encode all chunks that are not finished; returns what was encoded before."""
        workspace = self._workspace
        encoding = Encoding(self.plan, workspace.chunks, self._losses)
        missing = encoding.missing()
        self._losses.check()
        self._check_disk(encoding.encodings(missing))
        known = KnownCodes(workspace.codes_before, identity)
        before = encoding.run(missing, encode, known, on_progress)
        self._losses.check()
        return before

    def _write_codes(self, identity: dict[str, Any]) -> None:
        """The configuration, the lines of what was left out, and last what a run has said."""
        workspace, plan = self._workspace, self.plan
        lost = self._losses.check()
        records = len(self.material.records)
        rows = records - len(lost)
        store = ChunkStore(workspace.chunks, [plan.start(number) for number in range(plan.chunks)])
        write_codes(workspace.codes, self._rows(store), rows, made_with(identity))
        if lost:
            write_atomically(workspace.folder / QUARANTINE, self._losses.lines().encode())
        workspace.finish(
            {
                "identity": identity,
                "records_read": records,
                "rows": rows,
                "left_out": self._losses.reasons(),
                "encodings": plan.encodings,
            }
        )

    def _rows(self, store: ChunkStore) -> Iterator[CodedRow]:
        """All records but the lost ones. Of pictures with the same bytes, the first one's codes."""
        lost = self._losses.records()
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

    def _check_disk(self, missing: int) -> None:
        """Raise `DiskTooSmall` where codes and pickles will not fit."""
        plan = self.plan
        share = missing / max(1, plan.encodings)
        needed = round(plan.codes * CODE_BYTES * share) + bytes_of_pickles(
            plan.encodings, plan.codes
        )
        check_room(self._workspace.folder, needed)

    def _result(
        self, made: PicklesResult, before: int, digest: str, seconds: float
    ) -> PretokenizeResult:
        said = self._workspace.manifest
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
