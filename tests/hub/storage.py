"""Where a test Hub keeps the content of large files: as plain files, and as chunks of Xet.

`local://FOLDER` makes hf_xet do all its real work (chunks, deduplication, shards) in a folder. The
client tells the Hub a file's SHA-256 alone; which Xet file that is stands in hf_xet's shard files.
"""

import hashlib
import shutil
import struct
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

_HEADER = 48
_ENTRY = 48
_LAST = b"\xff" * 32
_WITH_VERIFICATION = 1 << 31
_WITH_SHA256 = 1 << 30


class Storage:
    """Content by SHA-256."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cas = folder / "cas"
        self.cas.mkdir(parents=True)
        self._files: dict[str, Path] = {}
        self._xet: dict[str, str] = {}
        self._xet_sizes: dict[str, int] = {}

    @property
    def cas_url(self) -> str:
        return f"local://{self.cas}"

    @property
    def cas_bytes(self) -> int:
        """Bytes of all chunks that Xet has stored."""
        return sum(path.stat().st_size for path in self.cas.glob("xet/xorbs/xorbs/default.*"))

    def put(self, data: bytes) -> str:
        digest = hashlib.sha256(data).hexdigest()
        path = self.folder / digest
        path.write_bytes(data)
        self._files[digest] = path
        return digest

    def adopt(self, path: Path) -> str:
        """Know a file that lies elsewhere; it is not copied."""
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        self._files[digest] = path
        return digest

    def has(self, digest: str) -> bool:
        return digest in self._files or self.xet_hash(digest) is not None

    def xet_hash(self, digest: str) -> str | None:
        """The name of the content in Xet, where it was sent there."""
        if digest not in self._xet:
            self._read_shards()
        return self._xet.get(digest)

    def xet_size(self, name: str) -> int | None:
        """The size of a file by its Xet hash; None where nothing was sent that has it."""
        if name not in self._xet_sizes:
            self._read_shards()
        return self._xet_sizes.get(name)

    def xet_content(self, name: str) -> bytes:
        """The content of a file by its Xet hash."""
        return self._assembled(name, self.xet_size(name) or 0, self.folder / f"xet-{name}")

    def own_cas(self) -> Path:
        """A folder for the chunks of one upload: only one process at a time has one open."""
        return Path(tempfile.mkdtemp(prefix="sent-", dir=self.folder))

    def copied_cas(self) -> Path:
        """A copy of all chunks, for one download."""
        return self._copy_of(self.cas)

    def ingest(self, names: set[str]) -> None:
        """Take files by their Xet hashes from the folders of uploads, as far as they are there."""
        for folder in self.folder.glob("sent-*"):
            here = {name: size for name, size, _ in _files_in(folder) if name in names}
            if not here:
                continue
            copy = self._copy_of(folder)
            for name, size in here.items():
                self._assembled(name, size, self.folder / f"xet-{name}", copy)
            self._keep([self.folder / f"xet-{name}" for name in here])

    def _keep(self, paths: list[Path]) -> None:
        """Put files among the chunks, where their content gives them the same names."""
        import hf_xet

        with hf_xet.XetSession().new_upload_commit(
            endpoint=self.cas_url, token="t", token_expiry_unix_secs=_soon()
        ) as commit:
            for path in paths:
                commit.start_upload_file(str(path), sha256=hf_xet.SKIP_SHA256)

    def _copy_of(self, cas: Path) -> Path:
        copy = Path(tempfile.mkdtemp(prefix="copy-", dir=self.folder))
        return Path(shutil.copytree(cas, copy, dirs_exist_ok=True))

    def _read_shards(self) -> None:
        for name, size, sha256 in _files_in(self.cas):
            self._xet_sizes[name] = size
            if sha256:
                self._xet[sha256] = name

    def path(self, digest: str, size: int) -> Path:
        """The content as a file; what lies in Xet is put together of its chunks."""
        if digest not in self._files:
            path = self.folder / digest
            self._assembled(self.xet_hash(digest) or "", size, path)
            self._files[digest] = path
        return self._files[digest]

    def _assembled(self, name: str, size: int, path: Path, cas: Path | None = None) -> bytes:
        """The content of a Xet file, put together of its chunks at `path`."""
        import hf_xet

        if not path.exists():
            with hf_xet.XetSession().new_file_download_group(
                endpoint=f"local://{cas or self.cas}", token="t", token_expiry_unix_secs=_soon()
            ) as group:
                group.start_download_file(hf_xet.XetFileInfo(name, size), str(path))
        return path.read_bytes()


def _soon() -> int:
    return int(time.time()) + 3600


def _files_in(cas: Path) -> Iterator[tuple[str, int, str]]:
    for shard in cas.glob("xet/xorbs/shards/*.mdb"):
        yield from _files_of(shard.read_bytes())


def _files_of(shard: bytes) -> Iterator[tuple[str, int, str]]:
    """Xet hash, size and SHA-256 ("" where none is told) of each file in a shard file of Xet."""
    at = _HEADER
    while shard[at : at + 32] != _LAST:
        name = _hex(shard[at : at + 32])
        flags, entries = struct.unpack_from("<II", shard, at + 32)
        at += _ENTRY
        # The bytes of each segment stand behind the name of its xorb and some flags.
        size = sum(
            struct.unpack_from("<I", shard, at + _ENTRY * number + 36)[0]
            for number in range(entries)
        )
        at += _ENTRY * entries * (2 if flags & _WITH_VERIFICATION else 1)
        sha256 = ""
        if flags & _WITH_SHA256:
            sha256 = _hex(shard[at : at + 32])
            at += _ENTRY
        yield name, size, sha256


def _hex(words: bytes) -> str:
    return "".join(f"{word:016x}" for word in struct.unpack("<4Q", words))
