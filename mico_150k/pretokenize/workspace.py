"""The output folder while codes are made: whose it is, and how far the work is.

`.pretokenize/` holds what the work is, its finished chunks, and, where it has taken the place of
other work, that one's codes. It is gone when the codes are written; `pretokenize.json` is there
then, written last.
"""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mico_150k.core.errors import OutputRefused
from mico_150k.dataset import layout
from mico_150k.export import codes_records, pickles
from mico_150k.io.files import read_json, write_json
from mico_150k.io.hold import hold
from mico_150k.pretokenize.chunks import ChunkFiles
from mico_150k.pretokenize.identity import Identity, differing, is_content

WORK = ".pretokenize"
MANIFEST = "pretokenize.json"
FORMAT = "mico-150k/dimoo-tokens/1"

_STATE = "work.json"


@dataclass(frozen=True, slots=True)
class Workspace:
    """A folder that `mico pretokenize` writes."""

    folder: Path

    @property
    def codes(self) -> Path:
        """The folder of the codes."""
        return self.folder / layout.CODES

    @property
    def codes_before(self) -> Path:
        """The folder of the codes that were here before, and are replaced."""
        return self._work / "before"

    @property
    def chunks(self) -> ChunkFiles:
        """The chunks that are finished."""
        return ChunkFiles(self._work)

    @property
    def manifest(self) -> dict[str, Any]:
        """What a finished run has said; empty where there is none."""
        found = read_json(self.folder / MANIFEST)
        return found if found.get("format") == FORMAT else {}

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep out all else that writes in the folder; what killed runs have left is removed.

        Raises `OutputRefused`.
        """
        with hold(self.folder, (layout.CODES, pickles.FILES, WORK)):
            yield

    def claim(self, identity: Identity, *, overwrite: bool) -> None:
        """Make the folder this work's; there is a manifest then if the codes are finished.

        Raises `OutputRefused` where it holds something else, and `overwrite` is false.
        """
        begun = read_json(self._work / _STATE)
        finished = self.manifest.get("identity")
        if begun.get("identity") == identity:
            if not begun["is_clear"]:
                self._begin(identity)
        elif begun or not finished or overwrite or not is_content(finished, identity):
            if not overwrite and (begun or finished or self._holds_anything()):
                raise self._refusal(begun.get("identity") or finished, identity)
            self._begin(identity)

    def finish(self, manifest: Mapping[str, Any]) -> None:
        """The codes are written: nothing else is needed to go on."""
        write_json(self.folder / MANIFEST, {"format": FORMAT, **manifest})

    def remove_work(self) -> None:
        """What is in the codes is not kept twice."""
        shutil.rmtree(self._work, ignore_errors=True)

    @property
    def _work(self) -> Path:
        return self.folder / WORK

    def _begin(self, identity: Identity) -> None:
        """Set aside the codes that are here, and remove what else is written here.

        Stopped in between it is called again, and the manifest of what was here goes last. Codes
        that were made of the same, and of all of it, are not wanted, or nobody would make them
        again.
        """
        self.chunks.clear()
        write_json(self._work / _STATE, {"identity": identity, "is_clear": False})
        finished, left_out = (self.manifest.get(key) for key in ("identity", "left_out"))
        if self.codes.exists() and finished and (finished != identity or left_out):
            shutil.rmtree(self.codes_before, ignore_errors=True)
            self.codes.replace(self.codes_before)
        for name in (layout.CODES, pickles.FILES):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        for name in (layout.QUARANTINE, codes_records.RECORDS, codes_records.CONFIG, MANIFEST):
            (self.folder / name).unlink(missing_ok=True)
        write_json(self._work / _STATE, {"identity": identity, "is_clear": True})

    def _holds_anything(self) -> bool:
        there = self.folder.iterdir() if self.folder.exists() else ()
        return any(path.name != WORK for path in there)

    def _refusal(self, present: Identity | None, identity: Identity) -> OutputRefused:
        if not present:
            return OutputRefused(
                f"{self.folder} is not empty, and not a folder that `mico pretokenize` has begun.\n"
                "Choose another with --to, or write over what it writes with --overwrite."
            )
        return OutputRefused(
            f"{self.folder} holds codes that were made otherwise; what differs is "
            f"{', '.join(differing(present, identity))}.\n"
            "Run it with what it was begun with, choose another --to, or --overwrite it: codes of "
            "pictures that are the same are used again, where checkpoint and precision are."
        )
