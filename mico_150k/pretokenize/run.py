"""Pre-tokenization: plans, encodes what is missing, and adds the codes to the dataset."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Any

from mico_150k.build.drop_limit import TOLERANCE
from mico_150k.builders.dimoo import DimooRecords
from mico_150k.builders.dimoo_tokens import SizeTable, grid
from mico_150k.core.errors import BrokenFile, NotADataset, UsageError
from mico_150k.dataset import layout
from mico_150k.dataset.codes import CodedPicture, CodedRow, CodesFolder, write_codes
from mico_150k.dataset.folder import DatasetFolder
from mico_150k.io.files import write_atomically
from mico_150k.io.machine import check_room
from mico_150k.pretokenize.add_config import CodesConfig
from mico_150k.pretokenize.chunks import ChunkStore
from mico_150k.pretokenize.dataset_images import EncodeInputs
from mico_150k.pretokenize.encoder import ChunkCodes, Encoder, EncoderOptions
from mico_150k.pretokenize.failed_records import FailedRecords, Fault
from mico_150k.pretokenize.plan import BATCHES_A_CHUNK, EncodingPlan
from mico_150k.pretokenize.ray_workers import encode_with_ray
from mico_150k.pretokenize.vq import VQ, check_checkpoint, check_device
from mico_150k.pretokenize.workers import encode_here, encode_in_processes
from mico_150k.pretokenize.workspace import Workspace, made_with, make_identity

CODE_BYTES = 4
"""The most bytes per code, in its chunk and in `dimoo-codes`."""

OnProgress = Callable[[int, int], None]
"""A callback that gets the number done and the total."""


@dataclass(frozen=True, slots=True)
class PretokenizeOptions:
    """The options that decide the codes, and where they are computed.

    Attributes:
        devices: torch's device names; with `ray`, one kind of device for all actors.
        ray: The address of a Ray cluster; "" for this machine.
        tolerance: The fraction of records that may be unusable.
    """

    encoder: EncoderOptions
    devices: tuple[str, ...]
    sizes: SizeTable = field(default_factory=SizeTable.parse)
    tolerance: float = TOLERANCE
    ray: str = ""
    batches_a_chunk: int = BATCHES_A_CHUNK


@dataclass(frozen=True, slots=True)
class Lengths:
    """Records with one number of inputs: their count, the inputs' size, and tokens in training.

    `too_long` counts the records with more tokens than an export accepts by default.
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
    """The result: records read = records with codes + records skipped, by reason."""

    dataset: str
    records_read: int
    records: int
    skipped: dict[str, int]
    encodings: int
    encoded_before: int
    vq: str
    seconds: float


class Pretokenization:
    """A planned run, which can start."""

    def __init__(self, dataset: DatasetFolder, options: PretokenizeOptions) -> None:
        """Plan the run from the index alone.

        Raises what `CodesConfig.prepare` and `EncodeInputs.of` do.
        """
        self._config = CodesConfig.prepare(dataset)
        self.inputs = EncodeInputs.of(dataset)
        self.options = options
        chunk = options.batches_a_chunk * options.encoder.precision.batch
        self.plan = EncodingPlan(self.inputs, options.sizes, chunk)
        self._failed = FailedRecords(self.inputs, options.tolerance)
        self._workspace = Workspace.of(dataset)
        starts = [self.plan.start(number) for number in range(self.plan.chunks)]
        self._chunks = ChunkStore(self._workspace.folder, starts)

    def lengths(self) -> list[Lengths]:
        """Return the token counts in training by number of inputs; text lengths are estimated."""
        records = DimooRecords(self.options.sizes)
        found: dict[int, list[int]] = defaultdict(list)
        for record in self.inputs.records:
            grids = [grid(self.plan.shape(*wanted)) for wanted in self.plan.wanted(record.pictures)]
            found[record.inputs].append(records.tokens(record.prompt, grids))
        return [
            Lengths(
                inputs,
                len(tokens),
                self.options.sizes.of_inputs(inputs),
                min(tokens),
                round(median(tokens)),
                max(tokens),
                sum(length > records.max_seq_len for length in tokens),
            )
            for inputs, tokens in sorted(found.items())
        ]

    def run(
        self, *, overwrite: bool = False, on_encoded: OnProgress = lambda _done, _total: None
    ) -> PretokenizeResult:
        """Run, or resume an interrupted run; `on_encoded` counts encodings.

        Raises `OutputRefused`, `DiskTooSmall`, `TooManySkipped`, `WorkerLost`, and what loading the
        VQ raises.
        """
        started = time.monotonic()
        self._check_devices()
        workspace, before = self._workspace, self.plan.encodings
        with workspace.held():
            encoder, digest = self._load()
            try:
                identity = self._identity(digest)
                codes = self._codes_there()
                present = codes.made_with if codes else None
                if replace(workspace, present=present).claim(identity, overwrite=overwrite):
                    before = self._encode(encoder, digest, on_encoded)
                    codes = self._write_codes(identity)
            finally:
                if encoder:
                    encoder.close()
            workspace.remove_work()
            assert codes is not None
            return PretokenizeResult(
                dataset=self.inputs.name,
                records_read=len(self.inputs.records),
                records=codes.rows,
                skipped=self._failed.reasons(),
                encodings=self.plan.encodings,
                encoded_before=before,
                vq=digest,
                seconds=time.monotonic() - started,
            )

    @property
    def _is_alone(self) -> bool:
        """Return whether this process encodes on the only device."""
        return len(self.options.devices) == 1 and not self.options.ray

    def _check_devices(self) -> None:
        """Check the devices before anything that takes long."""
        options = self.options
        if options.ray and options.devices[1:]:
            msg = "--executor ray takes one --device for all actors, cuda or cpu."
            raise UsageError(msg)
        if not options.ray:
            for device in options.devices:
                check_device(device)
        check_checkpoint(options.encoder.vq)

    def _load(self) -> tuple[Encoder | None, str]:
        """Return the encoder, if this process runs it, and the checkpoint's digest."""
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

    def _codes_there(self) -> CodesFolder | None:
        """Return the dataset's codes, if it has any that are complete."""
        if layout.CODES not in self._config.manifest["configs"]:
            return None
        try:
            return CodesFolder.open(self._config.dataset.path)
        except (NotADataset, BrokenFile):
            return None

    def _encode(self, encoder: Encoder | None, digest: str, on_progress: OnProgress) -> int:
        """Encode all unfinished chunks; returns the number of encodings finished earlier."""
        plan, chunks = self.plan, self._chunks
        missing = []
        for number in range(plan.chunks):
            faults = chunks.faults(number, len(plan.pictures(number)))
            # A file that could not be read is retried.
            if faults is None or any(fault.may_pass for fault in faults.values()):
                missing.append(number)
            else:
                self._lose(number, faults)
        self._failed.check()
        left = sum(len(plan.pictures(number)) for number in missing)
        done = before = plan.encodings - left
        needed = round(plan.codes * CODE_BYTES * left / max(1, plan.encodings))
        check_room(self._workspace.folder, needed)
        on_progress(done, plan.encodings)

        def count(more: int) -> None:
            nonlocal done
            done += more
            on_progress(done, plan.encodings)

        for chunk in self._encoded(encoder, digest, missing, count):
            chunks.write(chunk)
            found = enumerate(chunk.encoded)
            self._lose(chunk.number, {n: one for n, one in found if isinstance(one, Fault)})
            self._failed.check()
        return before

    def _encoded(
        self, encoder: Encoder | None, digest: str, missing: list[int], count: Callable[[int], None]
    ) -> Iterator[ChunkCodes]:
        """Yield chunks as they finish; workers must have the checkpoint with this digest."""
        chunks = (self.plan.chunk(number) for number in missing)
        if encoder:
            return encode_here(encoder, chunks, count)
        options, devices = replace(self.options.encoder, vq_sha256=digest), self.options.devices
        if self.options.ray:
            return encode_with_ray(options, self.options.ray, devices[0], chunks, count)
        return encode_in_processes(options, devices, chunks, count)

    def _lose(self, number: int, faults: dict[int, Fault]) -> None:
        pictures = self.plan.pictures(number)
        for place, fault in faults.items():
            self._failed.add(pictures[place], fault)

    def _write_codes(self, identity: dict[str, Any]) -> CodesFolder:
        """Write the configuration, add it to the dataset, and report the skipped records."""
        path = self._workspace.folder / layout.CODES
        rows = len(self.inputs.records) - len(self._failed.records())
        write_codes(path, self._rows(), rows, made_with(identity))
        quarantine = self._config.dataset.path / layout.CODES / layout.QUARANTINE
        quarantine.unlink(missing_ok=True)
        if lines := self._failed.lines():
            write_atomically(quarantine, lines.encode())
        codes = CodesFolder.open(path)
        self._config.add(codes)
        return codes

    def _rows(self) -> Iterator[CodedRow]:
        """Yield all records except the failed ones."""
        plan, failed = self.plan, self._failed.records()

        def coded(number: int, size: int) -> CodedPicture:
            codes = self._chunks.codes(plan.encoding(number, size), plan.shape(number, size))
            return CodedPicture(codes, size, self.inputs.pictures[number].digest)

        for place, record in enumerate(self.inputs.records):
            if place not in failed:
                pictures = [coded(*wanted) for wanted in plan.wanted(record.pictures)]
                yield CodedRow(record.id, record.prompt, pictures)
