"""The output folder while codes are made: whose it is, and which chunks are finished.

`.pretokenize/` holds what the work is, and one Arrow file for each finished chunk. It is gone
when the codes are written; `pretokenize.json` is there then, written last.
"""

import shutil
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from mico_150k.errors import OutputRefused
from mico_150k.files import disk_errors, read_json, settle, write_json
from mico_150k.names import QUARANTINE, partial
from mico_150k.pretokenize import codes, pickles
from mico_150k.pretokenize.encoder import ChunkCodes, Encoded
from mico_150k.pretokenize.material import Fault
from mico_150k.pretokenize.sizes import Shape, grid
from mico_150k.pretokenize.vq import Codes
from mico_150k.reason import Reason

WORK = ".pretokenize"
MANIFEST = "pretokenize.json"
FORMAT = "mico-150k/dimoo-tokens/1"

_CHUNK = pa.schema(
    {
        "codes": pa.large_list(pa.uint16()),
        "digest": pa.string(),
        "reason": pa.string(),
        "detail": pa.string(),
    }
)
_IDENTITY = "identity.json"


@dataclass(frozen=True, slots=True)
class Workspace:
    """A folder that `mico pretokenize` writes."""

    folder: Path

    @property
    def work(self) -> Path:
        """The folder of what is not finished."""
        return self.folder / WORK

    @property
    def codes(self) -> Path:
        """The folder of the codes."""
        return self.folder / codes.CONFIG

    def manifest(self) -> dict[str, Any]:
        """What a finished run has said; empty where there is none."""
        found = read_json(self.folder / MANIFEST)
        return found if found.get("format") == FORMAT else {}

    def claim(self, identity: dict[str, Any], *, overwrite: bool) -> None:
        """Make the folder this work's. Raises `OutputRefused` where it holds something else.

        `identity` is what decides the codes: weights, precision, pictures, sizes, libraries.
        """
        begun = read_json(self.work / _IDENTITY)
        present = self.manifest().get("identity") or begun
        if present == identity and not overwrite:
            return
        if present or self._holds_anything():
            if not overwrite:
                raise self._refusal(present, identity)
            self._clear()
        write_json(self.work / _IDENTITY, identity)

    def has(self, number: int) -> bool:
        """Whether a chunk is finished."""
        return self._chunk(number).is_file()

    def keep(self, chunk: ChunkCodes) -> None:
        """Write a chunk: from then on it is finished."""
        path = self._chunk(chunk.number)
        batch = pa.record_batch(
            [
                pa.array([found.codes.ravel() for found in chunk.encoded], _CHUNK[0].type),
                pa.array([found.digest for found in chunk.encoded], pa.string()),
                pa.array([_reason(found) for found in chunk.encoded], pa.string()),
                pa.array(
                    [found.fault.detail if found.fault else "" for found in chunk.encoded],
                    pa.string(),
                ),
            ],
            schema=_CHUNK,
        )
        with disk_errors(path), pa.ipc.new_file(str(partial(path)), _CHUNK) as writer:
            writer.write_batch(batch)
        settle(path)

    def open_chunk(self, number: int) -> pa.RecordBatch:
        """A finished chunk, mapped and not read."""
        return pa.ipc.open_file(pa.memory_map(str(self._chunk(number)))).get_batch(0)

    def finish(self, manifest: dict[str, Any]) -> None:
        """The codes are written: nothing else is needed to go on."""
        write_json(self.folder / MANIFEST, {"format": FORMAT, **manifest})

    def remove_work(self) -> None:
        """What is in the codes is not kept twice."""
        shutil.rmtree(self.work, ignore_errors=True)

    def _chunk(self, number: int) -> Path:
        return self.work / f"chunk-{number:05d}.arrow"

    def _holds_anything(self) -> bool:
        there = self.folder.iterdir() if self.folder.exists() else ()
        return any(path.name != WORK for path in there)

    def _refusal(self, present: dict[str, Any], identity: dict[str, Any]) -> OutputRefused:
        if not present:
            return OutputRefused(
                f"{self.folder} is not empty, and not a folder that `mico pretokenize` has begun.\n"
                "Choose another with --to, or write over what it writes with --overwrite."
            )
        differing = [
            key for key in sorted({*present, *identity}) if present.get(key) != identity.get(key)
        ]
        return OutputRefused(
            f"{self.folder} holds codes that were made otherwise; what differs is "
            f"{', '.join(differing)}.\n"
            "Run it with what it was begun with, choose another --to, or --overwrite it."
        )

    def _clear(self) -> None:
        """Remove what is written here, and nothing else."""
        for name in (WORK, codes.CONFIG, pickles.FILES):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        for name in (MANIFEST, QUARANTINE, pickles.RECORDS, pickles.CONFIG):
            (self.folder / name).unlink(missing_ok=True)


class ChunkStore:
    """All finished chunks, found by the number of an encoding."""

    def __init__(self, workspace: Workspace, starts: list[int]) -> None:
        """`starts` are the first encodings of the chunks."""
        self._starts = starts
        self._batches = [workspace.open_chunk(number) for number in range(len(starts))]
        self._flat = [batch["codes"].values.to_numpy() for batch in self._batches]
        self._offsets = [batch["codes"].offsets.to_numpy() for batch in self._batches]
        self._digests = [batch["digest"].to_pylist() for batch in self._batches]

    def digest(self, encoding: int) -> str:
        """Of the encoded picture."""
        chunk, place = self._find(encoding)
        return str(self._digests[chunk][place])

    def codes(self, encoding: int, shape: Shape) -> Codes:
        """Rows × columns."""
        chunk, place = self._find(encoding)
        first, last = self._offsets[chunk][place : place + 2]
        columns, rows = grid(shape)
        found: Codes = self._flat[chunk][first:last].reshape(rows, columns)
        return found

    def _find(self, encoding: int) -> tuple[int, int]:
        chunk = bisect_right(self._starts, encoding) - 1
        return chunk, encoding - self._starts[chunk]


def faults_of(batch: pa.RecordBatch) -> Iterator[tuple[int, Fault]]:
    """The encodings of a chunk that have none, by their place in it."""
    for place, reason in enumerate(batch["reason"].to_pylist()):
        if reason:
            yield place, Fault(Reason(reason), batch["detail"][place].as_py())


def _reason(found: Encoded) -> str:
    return found.fault.reason.value if found.fault else ""
