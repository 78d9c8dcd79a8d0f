"""The kinds of place that a result goes to; the kind decides how it is written."""

from dataclasses import dataclass
from pathlib import Path

from mico_150k.core.errors import UsageError
from mico_150k.core.excerpt import excerpt
from mico_150k.io.hub import BUCKETS
from mico_150k.io.storage import is_url

HUB = "hf://"
_DATASETS = f"{HUB}datasets/"
_PARTS = 2


@dataclass(frozen=True, slots=True)
class LocalFolder:
    """A folder of this machine."""

    path: Path

    def __str__(self) -> str:
        """As a person writes it."""
        return str(self.path)


@dataclass(frozen=True, slots=True)
class RemoteUrl:
    """A folder by a URL that fsspec writes to, such as `s3://bucket/name`."""

    location: str

    def __str__(self) -> str:
        """As a person writes it."""
        return self.location


@dataclass(frozen=True, slots=True)
class HubDataset:
    """A dataset repository on the Hub, by its name, `USER/NAME`."""

    name: str

    def __str__(self) -> str:
        """As a person writes it."""
        return f"{_DATASETS}{self.name}"


@dataclass(frozen=True, slots=True)
class HubBucket:
    """A folder in a bucket on the Hub, or all of it: `USER/BUCKET`, and the path in it."""

    name: str
    folder: str = ""

    def __str__(self) -> str:
        """As a person writes it."""
        return f"{BUCKETS}{self.name}/{self.folder}".removesuffix("/")


Place = LocalFolder | RemoteUrl | HubDataset | HubBucket


def parse_place(text: str) -> Place:
    """The place that a person names. `USER/NAME` is a folder, and `~/` the home folder.

    Raises:
        UsageError: It is empty, or begins with `hf://` and names neither a dataset repository nor a
            bucket.
    """
    if not text:
        msg = "'' is not a folder."
        raise UsageError(msg)
    if text.startswith(BUCKETS):
        return _bucket(text)
    if text.startswith(HUB):
        return HubDataset(repository_name(text))
    if is_url(text):
        return RemoteUrl(text)
    # A shell leaves the ~ of --out=~/x as it is.
    return LocalFolder(Path(text).expanduser() if text.startswith("~/") else Path(text))


def repository_name(text: str) -> str:
    """The `USER/NAME` of a dataset repository that is named so, or as `hf://datasets/USER/NAME`.

    A name without `hf://` is given back as it is.

    Raises:
        UsageError: It begins with `hf://` and names no dataset repository.
    """
    if not text.startswith(HUB):
        return text
    where = excerpt(text)
    name = text.removeprefix(_DATASETS).removesuffix("/")
    parts = name.split("/")
    if text.startswith(BUCKETS):
        why = "it is a bucket, not a dataset repository"
    elif "@" in name:
        why = "a revision cannot be part of it"
    elif not text.startswith(_DATASETS):
        why = "it is not a dataset repository"
    elif len(parts) > _PARTS and all(parts):
        why = "it is a path in a repository, and a dataset needs a repository of its own"
    elif len(parts) != _PARTS or not all(parts):
        why = "a dataset repository needs an owner and a name"
    else:
        return name
    msg = f"{where}: {why}. Write `hf://datasets/USER/NAME`."
    raise UsageError(msg)


def _bucket(text: str) -> HubBucket:
    parts = text.removeprefix(BUCKETS).removesuffix("/").split("/")
    if len(parts) < _PARTS or not {"", ".", ".."}.isdisjoint(parts):
        why = "a bucket needs an owner and a name, and a path in it no empty or dotted part"
    elif "@" in "".join(parts[:_PARTS]):
        why = "a bucket has no revisions"
    else:
        return HubBucket("/".join(parts[:_PARTS]), "/".join(parts[_PARTS:]))
    msg = f"{excerpt(text)}: {why}. Write `{BUCKETS}USER/BUCKET/FOLDER`."
    raise UsageError(msg)
