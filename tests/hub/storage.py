"""Where a test Hub keeps the content of large files: as plain files, and as chunks of Xet.

`local://FOLDER` makes hf_xet do all its real work (chunks, deduplication, shards) in a folder. The
client tells the Hub a file's SHA-256 alone; which Xet file that is stands in hf_xet's shard files.
"""

import hashlib
import struct
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
            for shard in self.cas.glob("xet/xorbs/shards/*.mdb"):
                self._xet.update(_files_of(shard.read_bytes()))
        return self._xet.get(digest)

    def path(self, digest: str, size: int) -> Path:
        """The content as a file; what lies in Xet is put together of its chunks."""
        if digest not in self._files:
            import hf_xet

            path = self.folder / digest
            session = hf_xet.XetSession()
            with session.new_file_download_group(
                endpoint=self.cas_url, token="t", token_expiry_unix_secs=int(time.time()) + 3600
            ) as group:
                group.start_download_file(
                    hf_xet.XetFileInfo(self.xet_hash(digest), size), str(path)
                )
            self._files[digest] = path
        return self._files[digest]


def _files_of(shard: bytes) -> Iterator[tuple[str, str]]:
    """SHA-256 and Xet hash of each file in a shard file of hf_xet."""
    at = _HEADER
    while shard[at : at + 32] != _LAST:
        name = _hex(shard[at : at + 32])
        flags, entries = struct.unpack_from("<II", shard, at + 32)
        at += _ENTRY * (1 + entries * (2 if flags & _WITH_VERIFICATION else 1))
        if flags & _WITH_SHA256:
            yield _hex(shard[at : at + 32]), name
            at += _ENTRY


def _hex(words: bytes) -> str:
    return "".join(f"{word:016x}" for word in struct.unpack("<4Q", words))
