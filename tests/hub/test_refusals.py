"""What a person must put right is said in plain words, before anything is sent."""

import shlex
import shutil
from pathlib import Path

import pytest

from mico_150k.card.text import CardText
from mico_150k.core.errors import (
    NoAccess,
    NoRepository,
    PushRefused,
    UsageError,
)
from mico_150k.dataset import layout
from mico_150k.dataset.folder import DatasetFolder
from mico_150k.hub.placeholder import is_placeholder
from mico_150k.hub.push import PushStrategy
from mico_150k.hub.push_forecast import storage_warnings
from mico_150k.hub.remote_state import RemoteState
from mico_150k.hub.repository import Repository

from . import Account, Hub
from .folders import local
from .pushing import NAME, QUICK, TWO, prepare, push, remote, small_file, write_there
from .repository import Repository as HubRepository

pytest.importorskip("huggingface_hub", minversion="2.0", reason="push needs it")

pytestmark = pytest.mark.usefixtures("hub")


def test_no_token_is_a_plain_message(
    small: DatasetFolder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "token"))
    with pytest.raises(NoAccess, match="hf auth login"):
        prepare(small)


def test_a_token_that_is_none_is_a_plain_message(
    small: DatasetFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_nonsense")
    with pytest.raises(NoAccess, match=r"status 401.*hf auth login"):
        prepare(small)


def test_a_token_that_may_only_read_is_refused_first(
    hub: Hub, small: DatasetFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_read")
    with pytest.raises(NoAccess, match="may only read"):
        prepare(small)
    assert len(hub.asked("/api/")) <= 2


def test_an_owner_whom_the_token_is_not_of_is_refused_first(hub: Hub, small: DatasetFolder) -> None:
    with pytest.raises(NoAccess, match="not a member of 'stranger': it can push to user"):
        prepare(small, name="stranger/mico-150k")
    hub.accounts["hf_write"] = Account(organisations=("stranger",))
    assert prepare(small, name="stranger/mico-150k").creates


def test_a_token_without_rights_to_this_repository_is_a_plain_message(
    hub: Hub, small: DatasetFolder
) -> None:
    push(small, configs=TWO)
    hub.fail("auth-check/write", status=403, message="no such right")
    with pytest.raises(NoAccess, match=r"status 403 \(no such right\).*write access"):
        prepare(small)


def test_a_token_that_expires_on_the_way_is_a_plain_message_and_the_next_one_goes_on(
    hub: Hub, small: DatasetFolder
) -> None:
    planned = prepare(small, configs=TWO)
    hub.accounts["hf_write"].requests_left = 6
    with pytest.raises(NoAccess, match="expired"):
        planned.run()
    hub.accounts["hf_write"] = Account()
    push(small, configs=TWO)
    assert remote(hub) == local(small, *TWO, "index")


def test_a_repository_that_is_gone_meanwhile_is_a_plain_message(
    hub: Hub, small: DatasetFolder
) -> None:
    push(small, configs=TWO)
    planned = prepare(small)
    del hub.repositories[NAME]
    with pytest.raises(NoRepository, match="does not exist on the Hub"):
        planned.run()


@pytest.mark.parametrize("name", ["mico-150k", "user/mico 150k", "a/b/c", ""])
def test_a_name_that_is_none_is_wrong_usage(name: str) -> None:
    with pytest.raises(UsageError):
        Repository(name)


def test_an_old_client_is_told_what_to_install(
    small: DatasetFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.__version__", "1.33.0")
    with pytest.raises(UsageError, match="needs huggingface_hub 2.0 or later, and 1.33.0"):
        prepare(small)


def test_a_folder_that_is_not_what_its_manifest_says_is_refused(
    small: DatasetFolder, tmp_path: Path
) -> None:
    copy = DatasetFolder(Path(shutil.copytree(small.path, tmp_path / "mico-150k")))
    shard = copy.path / "bagel" / layout.shard_name(0)
    shard.write_bytes(shard.read_bytes()[:-1])
    with pytest.raises(PushRefused, match=r"(?s)cannot be pushed.*bagel/train-00000.* bytes"):
        prepare(copy)


def test_a_shard_that_is_neither_here_nor_there_is_said_to_be_so(
    hub: Hub, small: DatasetFolder, tmp_path: Path
) -> None:
    copy = DatasetFolder(Path(shutil.copytree(small.path, tmp_path / "mico-150k")))
    push(small)
    for name in (layout.shard_name(0), layout.shard_name(1)):
        (copy.path / "bagel" / name).unlink()
    gone = "bagel/train-00001.parquet"
    hub.repositories[NAME].commit("main", {}, "lost", delete=(gone,))
    with pytest.raises(PushRefused, match=f"{gone}: neither in .*/mico-150k nor on the Hub. Build"):
        prepare(copy)


def test_what_the_hub_holds_need_not_be_here(
    hub: Hub, small: DatasetFolder, tmp_path: Path
) -> None:
    copy = DatasetFolder(Path(shutil.copytree(small.path, tmp_path / "mico-150k")))
    push(small)
    for shard in copy.files("default")[::2]:
        shard.unlink()
    assert prepare(copy).way is PushStrategy.NOTHING
    write_there(hub, layout.REPORT, "{}")
    push(copy)
    assert small_file(hub, layout.REPORT) == (small.path / layout.REPORT).read_text()


def test_a_script_in_the_folder_is_refused(small: DatasetFolder, tmp_path: Path) -> None:
    copy = DatasetFolder(Path(shutil.copytree(small.path, tmp_path / "mico-150k")))
    (copy.path / "mico-150k.py").write_text("")
    with pytest.raises(PushRefused, match="stops load_dataset"):
        prepare(copy)


def test_a_damaged_shard_is_found_before_readers_can_see_it(
    hub: Hub, small: DatasetFolder, tmp_path: Path
) -> None:
    copy = DatasetFolder(Path(shutil.copytree(small.path, tmp_path / "mico-150k")))
    path = copy.path / "bagel" / layout.shard_name(0)
    data = bytearray(path.read_bytes())
    data[3000] ^= 1
    path.write_bytes(data)
    with pytest.raises(PushRefused, match="bagel/train-00000.parquet differs from the manifest"):
        push(copy)
    assert is_placeholder(CardText(small_file(hub, layout.CARD)))
    push(small)
    assert remote(hub) == local(small)


@pytest.mark.parametrize("path", ["mico-150k.py", "bagel/notes.txt", "index/old.parquet"])
def test_files_on_the_hub_that_would_spoil_it_are_refused_before_anything_is_sent(
    hub: Hub, small: DatasetFolder, path: str
) -> None:
    push(small, configs=TWO)
    hub.requests.clear()
    write_there(hub, path, "\n")
    with pytest.raises(PushRefused, match=f"holds {path}: .*(?s:.*)hf repos delete-files") as told:
        prepare(small)
    assert not hub.asked("preupload|/commit/")
    words = shlex.split(str(told.value).splitlines()[-1])
    assert words[:4] == ["hf", "repos", "delete-files", NAME]
    assert words[-1] == path
    hub.repositories[NAME].commit("main", {}, "removed", delete=(path,))
    push(small)


@pytest.mark.parametrize("endpoint", ["huggingface.co", "htp://x", "http://", "http://[bad"])
def test_an_endpoint_that_is_no_address_is_told_at_once(
    monkeypatch: pytest.MonkeyPatch, endpoint: str
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", endpoint)
    with pytest.raises(UsageError, match="HF_ENDPOINT is .* not an address"):
        Repository(NAME)


def test_private_is_refused_where_the_repository_is_public(hub: Hub, small: DatasetFolder) -> None:
    push(small, configs=TWO)
    hub.requests.clear()
    with pytest.raises(PushRefused, match="is public, and --private asks for a private one"):
        prepare(small, private=True)
    assert not hub.asked("preupload|/commit/")
    hub.repositories[NAME].private = True
    assert prepare(small, configs=TWO, private=True).way is PushStrategy.NOTHING


def test_a_public_repository_that_comes_up_meanwhile_gets_nothing_of_a_private_push(
    hub: Hub, small: DatasetFolder
) -> None:
    planned = prepare(small, private=True)
    hub.repositories[NAME] = HubRepository(NAME)
    with pytest.raises(PushRefused, match="is public"):
        planned.run()
    assert not hub.repositories[NAME].history()


@pytest.mark.parametrize(
    ("account", "private", "total", "said"),
    [
        (Account(), False, 10**12, ""),
        (Account(), None, 2 * 10**11, ""),
        (Account(), False, 2 * 10**12, "2 TB of public storage is more than the 1 TB that a free"),
        (Account(pro=True), False, 2 * 10**12, ""),
        (Account(), True, 2 * 10**11, "200 GB of private storage is more than the 100 GB"),
        (Account(pro=True), True, 2 * 10**12, "more than the 1 TB that a PRO"),
        (Account("me", organisations=("user",)), True, 2 * 10**11, "100 GB that a free organ"),
        (Account("me", organisations=("user",)), False, 2 * 10**12, "1 TB that a free organ"),
        (Account("me", pro=True, organisations=("user",)), True, 2 * 10**11, ""),
        (Account("me", pro=True, organisations=("user",)), True, 2 * 10**12, "with one seat"),
    ],
)
def test_storage_that_the_account_may_not_have_is_said(
    hub: Hub, account: Account, private: bool | None, total: int, said: str
) -> None:
    hub.accounts["hf_write"] = account
    if private is not None:
        # It is what it is; what is asked for is for one that is to be made.
        hub.repositories[NAME] = HubRepository(NAME, private=private)
    repository = Repository(NAME, QUICK)
    state = RemoteState.look(repository, "main", private=False)
    found = list(storage_warnings(repository, state, total, private=False))
    assert bool(found) == bool(said)
    assert not said or said in found[0]
    if private is None:
        assert list(storage_warnings(repository, state, total, private=True))


def test_a_repository_is_private_where_that_is_asked(hub: Hub, small: DatasetFolder) -> None:
    push(small, configs=TWO, private=True)
    assert hub.repositories[NAME].private
    assert prepare(small, configs=TWO).way is PushStrategy.NOTHING
