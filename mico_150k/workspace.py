"""The output folder while a build is under way: whose it is, and which shards are finished.

`.build/` holds the plan's digest, one record for each finished shard, and parts of the small
configurations. It is gone when the build is done; the manifest is there then, written last.
"""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mico_150k import names
from mico_150k.errors import OutputRefused
from mico_150k.files import write_json
from mico_150k.records import ShardRecord

_OURS = (names.CARD, names.MANIFEST, names.REPORT, names.QUARANTINE)


@dataclass(frozen=True, slots=True)
class Workspace:
    """A dataset folder that is being built. `configs` are all folders that a build may write."""

    folder: Path
    configs: tuple[str, ...]

    @property
    def work(self) -> Path:
        """The folder of what is not finished."""
        return self.folder / names.WORK

    def claim(self, identity: dict[str, Any], stamps: dict[str, str], *, overwrite: bool) -> bool:
        """Make the folder this build's; False where this very build is finished already.

        `identity` is what a build is: other content, other options or another library give
        another. `stamps` are those of the source's files: a build that goes on must find each as
        it was. Raises `OutputRefused` where the folder holds something else.
        """
        begun = _read_json(self.work / _IDENTITY)
        manifest = _read_json(self.folder / names.MANIFEST)
        present = begun or {"identity": manifest.get("build"), "stamps": stamps}
        wanted = {"identity": identity, "stamps": stamps}
        if present == wanted and not overwrite:
            return not manifest
        if begun or self._holds_anything():
            if not overwrite:
                raise self._refusal(present, wanted)
            self._clear()
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(self.work / _IDENTITY, wanted)
        return True

    def records(self) -> dict[int, ShardRecord]:
        """The finished shards by number; one whose files are not all there is not finished."""
        found = {}
        for path in sorted((self.work / _RECORDS).glob("*.json")):
            record = ShardRecord.from_dict(json.loads(path.read_text()))
            if all(
                self._has(self.folder / config / names.shard_name(record.number), file.bytes)
                for config, file in record.files.items()
            ):
                found[record.number] = record
        return found

    def keep(self, record: ShardRecord) -> None:
        """Write down that a shard is finished: the last thing that is done for it."""
        write_json(self.work / _RECORDS / f"{record.number:05d}.json", record.to_dict())

    def part(self, config: str, number: int) -> Path:
        """Where a shard's part of a small configuration lies until the end."""
        return self.work / config / names.shard_name(number)

    def remove_work(self) -> None:
        """The build is done."""
        shutil.rmtree(self.work, ignore_errors=True)

    def _holds_anything(self) -> bool:
        """Whether anything is there but the first traces of a build that was killed at once."""
        there = self.folder.iterdir() if self.folder.exists() else ()
        return any(path.name != names.WORK for path in there)

    def _refusal(self, present: dict[str, Any], wanted: dict[str, Any]) -> OutputRefused:
        if not isinstance(present.get("identity"), dict) or "stamps" not in present:
            return OutputRefused(
                f"{self.folder} is not empty, and not a folder that `mico build` has begun.\n"
                "Choose another with --out, or write over what a build writes with --overwrite."
            )
        differing = [
            f"{part}: {key}"
            for part in ("identity", "stamps")
            for key in sorted({*present[part], *wanted[part]})
            if present[part].get(key) != wanted[part].get(key)
        ]
        more = [" …"] if len(differing) > _MOST_NAMED else []
        return OutputRefused(
            f"{self.folder} holds another build; what differs is "
            f"{', '.join(differing[:_MOST_NAMED] + more)}.\n"
            "Run it with what it was begun with, choose another --out, or --overwrite it."
        )

    def _clear(self) -> None:
        """Remove what a build writes, and nothing else."""
        shutil.rmtree(self.work, ignore_errors=True)
        for name in _OURS:
            (self.folder / name).unlink(missing_ok=True)
        for config in self.configs:
            for path in (self.folder / config).glob(f"{names.SPLIT}-*.parquet*"):
                path.unlink()

    @staticmethod
    def _has(path: Path, size: int) -> bool:
        return path.is_file() and path.stat().st_size == size


def _read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file; empty where there is none."""
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


_IDENTITY = "build.json"
_RECORDS = "records"
_MOST_NAMED = 5
