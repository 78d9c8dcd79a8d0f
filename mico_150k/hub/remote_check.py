"""Compares a repository with a manifest, and reads a row of each configuration as users will."""

import json
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from mico_150k import names
from mico_150k.card_header import COLUMNS
from mico_150k.card_text import CardText
from mico_150k.check import Finding, check_header
from mico_150k.first_row import read_first_row
from mico_150k.hub.publication import Shard
from mico_150k.hub.repository import RemoteFile, Repository, Snapshot


def check_remote(
    repository: Repository, revision: str, manifest: dict[str, Any]
) -> Iterator[Finding]:
    """Everything that differs from a dataset folder's manifest, and what holds.

    Where the repository holds some of the configurations of the same build, these are compared.
    Raises `HubError` where it cannot be asked.
    """
    snapshot = repository.snapshot(revision)
    there = read_manifest(repository, snapshot)
    if there is None:
        yield Finding(True, names.MANIFEST, "is not on the Hub: no push was finished")
        there = manifest
    if there.get("build") != manifest["build"]:
        yield Finding(True, names.MANIFEST, "on the Hub is another build's")
    configs = {
        config: manifest["configs"].get(config, there["configs"].get(config))
        for config in COLUMNS
        if config in there["configs"]
    }
    left = [config for config in manifest["configs"] if config not in configs]
    if left:
        yield Finding(False, ", ".join(left), "not on the Hub, and not in its card")
    yield from _compare(configs, snapshot.files)
    yield from _check_scripts(repository.name, snapshot.files)
    yield from _check_card(repository, snapshot, {**manifest, "configs": configs})
    for config in configs:
        yield _read_row(repository, config, snapshot.commit)


def read_manifest(repository: Repository, snapshot: Snapshot) -> dict[str, Any] | None:
    """The manifest of ours that lies in a repository, if any."""
    if names.MANIFEST not in snapshot.files:
        return None
    try:
        found = json.loads(repository.read(names.MANIFEST, snapshot.commit))
    except ValueError:
        return None
    ours = isinstance(found, dict) and found.get("format") == names.MANIFEST_FORMAT
    return found if ours else None


def read_remote_card(repository: Repository, snapshot: Snapshot) -> CardText:
    """The card that lies in a repository; an empty one where there is none."""
    if names.CARD not in snapshot.files:
        return CardText("")
    return CardText(repository.read(names.CARD, snapshot.commit).decode(errors="replace"))


def _compare(
    configs: Mapping[str, dict[str, Any]], there: Mapping[str, RemoteFile]
) -> Iterator[Finding]:
    faults = 0
    known = set()
    for config, files in configs.items():
        for name, record in files.items():
            path = f"{config}/{name}"
            known.add(path)
            what = _difference(Shard(record["bytes"], record["sha256"]), there.get(path))
            if what:
                faults += 1
                yield Finding(True, path, what)
    for path in there:
        folder = path.partition("/")[0]
        if path.endswith(".parquet") and folder in COLUMNS and path not in known:
            faults += 1
            yield Finding(True, path, "is on the Hub and not in the manifest")
    if not faults:
        yield Finding(False, "files", f"{len(known)} with the size and SHA-256 of the manifest")


def _difference(shard: Shard, remote: RemoteFile | None) -> str:
    if remote is None:
        return "is missing on the Hub"
    if remote.size != shard.bytes:
        return f"has {remote.size} bytes on the Hub, and {shard.bytes} in the manifest"
    return "" if shard.is_at(remote) else "has another SHA-256 on the Hub than in the manifest"


def _check_scripts(name: str, there: Mapping[str, RemoteFile]) -> Iterator[Finding]:
    script = f"{name.rpartition('/')[2]}.py"
    if script in there:
        yield Finding(
            True, script, "a script named like the repository stops load_dataset from datasets 4 on"
        )


def _check_card(
    repository: Repository, snapshot: Snapshot, manifest: dict[str, Any]
) -> Iterator[Finding]:
    if names.CARD not in snapshot.files:
        yield Finding(True, names.CARD, "is missing on the Hub")
        return
    yield from check_header(read_remote_card(repository, snapshot).header, manifest)


def _read_row(repository: Repository, config: str, commit: str) -> Finding:
    """Whether `load_dataset` gives a row, with its pictures decoded."""
    try:
        row = repository.patience.ask(
            repository.name,
            f"reading a row of {config}",
            partial(read_first_row, repository.name, config, revision=commit),
        )
    except Exception as error:  # noqa: BLE001 - whatever stops a reader is what is looked for
        told = f"{type(error).__name__}: {error}".splitlines()[0]
        return Finding(True, config, f"load_dataset fails: {told}")
    if row is None:
        return Finding(True, config, "load_dataset gives no row")
    pictures = sum(
        hasattr(value, "getpixel")
        for cell in row.values()
        for value in (cell if isinstance(cell, list) else [cell])
    )
    return Finding(False, config, f"load_dataset gives a row, {pictures} pictures decoded")
