"""The output folder during a build: its identity, and the finished shards.

`.build/` holds the plan's digest, one record for each finished shard, and parts of the small
configurations. It is gone when the build is done; the manifest is there then, written last.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from mico_150k.core.errors import OutputRefused
from mico_150k.core.identity import json_sha256
from mico_150k.dataset import layout
from mico_150k.dataset.difference import differences, origin
from mico_150k.dataset.formats import is_manifest, written_by
from mico_150k.dataset.records import FileRecord, ShardRecord
from mico_150k.io.files import read_json, sha256, write_json
from mico_150k.io.locks import LOCK
from mico_150k.io.workspace import ClaimedFolder, Identity

_OURS = (
    layout.CARD, layout.REPORT, layout.QUARANTINE, layout.MTIME_TOKENS,
    f"{layout.ASSETS}/{layout.PLOTS}", f"{layout.ASSETS}/{layout.COLLAGE}",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Workspace(ClaimedFolder):
    """A dataset folder that is being built. `configs` are all folders that a build may write.

    `location` is what a user knows it as, where that is not the folder. Its identity is that of the
    build, with `mtime_tokens` of the source's files: each must be as it was.
    """

    configs: tuple[str, ...]
    location: str = ""

    KIND: ClassVar[str] = "build"
    COMMAND: ClassVar[str] = "mico build"
    AGAIN: ClassVar[str] = "Rebuild it: `mico build SOURCE --out FOLDER`"
    OPTION: ClassVar[str] = "--out"
    WORK: ClassVar[str] = layout.WORK
    IDENTITY: ClassVar[str] = layout.BUILD

    @property
    def name(self) -> str:
        """The folder's name in messages."""
        return self.location or str(self.folder)

    @property
    def below(self) -> tuple[str, ...]:
        """The folders that a build writes to."""
        return (*_BELOW, *self.configs)

    @property
    def license_file(self) -> Path:
        """The file that says what the card will state; whichever run said it last."""
        return self.work / _LICENSE

    def keep_license(self, header: dict[str, str]) -> None:
        """Write down the keys of the card's header, for whichever run finishes the build."""
        write_json(self.license_file, header)

    @property
    def license(self) -> dict[str, str]:
        """What was written down; empty where nothing was."""
        return {key: str(value) for key, value in read_json(self.license_file).items()}

    @property
    def is_begun(self) -> bool:
        """Whether a build has claimed the folder, or finished it."""
        return self.identity_file.exists() or (self.folder / layout.MANIFEST).exists()

    @contextmanager
    def claimed(  # noqa: PLR0913 - each says how it is had, and has a default
        self,
        identity: dict[str, Any],
        mtime_tokens: dict[str, str],
        check_disk: Callable[[int], None],
        *,
        overwrite: bool = False,
        shared: bool = False,
        gently: bool = False,
    ) -> Iterator[bool]:
        """Lock the folder for a build, and yield whether anything is left to do.

        Only runs that share the lock (`shared`) may write at the same time. A finished build does
        not lock the folder.
        `check_disk`, with the bytes that overwriting gives back, comes before anything is
        claimed: a smaller build may go there where the disk does not suffice.

        Raises `OutputRefused`, and what `check_disk` does.
        """
        if overwrite:
            self._refuse_foreign()
        elif self.is_finished(identity, mtime_tokens):
            yield False  # to hold it is to write in it, which may not be allowed
            return
        if overwrite or not self.is_begun:
            check_disk(self._bytes_to_clear() if overwrite else 0)
        with self.held(shared=shared, gently=gently):
            is_left = overwrite or not self.is_finished(identity, mtime_tokens)
            if is_left:
                self.begin(_claim(identity, mtime_tokens), overwrite=overwrite)
            yield is_left

    def is_finished(self, identity: dict[str, Any], mtime_tokens: dict[str, str]) -> bool:
        """Whether this very build is finished here; it may be begun, or not, where it is not.

        `identity` is what a build is: other content, other options or another library give
        another. Raises `OutputRefused` where the folder holds something else.
        """
        return self.holds(_claim(identity, mtime_tokens))

    def finished(self, wanted: Identity) -> Identity:
        """The finished build; a folder that was downloaded has no modification times."""
        identity = read_json(self.folder / layout.MANIFEST).get("build")
        if not isinstance(identity, dict):
            return {}
        known = read_json(self.folder / layout.MTIME_TOKENS) or wanted["mtime_tokens"]
        return _claim(identity, known)

    def written(self) -> Iterator[Path]:
        """The files that a build writes."""
        yield from (self.folder / name for name in _OURS)
        for config in self.configs:
            for split in layout.SPLITS:
                yield from (self.folder / config).glob(f"{split}-*.parquet*")
        yield self.folder / layout.MANIFEST

    def outdated(self, present: Identity, wanted: Identity) -> str:
        """Who wrote a build that this version cannot resume; "" where it can."""
        there, here = present.get("identity"), wanted.get("identity")
        if not isinstance(there, dict) or not isinstance(here, dict):
            return ""
        return "" if there.get("version") == here.get("version") else written_by(there)

    def other(self, present: Identity, wanted: Identity) -> str:
        """Which build the folder holds, in words."""
        there, here = present.get("identity"), wanted.get("identity")
        if not isinstance(there, dict) or not isinstance(here, dict):
            return super(Workspace, self).other(present, wanted)
        is_same_kind = there.get("source") == here.get("source")
        return "another build" if is_same_kind else f"another build: {origin(there)}"

    def differences(self, present: Identity, wanted: Identity) -> str:
        """What differs between two builds, in words."""
        if not all(isinstance(present.get(key), dict) for key in wanted):
            return f"{self.identity_file}, which is damaged"
        return differences(dict(present), dict(wanted))

    def tidy(self) -> None:
        """Remove what a run has left that was killed at its very end, or something in it since.

        Nothing is amiss where that cannot be done, or another run is doing it.
        """
        with suppress(OSError, OutputRefused), self.held():
            self.remove_work()

    def keep_mtime_tokens(self) -> None:
        """Write down, for when the build is finished, how the source's files were."""
        write_json(
            self.folder / layout.MTIME_TOKENS, read_json(self.identity_file).get("mtime_tokens", {})
        )

    def records(
        self,
        split: str = layout.SPLIT,
        *,
        hashes: bool = False,
        elsewhere: Callable[[ShardRecord], bool] = lambda _: False,
        parts_elsewhere: bool = False,
    ) -> dict[int, ShardRecord]:
        """The finished shards of a split by number; one that lacks a file or part is not finished.

        Sizes are compared; a file had reached the disk before it got its name, so that no
        interruption can change it. Where the disk itself is in doubt, `hashes` reads all of it.
        `elsewhere` is whether another place holds a shard's files, so that they need not be here;
        `parts_elsewhere` is whether it holds their parts, too.
        """
        found = {}
        for path in (self.work / _RECORDS).glob(f"{split}-*.json"):
            record = _read_record(path)
            if record is None:
                continue
            name = layout.shard_name(record.number, split)
            is_elsewhere = elsewhere(record)
            files = {} if is_elsewhere and parts_elsewhere else self.parts(record)
            if not is_elsewhere:
                files |= {
                    self.folder / config / name: file for config, file in record.files.items()
                }
            if all(_is(path, file, hashes=hashes) for path, file in files.items()):
                found[record.number] = record
        return found

    def claim_partition(self, number: int, of: int) -> None:
        """Write down that the `number`th of `of` partitions of the claimed build is begun."""
        write_json(self.claims / f"{number}-of-{of}.{self.token}.json", self.identity)

    @property
    def claims(self) -> Path:
        """The folder of what says which partitions were begun, and of which build."""
        return self.work / _CLAIMS

    @property
    def identity(self) -> Identity:
        """Which build has claimed the folder."""
        return read_json(self.identity_file)

    @property
    def token(self) -> str:
        """Eight hexadecimal digits that another build has otherwise, for names of its claims."""
        return json_sha256(self.identity)[:_TOKEN]

    def begun_partitions(self) -> set[tuple[int, int]]:
        """The number of each partition that was begun, and of how many it is one."""
        found = (_CLAIM.fullmatch(path.name) for path in self.claims.glob("*.json"))
        return {(int(name["number"]), int(name["of"])) for name in found if name}

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

    def _refuse_foreign(self) -> None:
        """Raise `OutputRefused` where no build has been: a README.md there is somebody else's."""
        manifest = read_json(self.folder / layout.MANIFEST)
        ours = self.identity_file.exists() or is_manifest(manifest)
        if self.is_used() and not ours:
            raise OutputRefused(self._refusal({}, {}))

    def _bytes_to_clear(self) -> int:
        """What overwriting the folder gives back to the disk."""
        work = (path for path in self.work.rglob("*") if path.name != LOCK)
        there = (path for path in (*work, *self.written()) if path.is_file())
        return sum(path.stat().st_size for path in there)


def _claim(identity: Identity, mtime_tokens: Identity) -> dict[str, Any]:
    return {"identity": dict(identity), "mtime_tokens": dict(mtime_tokens)}


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
_CLAIMS = "claims"
_CLAIM = re.compile(r"(?P<number>\d+)-of-(?P<of>\d+)\.[0-9a-f]+\.json")
_TOKEN = 8
_LICENSE = "license.json"
_BELOW = (
    layout.ASSETS, layout.WORK,
    *(f"{layout.WORK}/{part}" for part in (_RECORDS, _CLAIMS, layout.INDEX, layout.SAMPLE)),
)  # fmt: skip
"""The folders that a run writes in, besides those of the configurations."""
