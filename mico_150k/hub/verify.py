"""Compares a repository with a dataset folder, and reads rows as users do."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import Any

from mico_150k.card.file import read_card
from mico_150k.core.errors import RowUnreadable
from mico_150k.core.plural import counted
from mico_150k.dataset import layout
from mico_150k.dataset.folder import DatasetFolder, require_format
from mico_150k.hub.content import Content
from mico_150k.hub.preflight import script_of, shown
from mico_150k.hub.repository import RemoteFile, Repository, Snapshot
from mico_150k.hub.target import Publication, Shard, are_same_rows, foreign_files
from mico_150k.inspection.check import Finding, check_header
from mico_150k.loaders.first_row import FirstRows

_OF_THE_HUB = ".gitattributes"


def check_remote(repository: Repository, revision: str, folder: DatasetFolder) -> Iterator[Finding]:
    """Compare a repository with the state that a push of the folder would create.

    If the repository holds only some configurations of the same build, only these are compared.

    Args:
        repository: The repository.
        revision: The revision to compare.
        folder: The dataset folder.

    Yields:
        Differences as faults, and what matches as notes.

    Raises:
        HubError: The Hub cannot be asked.
        OtherFormat: The manifest on the Hub has another format.
    """
    snapshot = repository.snapshot(revision)
    content = Content.read(repository, snapshot)
    manifest = folder.manifest
    if content.manifest:
        require_format(content.manifest, f"{repository.name} on the Hub")
    pushed = manifest["configs"] if content.manifest is None else content.manifest["configs"]
    if content.manifest and not are_same_rows(manifest, content.manifest):
        content = replace(content, manifest=None)
    left = [config for config in manifest["configs"] if config not in pushed]
    if left:
        yield Finding(False, ", ".join(left), "not on the Hub, and not in its card")
    compared = [config for config in manifest["configs"] if config in pushed]
    publication = Publication.of_folder(
        folder, repository.name, compared, read_card(folder), content
    )
    yield from check_publication(repository, snapshot, publication)


def check_publication(
    repository: Repository, snapshot: Snapshot, publication: Publication
) -> Iterator[Finding]:
    """Compare a snapshot of the repository with the state that a push aims at.

    Args:
        repository: The repository.
        snapshot: The content to compare.
        publication: The state that the push aims at.

    Yields:
        Differences as faults, and what matches as notes.

    Raises:
        HubError: The Hub cannot be asked.
    """
    there = Content.read(repository, snapshot)
    yield from _check_shards(publication, there.files)
    yield from _check_small(publication, there)
    yield from _check_others(repository, publication, there.files)
    yield from _check_card(publication, there)
    with closing(FirstRows(repository.name, snapshot.commit)) as rows:
        for config in publication.manifest["configs"]:
            yield _read_row(repository, rows, config)


def _check_shards(publication: Publication, there: Mapping[str, RemoteFile]) -> Iterator[Finding]:
    differing = publication.missing_shards(there)
    for path in differing:
        yield Finding(True, path, _difference(publication.shards[path], there.get(path)))
    if not differing:
        count = len(publication.shards)
        yield Finding(False, "files", f"{count} with the size and SHA-256 of the manifest")


def _difference(shard: Shard, remote: RemoteFile | None) -> str:
    if remote is None:
        return "is missing on the Hub"
    if remote.size != shard.bytes:
        return f"has {counted(remote.size, 'byte')} on the Hub, and {shard.bytes:,} in the manifest"
    return "has a SHA-256 on the Hub that differs from the manifest"


def _check_small(publication: Publication, there: Content) -> Iterator[Finding]:
    """Compare manifest, report, quarantine and images by content."""
    small = [path for path in publication.small if path != layout.CARD]
    changed = [path for path in publication.changed_small(there.files) if path in small]
    for path in changed:
        if path not in there.files:
            unfinished = ": no push has finished" if path == layout.MANIFEST else ""
            yield Finding(True, path, f"is missing on the Hub{unfinished}")
        elif path == layout.MANIFEST:
            yield Finding(True, path, _manifest_fault(publication.manifest, there.manifest))
        else:
            yield Finding(True, path, "differs on the Hub from the local file")
    if not changed:
        yield Finding(False, ", ".join(small), "with the same content as the local files")


def _manifest_fault(here: Mapping[str, Any], there: Mapping[str, Any] | None) -> str:
    if there is None:
        return "on the Hub is not a manifest of mico-150k"
    keys = [key for key in {**here, **there} if there.get(key) != here.get(key)]
    return f"on the Hub differs in {', '.join(keys) or 'formatting'}"


def _check_others(
    repository: Repository, publication: Publication, there: Mapping[str, RemoteFile]
) -> Iterator[Finding]:
    """Report other files; those that readers might take for the dataset are faults."""
    stale = [*publication.stale(there), *foreign_files(there)]
    for path in stale:
        yield Finding(True, path, "is on the Hub, but not part of this dataset")
    script = script_of(repository)
    if script in there:
        yield Finding(
            True,
            script,
            "a script named like the repository makes load_dataset fail from datasets 4 on",
        )
    known = {*publication.shards, *publication.small, *stale, script, _OF_THE_HUB}
    others = [path for path in there if path not in known]
    if others:
        yield Finding(False, shown(others), "added by hand, not part of this dataset")


def _check_card(publication: Publication, there: Content) -> Iterator[Finding]:
    if layout.CARD not in there.files:
        yield Finding(True, layout.CARD, "is missing on the Hub")
        return
    yield from check_header(there.card.header, publication.manifest)
    if there.card.says(publication.card):
        yield Finding(False, layout.CARD, "with the expected text")
    elif there.card.is_untouched:
        yield Finding(False, layout.CARD, "is not what a push would write now")
    else:
        yield Finding(True, layout.CARD, "was changed on the Hub outside of its kept sections")


def _read_row(repository: Repository, rows: FirstRows, config: str) -> Finding:
    """Check that `load_dataset` returns a row with decoded images."""
    try:
        row = repository.retry.call(
            repository.name,
            f"reading a row of {config}",
            partial(rows.read, config, layout.main_split(config)),
        )
    except RowUnreadable as error:
        return Finding(True, config, f"load_dataset fails: {error}")
    except Exception as error:  # noqa: BLE001 - any error would stop a reader
        told = f"{type(error).__name__}: {error}".splitlines()[0]
        return Finding(True, config, f"load_dataset fails: {told}")
    if row is None:
        return Finding(True, config, "load_dataset returns no row")
    return Finding(
        False, config, f"load_dataset returns a row with {counted(row.pictures, 'decoded image')}"
    )
