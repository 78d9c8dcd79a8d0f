"""The output folder while a build is under way: whose it is, and which shards are finished.

`.build/` holds the plan's digest, one record for each finished shard, and parts of the small
configurations. It is gone when the build is done; the manifest is there then, written last.
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mico_150k.core.errors import OutputRefused
from mico_150k.dataset import layout
from mico_150k.dataset.difference import differences
from mico_150k.dataset.records import FileRecord, ShardRecord
from mico_150k.io.files import create_json, read_json, sha256, sweep, write_json
from mico_150k.io.hold import hold
from mico_150k.io.locks import LOCK, empty

_OURS = (
    layout.CARD, layout.MANIFEST, layout.REPORT, layout.QUARANTINE, layout.STAMPS,
    f"{layout.ASSETS}/{layout.PLOTS}", f"{layout.ASSETS}/{layout.COLLAGE}",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Workspace:
    """A dataset folder that is being built. `configs` are all folders that a build may write.

    `location` is what a user knows it as, where that is not the folder.
    """

    folder: Path
    configs: tuple[str, ...]
    location: str = ""

    @property
    def work(self) -> Path:
        """The folder of what is not finished."""
        return self.folder / layout.WORK

    @property
    def identity_file(self) -> Path:
        """The file that says which build has claimed the folder."""
        return self.work / layout.BUILD

    @property
    def licence_file(self) -> Path:
        """The file that says what the card will state; whichever run said it last."""
        return self.work / _LICENCE

    def keep_licence(self, header: dict[str, str]) -> None:
        """Write down the keys of the card's header, for whichever run finishes the build."""
        write_json(self.licence_file, header)

    @property
    def licence(self) -> dict[str, str]:
        """What was written down; empty where nothing was."""
        return {key: str(value) for key, value in read_json(self.licence_file).items()}

    @property
    def is_begun(self) -> bool:
        """Whether a build has claimed the folder, or finished it."""
        return self.identity_file.exists() or (self.folder / layout.MANIFEST).exists()

    @property
    def bytes_to_clear(self) -> int:
        """What overwriting the folder gives back to the disk."""
        return sum(path.stat().st_size for path in self._ours() if path.is_file())

    def refuse_foreign(self) -> None:
        """Raise `OutputRefused` where no build has been: a README.md there is somebody else's."""
        manifest = read_json(self.folder / layout.MANIFEST)
        ours = self.identity_file.exists() or manifest.get("format") == layout.MANIFEST_FORMAT
        if self._holds_anything() and not ours:
            raise self._refusal({}, {})

    @contextmanager
    def claimed(  # noqa: PLR0913 - each says how it is had, and has a default
        self,
        identity: dict[str, Any],
        stamps: dict[str, str],
        check_disk: Callable[[int], None],
        *,
        overwrite: bool = False,
        shared: bool = False,
        gently: bool = False,
    ) -> Iterator[bool]:
        """Have the folder for a build; False where this very build is finished.

        Nobody else writes in it meanwhile, but for those who have it `shared` with this one.
        `check_disk`, with the bytes that overwriting gives back, comes before anything is
        claimed: a smaller build may go there where the disk does not suffice.

        Raises `OutputRefused`, and what `check_disk` does.
        """
        if overwrite:
            self.refuse_foreign()
        elif self.is_finished(identity, stamps):
            self._tidy()
            yield False
            return
        if overwrite or not self.is_begun:
            check_disk(self.bytes_to_clear if overwrite else 0)
        with self._held(shared=shared, gently=gently):
            yield self.claim(identity, stamps, overwrite=overwrite)

    @contextmanager
    def _held(self, *, shared: bool, gently: bool) -> Iterator[None]:
        """Keep out all who write in the folder; `shared` holders keep out only those who do not.

        What killed runs have half written is removed: `gently`, only what surely is that.
        """
        with hold(
            self.folder,
            (*_BELOW, *self.configs),
            work=layout.WORK,
            who="`mico build`",
            shared=shared,
            gently=gently,
            name=self.location or str(self.folder),
        ):
            yield

    def sweep(self) -> None:
        """Remove all that is half written. Not while another process builds here."""
        sweep(self.folder, *(self.folder / part for part in (*_BELOW, *self.configs)))

    def claim(self, identity: dict[str, Any], stamps: dict[str, str], *, overwrite: bool) -> bool:
        """Make the folder this build's; False where this very build is finished already.

        Raises `OutputRefused` as `is_finished` does, unless it is to `overwrite`.
        """
        if overwrite:
            self._clear()
        elif self.is_finished(identity, stamps):
            self.remove_work()
            return False
        created = create_json(self.identity_file, {"identity": identity, "stamps": stamps})
        if not created:
            self.is_finished(identity, stamps)  # refuses what another has begun meanwhile
        return True

    def is_finished(self, identity: dict[str, Any], stamps: dict[str, str]) -> bool:
        """Whether this very build is finished here; it may be begun, or not, where it is not.

        `identity` is what a build is: other content, other options or another library give
        another. `stamps` are those of the source's files: each must be as it was. Raises
        `OutputRefused` where the folder holds something else.
        """
        # In this order: another process that claims it now writes its identity before all else.
        holds = self._holds_anything()
        begun = read_json(self.identity_file)
        manifest = read_json(self.folder / layout.MANIFEST)
        if not begun and not holds:
            return False
        wanted = {"identity": identity, "stamps": stamps}
        known = read_json(self.folder / layout.STAMPS) or stamps
        present = begun or {"identity": manifest.get("build"), "stamps": known}
        if present != wanted:
            raise self._refusal(present, wanted)
        return bool(manifest)

    def keep_stamps(self) -> None:
        """Write down, for when the build is finished, how the source's files were."""
        write_json(self.folder / layout.STAMPS, read_json(self.identity_file).get("stamps", {}))

    def records(
        self,
        split: str = layout.SPLIT,
        *,
        hashes: bool = False,
        elsewhere: Callable[[ShardRecord], bool] = lambda _: False,
    ) -> dict[int, ShardRecord]:
        """The finished shards of a split by number; one that lacks a file or part is not finished.

        Sizes are compared; a file had reached the disk before it got its name, so that no
        interruption can change it. Where the disk itself is in doubt, `hashes` reads all of it.
        `elsewhere` is whether another place holds a shard's files, so that they need not be here.
        """
        found = {}
        for path in (self.work / _RECORDS).glob(f"{split}-*.json"):
            record = _read_record(path)
            if record is None:
                continue
            name = layout.shard_name(record.number, split)
            files = self.parts(record)
            if not elsewhere(record):
                files |= {
                    self.folder / config / name: file for config, file in record.files.items()
                }
            if all(_is(path, file, hashes=hashes) for path, file in files.items()):
                found[record.number] = record
        return found

    def record(self, number: int, split: str = layout.SPLIT) -> ShardRecord | None:
        """The shard's record, once it is finished."""
        return _read_record(self.record_file(number, split))

    def forget(self, number: int, split: str = layout.SPLIT) -> None:
        """Remove the record of a shard that is to be built again."""
        self.record_file(number, split).unlink(missing_ok=True)

    def keep(self, record: ShardRecord) -> None:
        """Write down that a shard is finished: the last thing that is done for it."""
        write_json(self.record_file(record.number, record.split), record.to_dict())

    def record_file(self, number: int, split: str = layout.SPLIT) -> Path:
        """Where the record of a finished shard lies."""
        return self.work / _RECORDS / f"{split}-{number:05d}.json"

    def part(self, config: str, number: int, split: str = layout.SPLIT) -> Path:
        """Where a shard's part of a small configuration lies until the end."""
        return self.work / config / layout.shard_name(number, split)

    def parts(self, record: ShardRecord) -> dict[Path, FileRecord]:
        """Where the parts of a finished shard lie."""
        return {
            self.part(config, record.number, record.split): part
            for config, part in record.parts.items()
        }

    def remove_work(self) -> None:
        """The build is done."""
        empty(self.work)

    def _tidy(self) -> None:
        """Remove what a run has left that was killed at its very end, or something in it since.

        Nothing is amiss where that cannot be done, or another run is doing it.
        """
        with suppress(OSError, OutputRefused), hold(self.folder, (layout.ASSETS, *self.configs)):
            shutil.rmtree(self.work, ignore_errors=True)

    def _holds_anything(self) -> bool:
        """Whether anything is there but the first traces of a build that was killed at once."""
        there = self.folder.iterdir() if self.folder.exists() else ()
        return any(path.name != layout.WORK for path in there)

    def _refusal(self, present: dict[str, Any], wanted: dict[str, Any]) -> OutputRefused:
        where = self.location or self.folder
        if not isinstance(present.get("identity"), dict) or "stamps" not in present:
            return OutputRefused(
                f"{where} is not empty, and not a folder that `mico build` has begun.\n"
                "Choose another with --out, or remove what is in it."
            )
        if not present["identity"]:
            return OutputRefused(
                f"{where} was being overwritten by a build that was stopped: --overwrite it again."
            )
        overwrite = "" if "://" in self.location else ", or --overwrite it"
        return OutputRefused(
            f"{where} holds another build; what differs is {differences(present, wanted)}.\n"
            f"Run it with what it was begun with, or choose another --out{overwrite}."
        )

    def _clear(self) -> None:
        """Remove what a build writes, and nothing else; stopped half way, it can be done again."""
        self.refuse_foreign()
        write_json(self.identity_file, _NOBODY)  # ours until nothing is left, and not finished
        for path in self._ours():
            if path != self.identity_file:
                path.unlink(missing_ok=True)
        self.identity_file.unlink()

    def _ours(self) -> Iterator[Path]:
        """The files that a build writes."""
        work = (path for path in self.work.rglob("*") if path.is_file())
        yield from (path for path in work if path.name != LOCK)
        yield from (self.folder / name for name in _OURS)
        for config in self.configs:
            for split in layout.SPLITS:
                yield from (self.folder / config).glob(f"{split}-*.parquet*")


def _read_record(path: Path) -> ShardRecord | None:
    """The record in a file; None where there is none, or none that is whole."""
    try:
        return ShardRecord.from_dict(read_json(path))
    except (KeyError, TypeError, ValueError):
        return None


def _is(path: Path, file: FileRecord, *, hashes: bool) -> bool:
    """Whether the file at `path` is the one that was written down."""
    if not path.is_file() or path.stat().st_size != file.bytes:
        return False
    return not hashes or sha256(path) == file.sha256


_RECORDS = "records"
_LICENCE = "licence.json"
_BELOW = (
    layout.ASSETS, layout.WORK,
    *(f"{layout.WORK}/{part}" for part in (_RECORDS, layout.INDEX, layout.SAMPLE)),
)  # fmt: skip
"""The folders that a run writes in, besides those of the configurations."""
_NOBODY: dict[str, Any] = {"identity": {}, "stamps": {}}
"""Which build has claimed a folder that is being cleared."""
