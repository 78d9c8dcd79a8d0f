"""A push to the repository that most tests push to, and what lies there afterwards."""

from mico_150k.dataset.folder import DatasetFolder
from mico_150k.hub.push import Push, PushOptions, PushResult
from mico_150k.hub.repository import Repository
from mico_150k.hub.retry import RetryPolicy

from .repository import Entry
from .server import Hub

NAME = "user/mico-150k"
QUICK = RetryPolicy(tries=5, first=0.01, longest=0.02)
TWO = ("bagel",)
"""`bagel` and, as always, `index`: what most tests push."""


def prepare(folder: DatasetFolder, name: str = NAME, **options: object) -> Push:
    return Push.prepare(folder, Repository(name, QUICK), PushOptions(**options))  # type: ignore[arg-type]


def push(folder: DatasetFolder, **options: object) -> PushResult:
    return prepare(folder, **options).run()


def remote(hub: Hub, revision: str = "main") -> dict[str, str]:
    """SHA-256 of the shards there, by path."""
    tree = hub.repositories[NAME].tree(revision)
    return {path: entry.sha256 for path, entry in tree.items() if path.endswith(".parquet")}


def small_file(hub: Hub, name: str, revision: str = "main") -> str:
    return hub.content(hub.repositories[NAME].tree(revision)[name]).decode()


def write_there(hub: Hub, name: str, text: str, revision: str = "main") -> None:
    """Write a small file on the Hub, as a person does on its site."""
    entry = Entry(len(text.encode()), content=text.encode())
    hub.repositories[NAME].commit(revision, {name: entry}, "by hand")


def edit_there(hub: Hub, name: str, *changes: tuple[str, str], revision: str = "main") -> None:
    """Change a small file on the Hub."""
    text = small_file(hub, name, revision)
    for before, after in changes:
        assert before in text
        text = text.replace(before, after, 1)
    write_there(hub, name, text, revision)
