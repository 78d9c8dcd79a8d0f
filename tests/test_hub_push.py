"""A push: whatever happens on the way, it ends in the folder's own state, and readers see that."""

import json
import shutil
import signal
from pathlib import Path

import pytest
from datasets import load_dataset

from mico_150k import names
from mico_150k.card_file import write_card
from mico_150k.card_text import CardText
from mico_150k.dataset_folder import DatasetFolder, read_rows
from mico_150k.errors import (
    HubError,
    NoAccess,
    NoLicence,
    NoRepository,
    NotSent,
    PushRefused,
    UnknownConfig,
    UsageError,
)
from mico_150k.files import sha256
from mico_150k.hub.patience import Patience
from mico_150k.hub.push import TITLE, Push, PushOptions, PushResult, Way
from mico_150k.hub.repository import Repository
from mico_150k.refine.options import RefineOptions
from mico_150k.refine.refinement import Refinement

from .factories import Case
from .hub import Account, Hub
from .hub.folders import LICENCE, build, local
from .hub.repository import Entry

pytest.importorskip("huggingface_hub", minversion="2.0", reason="push needs it")

pytestmark = pytest.mark.usefixtures("hub")

NAME = "user/mico-150k"
QUICK = Patience(tries=5, first=0.01, longest=0.02)
TWO = ("bagel",)
"""`bagel` and, as always, `index`: what most tests push."""
# The client's own way of large files, which its HTTP library finds fault with.
WITHOUT_XET = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")


@pytest.fixture(scope="session")
def all_of_it(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> DatasetFolder:
    copy = tmp_path_factory.mktemp("licensed") / "mico-150k"
    made = DatasetFolder(Path(shutil.copytree(dataset, copy)))
    write_card(made, LICENCE)
    return made


@pytest.fixture(scope="session")
def small(samples: list[Case], tmp_path_factory: pytest.TempPathFactory) -> DatasetFolder:
    """`default` and `bagel` in several shards."""
    return build(samples, tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="session")
def smaller(samples: list[Case], tmp_path_factory: pytest.TempPathFactory) -> DatasetFolder:
    """Another build, of fewer rows and shards."""
    return build(samples[:9], tmp_path_factory.mktemp("smaller"))


def prepare(folder: DatasetFolder, name: str = NAME, **options: object) -> Push:
    return Push.prepare(folder, Repository(name, QUICK), PushOptions(**options))  # type: ignore[arg-type]


def push(folder: DatasetFolder, **options: object) -> PushResult:
    return prepare(folder, **options).run()


def remote(hub: Hub, revision: str = "main") -> dict[str, str]:
    """The same of the Hub."""
    tree = hub.repositories[NAME].tree(revision)
    return {path: entry.sha256 for path, entry in tree.items() if path.endswith(".parquet")}


def small_file(hub: Hub, name: str, revision: str = "main") -> str:
    return hub.content(hub.repositories[NAME].tree(revision)[name]).decode()


def test_a_first_push_ends_with_the_card(hub: Hub, small: DatasetFolder) -> None:
    planned = prepare(small)
    assert (planned.way, planned.creates) == (Way.FIRST, True)
    result = planned.run()
    assert not [finding for finding in result.findings if finding.fault]
    assert remote(hub) == local(small)
    repository = hub.repositories[NAME]
    *first, last = repository.refs["main"][2:]
    assert not any(names.CARD in commit.tree for commit in first)
    assert {names.CARD, names.MANIFEST, names.REPORT} <= set(last.tree)
    assert set(local(small)) <= set(first[-1].tree)
    assert small_file(hub, names.MANIFEST) == (small.path / names.MANIFEST).read_text()
    assert hub.asked("xet-write-token")
    assert not hub.asked("info/lfs")


def test_every_file_on_the_hub_has_the_bytes_that_lie_here(hub: Hub, small: DatasetFolder) -> None:
    push(small, configs=TWO)
    for path in local(small, *TWO, "index"):
        entry = hub.repositories[NAME].tree()[path]
        assert sha256(hub.storage.path(entry.sha256, entry.size)) == sha256(small.path / path)


def test_every_configuration_loads_from_the_hub_streaming_and_not(
    all_of_it: DatasetFolder, tmp_path: Path
) -> None:
    push(all_of_it)
    for config in all_of_it.configs:
        expected = [row for path in all_of_it.files(config) for row in read_rows(path)]
        streamed = load_dataset(NAME, config, split="train", streaming=True)
        loaded = load_dataset(NAME, config, split="train", cache_dir=str(tmp_path))
        assert len(loaded) == len(expected) == sum(1 for _ in streamed)
        text = "prompt" if config == "dimoo" else "instruction"
        assert [row[text] for row in loaded] == [row[text] for row in expected]
        assert set(next(iter(streamed))) == set(loaded[0]) == set(expected[0])


def test_where_nothing_has_changed_nothing_is_sent(hub: Hub, small: DatasetFolder) -> None:
    push(small)
    history = hub.repositories[NAME].history()
    hub.requests.clear()
    planned = prepare(small)
    assert planned.way is Way.NOTHING
    result = planned.run()
    assert (result.files, result.bytes, result.removed) == (0, 0, 0)
    assert hub.repositories[NAME].history() == history
    assert not hub.asked("^POST|^PUT|xet-write-token|content/")
    assert len(hub.requests) < 15


@WITHOUT_XET
def test_without_xet_the_same_state_comes_of_it(
    hub: Hub, small: DatasetFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    push(small, configs=TWO)
    assert remote(hub) == local(small, *TWO, "index")
    assert hub.asked("info/lfs/objects/batch")
    assert not hub.asked("xet-write-token")
    assert hub.storage.cas_bytes == 0


def test_a_dry_run_sends_nothing(hub: Hub, small: DatasetFolder) -> None:
    forecast = prepare(small).forecast
    assert forecast.files == len(local(small))
    assert forecast.bytes == forecast.total > forecast.new > 0
    assert not hub.repositories
    assert not hub.asked("preupload|commit|repos/create|token/")


def test_a_long_listing_is_read_to_its_end(hub: Hub, small: DatasetFolder) -> None:
    hub.page = 3
    push(small)
    assert prepare(small).way is Way.NOTHING
    assert hub.asked("cursor=")


# What comes later


def test_a_later_push_goes_to_a_pull_request_which_is_merged(
    hub: Hub, small: DatasetFolder, smaller: DatasetFolder
) -> None:
    push(small)
    repository = hub.repositories[NAME]
    before = len(repository.refs["main"])
    planned = prepare(smaller)
    assert planned.way is Way.PULL_REQUEST
    assert planned.forecast.stale > 0
    result = planned.run()
    assert len(repository.refs["main"]) == before + 1
    (pull,) = repository.pulls
    assert pull.status == "merged"
    assert remote(hub) == local(smaller)
    assert result.removed == len(set(local(small)) - set(local(smaller)))
    rows = load_dataset(NAME, "bagel", split="train", streaming=True)
    assert sum(1 for _ in rows) == smaller.manifest["rows"]


def test_readers_see_the_old_state_until_the_new_one_is_whole(
    hub: Hub, small: DatasetFolder, smaller: DatasetFolder
) -> None:
    push(small)
    seen = []

    def look() -> None:
        header = CardText(small_file(hub, names.CARD)).header
        assert header is not None
        said = {i["config_name"]: i["splits"][0]["num_examples"] for i in header["dataset_info"]}
        seen.append((remote(hub), said["bagel"]))

    # Each of them fails once, and is asked again after a look at what readers see.
    for pattern in ("POST .*commit", "POST .*discussions$", "POST .*status", "POST .*merge"):
        hub.fail(pattern, act=look)
        hub.fail(pattern, act=look, after=True)
    push(smaller)
    old, new = (local(small), 24), (local(smaller), 9)
    assert seen[:-1] == [old] * (len(seen) - 1)
    assert len(seen) == 8
    # The last answer to be lost was that of the merge itself.
    assert seen[-1] == new
    assert len(hub.repositories[NAME].pulls) == 1


def test_an_interrupted_push_goes_on_in_its_own_pull_request(
    hub: Hub, small: DatasetFolder, smaller: DatasetFolder
) -> None:
    push(small)
    fault = hub.fail("POST .*/merge", times=100)
    with pytest.raises(NotSent, match="same command goes on"):
        push(smaller)
    fault.times = 0
    commits = len(hub.repositories[NAME].refs["refs/pr/1"])
    assert remote(hub) == local(small)
    push(smaller)
    (pull,) = hub.repositories[NAME].pulls
    assert pull.status == "merged"
    assert len(hub.repositories[NAME].refs["refs/pr/1"]) == commits
    assert remote(hub) == local(smaller)


def test_a_pull_request_that_conflicts_is_closed_and_another_opened(
    hub: Hub, small: DatasetFolder
) -> None:
    push(small)
    repository = hub.repositories[NAME]
    old = repository.open_pull(TITLE, "user")
    repository.commit(old.ref, {names.CARD: Entry(3, content=b"one")}, "theirs")
    repository.commit("main", {names.CARD: Entry(3, content=b"two")}, "by hand")
    push(small)
    assert [pull.status for pull in repository.pulls] == ["closed", "merged"]
    assert CardText(small_file(hub, names.CARD)).is_untouched


def test_a_split_that_a_later_build_adds_is_pushed_and_its_absence_as_well(
    hub: Hub, small: DatasetFolder, tmp_path: Path
) -> None:
    options = RefineOptions(validation=3, max_loss=1)
    planned = Refinement.prepare(str(small.path), tmp_path / "split", options)
    planned.run()
    split = DatasetFolder(tmp_path / "split")
    push(small)
    push(split)
    assert remote(hub) == local(split)
    assert any("validation-" in path for path in remote(hub))
    rows = load_dataset(NAME, "bagel", split="validation", streaming=True)
    assert len(list(rows)) == 3
    push(small)
    assert remote(hub) == local(small)


def test_other_peoples_files_and_pull_requests_stay(
    hub: Hub, small: DatasetFolder, smaller: DatasetFolder
) -> None:
    push(small)
    repository = hub.repositories[NAME]
    theirs = {"notes.txt": Entry(2, content=b"hi"), "raw/x.parquet": Entry(2, content=b"hi")}
    repository.commit("main", theirs, "by hand")
    repository.open_pull("Fix a typo", "somebody")
    push(smaller)
    assert set(theirs) <= set(repository.tree())
    assert [pull.status for pull in repository.pulls] == ["draft", "merged"]


def test_on_a_branch_the_card_is_down_while_shards_change(
    hub: Hub, small: DatasetFolder, smaller: DatasetFolder
) -> None:
    push(small)
    planned = prepare(smaller, revision="next")
    assert planned.way is Way.REPLACE
    planned.run()
    assert remote(hub, "next") == local(smaller)
    assert remote(hub) == local(small)
    shards = [commit for commit in hub.repositories[NAME].refs["next"] if "shards" in commit.title]
    assert shards
    assert not any(names.CARD in commit.tree for commit in shards)
    assert names.CARD in hub.repositories[NAME].tree("next")
    assert prepare(smaller, revision="next").way is Way.NOTHING


def test_a_branch_of_what_is_there_already_is_made(hub: Hub, small: DatasetFolder) -> None:
    push(small)
    push(small, revision="v1")
    assert remote(hub, "v1") == local(small)


def test_a_tag_names_the_state(hub: Hub, small: DatasetFolder, smaller: DatasetFolder) -> None:
    result = push(small, tag="v1")
    repository = hub.repositories[NAME]
    assert repository.tags["v1"].oid == result.commit
    push(small, tag="v1")
    with pytest.raises(UsageError, match="tag 'v1' already"):
        prepare(smaller, tag="v1")
    push(smaller, tag="v2")
    assert repository.tags["v1"].tree != repository.tags["v2"].tree
    assert len(list(load_dataset(NAME, "bagel", split="train", revision="v1"))) == 24


# Configurations one by one


def test_a_configuration_can_be_pushed_after_another(hub: Hub, small: DatasetFolder) -> None:
    push(small, configs=TWO)
    assert remote(hub) == local(small, *TWO, "index")
    header = CardText(small_file(hub, names.CARD)).header
    assert header is not None
    assert [config["config_name"] for config in header["configs"]] == ["bagel", "index"]
    push(small, configs=("default",))
    assert remote(hub) == local(small)
    header = CardText(small_file(hub, names.CARD)).header
    assert header is not None
    assert [c["config_name"] for c in header["configs"]] == ["default", "bagel", "index"]
    assert set(json.loads(small_file(hub, names.MANIFEST))["configs"]) == {
        "default", "bagel", "index",
    }  # fmt: skip


def test_a_configuration_of_another_build_is_no_company(
    small: DatasetFolder, smaller: DatasetFolder
) -> None:
    push(small)
    with pytest.raises(PushRefused, match="also holds default of another build"):
        prepare(smaller, configs=TWO)


def test_a_configuration_that_is_not_there_is_an_error(small: DatasetFolder) -> None:
    with pytest.raises(UnknownConfig, match="'dimoo'; it has bagel, default, index"):
        prepare(small, configs=("dimoo",))


# The card


def test_the_card_on_the_hub_names_the_repository(hub: Hub, small: DatasetFolder) -> None:
    push(small)
    assert f'load_dataset("{NAME}", "default"' in small_file(hub, names.CARD)


def test_without_a_licence_nothing_is_pushed(hub: Hub, dataset: Path) -> None:
    with pytest.raises(NoLicence, match="states no licence"):
        prepare(DatasetFolder(dataset))
    assert not hub.repositories


def test_what_a_person_added_on_the_hub_stays(
    hub: Hub, small: DatasetFolder, smaller: DatasetFolder
) -> None:
    push(small)
    text = small_file(hub, names.CARD).replace(
        "<!-- by hand: about -->\n", "<!-- by hand: about -->\nOurs, with love.\n"
    )
    text = text.replace("---\n", "---\nviewer: true\n", 1).encode()
    hub.repositories[NAME].commit("main", {names.CARD: Entry(len(text), content=text)}, "by hand")
    push(smaller)
    card = CardText(small_file(hub, names.CARD))
    assert card.sections == {"about": "Ours, with love.\n"}
    assert card.header is not None
    assert card.header["viewer"] is True


def test_a_card_that_the_hub_refuses_stops_before_anything_is_sent(
    hub: Hub, small: DatasetFolder, tmp_path: Path
) -> None:
    copy = DatasetFolder(Path(shutil.copytree(small.path, tmp_path / "mico-150k")))
    card = copy.path / names.CARD
    card.write_text(card.read_text().replace("license: cc-by-nc-4.0", "license: Mine Alone"))
    with pytest.raises(PushRefused, match="does not take the card's header"):
        prepare(copy)
    assert not hub.repositories


# Faults


FAULTS = [
    # Every fault that was seen to stop a client (upload_folder, create_repo, repo_info), or to
    # make it send twice.
    ("POST .*/commit/main", {"status": 429, "headers": {"Retry-After": "0"}}),
    ("POST .*/commit/main", {"status": 500}),
    ("POST .*/commit/main", {"status": 504, "after": True}),
    ("POST .*/commit/main", {"status": 0}),
    ("POST .*/commit/main", {"status": 0, "after": True}),
    ("POST .*/commit/main", {"status": 409}),
    ("POST .*/commit/main", {"status": 412}),
    ("POST .*/commit/main", {"status": 504, "after": True, "skip": 1}),
    ("POST .*/commit/main", {"status": 0, "after": True, "skip": 1}),
    ("POST .*/commit/main", {"status": 409, "skip": 1}),
    ("POST .*/commit/main", {"status": 429, "skip": 1}),
    ("POST .*/preupload/", {"status": 503}),
    ("POST .*/preupload/", {"status": 429, "headers": {"Retry-After": "0"}}),
    ("GET .*/xet-write-token/", {"status": 500}),
    ("GET .*/xet-write-token/", {"status": 429, "headers": {"Retry-After": "0"}}),
    ("POST .*repos/create", {"status": 500}),
    ("POST .*repos/create", {"status": 504, "after": True}),
    ("GET .*/revision/main", {"status": 503}),
    ("GET .*/revision/main", {"status": 0, "times": 2}),
    ("GET .*/tree/", {"status": 429, "headers": {"Retry-After": "0"}}),
    ("GET /api/whoami", {"status": 502}),
    ("GET /api/datasets/user/mico-150k$", {"status": 503}),
    ("POST .*/validate-yaml", {"status": 503}),
    ("POST .*/validate-yaml", {"status": 503, "skip": 1}),
    ("HEAD .*/resolve/.*README.md", {"status": 503}),
]
FAULTS_WITHOUT_XET = [
    ("POST .*/objects/batch", {"status": 503}),
    ("PUT /lfs/", {"status": 500}),
    ("PUT /lfs/", {"status": 0}),
    ("POST /lfs-verify/", {"status": 500}),
    ("POST .*/commit/main", {"status": 504, "after": True}),
    ("POST .*/commit/main", {"status": 429}),
    ("POST .*/commit/main", {"status": 0}),
    ("POST .*/commit/main", {"status": 409}),
]


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client's own waits are a second and more; the order of things is the same without."""
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda _: None)


@pytest.mark.usefixtures("no_waiting")
@pytest.mark.parametrize(("pattern", "how"), FAULTS, ids=str)
def test_a_fault_is_survived_and_nothing_is_committed_twice(
    hub: Hub, small: DatasetFolder, pattern: str, how: dict[str, object]
) -> None:
    fault = hub.fail(pattern, **how)  # type: ignore[arg-type]
    push(small, configs=TWO)
    assert fault.times == 0, "the fault was never met"
    assert remote(hub) == local(small, *TWO, "index")
    assert len(hub.repositories[NAME].history()) == 2


@pytest.mark.usefixtures("no_waiting")
@WITHOUT_XET
@pytest.mark.parametrize(("pattern", "how"), FAULTS_WITHOUT_XET, ids=str)
def test_a_fault_is_survived_without_xet_as_well(
    hub: Hub,
    small: DatasetFolder,
    pattern: str,
    how: dict[str, object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    fault = hub.fail(pattern, **how)  # type: ignore[arg-type]
    push(small, configs=TWO)
    assert fault.times == 0, "the fault was never met"
    assert remote(hub) == local(small, *TWO, "index")
    assert len(hub.repositories[NAME].history()) == 2


@pytest.mark.usefixtures("no_waiting")
def test_a_hub_that_stays_down_is_reported_and_what_is_there_is_kept(
    hub: Hub, small: DatasetFolder
) -> None:
    fault = hub.fail("POST .*/commit/main", status=503, times=1000, skip=1)
    with pytest.raises(NotSent, match=r"(?s)5 times in a row.*status 503.*goes on from there"):
        push(small, configs=TWO)
    fault.times = 0
    assert remote(hub) == local(small, *TWO, "index")
    push(small, configs=TWO)
    assert len(hub.repositories[NAME].history()) == 2


def test_another_commit_in_between_is_taken_in(hub: Hub, small: DatasetFolder) -> None:
    def commit() -> None:
        text = Entry(2, content=b"hi")
        hub.repositories[NAME].commit("main", {"notes.txt": text}, "by somebody")

    # Answered with nothing but a broken connection, so that the client asks again by itself,
    # with a parent that is no longer the last commit.
    hub.fail("POST .*/commit/main", status=412, act=commit)
    push(small, configs=TWO)
    assert remote(hub) == local(small, *TWO, "index")
    assert "notes.txt" in hub.repositories[NAME].tree()


def test_a_short_lived_xet_token_is_asked_for_again(hub: Hub, small: DatasetFolder) -> None:
    hub.xet_seconds = 0
    push(small)
    assert remote(hub) == local(small)


# What a person must put right


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
    with pytest.raises(NoAccess, match="no member of 'stranger': it can push to user"):
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
    with pytest.raises(NoRepository, match="no such dataset"):
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
    (copy.path / "bagel" / names.shard_name(0)).unlink()
    with pytest.raises(PushRefused, match=r"(?s)not fit to be pushed.*bagel/train-00000.*missing"):
        prepare(copy)
    # What the Hub holds need not be here.
    push(small)
    assert prepare(copy).way is Way.NOTHING


def test_a_script_in_the_folder_is_refused(small: DatasetFolder, tmp_path: Path) -> None:
    copy = DatasetFolder(Path(shutil.copytree(small.path, tmp_path / "mico-150k")))
    (copy.path / "mico-150k.py").write_text("")
    with pytest.raises(PushRefused, match="stops load_dataset"):
        prepare(copy)


def test_a_damaged_shard_is_found_before_readers_can_see_it(
    hub: Hub, small: DatasetFolder, tmp_path: Path
) -> None:
    copy = DatasetFolder(Path(shutil.copytree(small.path, tmp_path / "mico-150k")))
    path = copy.path / "bagel" / names.shard_name(0)
    data = bytearray(path.read_bytes())
    data[3000] ^= 1
    path.write_bytes(data)
    with pytest.raises(PushRefused, match="bagel/train-00000.parquet is not what the manifest"):
        push(copy)
    assert names.CARD not in hub.repositories[NAME].tree()
    push(small)
    assert remote(hub) == local(small)


def test_a_script_on_the_hub_that_stops_readers_is_reported(hub: Hub, small: DatasetFolder) -> None:
    push(small, configs=TWO)
    script = Entry(1, content=b"\n")
    hub.repositories[NAME].commit("main", {"mico-150k.py": script}, "an old loader")
    with pytest.raises(HubError, match=r"mico-150k.py: a script named like the repository"):
        push(small)
    assert signal.alarm(0) == 0, "`datasets` before 4 was let ask whether to run the script"


@pytest.mark.parametrize(
    ("account", "private", "total", "said"),
    [
        (Account(), False, 10**12, ""),
        (Account(), False, 2 * 10**12, "2 TB of public storage is more than the 1 TB that a free"),
        (Account(pro=True), False, 2 * 10**12, ""),
        (Account(), True, 2 * 10**11, "200 GB of private storage is more than the 100 GB"),
        (Account(pro=True), True, 2 * 10**12, "more than the 1 TB that a PRO"),
    ],
)
def test_storage_that_the_account_may_not_have_is_said(
    hub: Hub, account: Account, private: bool, total: int, said: str
) -> None:
    from mico_150k.hub.preflight import storage_warnings

    hub.accounts["hf_write"] = account
    repository = Repository(NAME, QUICK)
    found = list(storage_warnings(repository.account(), repository, total, private=private))
    assert bool(found) == bool(said)
    assert not said or said in found[0]


def test_a_repository_is_private_where_that_is_asked(hub: Hub, small: DatasetFolder) -> None:
    push(small, configs=TWO, private=True)
    assert hub.repositories[NAME].private
    assert prepare(small, configs=TWO).way is Way.NOTHING
