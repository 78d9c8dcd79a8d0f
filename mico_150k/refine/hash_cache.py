"""Looks of pictures, kept between runs: decoding a terabyte takes hours."""

import os
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path

from mico_150k.core.errors import UsageError
from mico_150k.refine.perceptual_hash import ImageFingerprint

_TABLE = "create table if not exists looks (digest text primary key, look blob not null)"
"""Whatever else makes a look gives the table another name, so that no old one is taken for it."""


class LookCache:
    """Looks by digest, in `~/.cache/mico-150k/looks.sqlite`, or below `XDG_CACHE_HOME`."""

    def __init__(self, path: Path | None = None) -> None:
        """`path` is the file, made where it is not. Raises `UsageError` where it cannot be."""
        home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        self._path = path or home / "mico-150k" / "looks.sqlite"
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with closing(self._connect()) as connection, connection:
                connection.execute(_TABLE)
        except (OSError, sqlite3.Error) as error:
            msg = (
                f"{self._path}: hashes cannot be kept there: {error}\n"
                "XDG_CACHE_HOME=FOLDER keeps them elsewhere; remove the file if it is damaged."
            )
            raise UsageError(msg) from error

    def read(self, digests: Iterable[str]) -> dict[str, ImageFingerprint]:
        """Those of these digests that are known."""
        with closing(self._connect()) as connection:
            connection.execute("create temp table asked (digest text primary key)")
            connection.executemany(
                "insert or ignore into asked values (?)", ((digest,) for digest in digests)
            )
            return dict(connection.execute("select digest, look from looks natural join asked"))

    def add(self, looks: Mapping[str, ImageFingerprint]) -> None:
        """Keep these."""
        with closing(self._connect()) as connection, connection:
            connection.executemany("insert or ignore into looks values (?, ?)", looks.items())

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, timeout=60)
