"""A push: whatever happens on the way, it ends in the folder's own state, and readers see that."""

import json
import shutil
from pathlib import Path

import pytest
from datasets import load_dataset

from mico_150k.card.file import write_card
from mico_150k.card.text import CardText
from mico_150k.core.errors import (
    NotSent,
    PushRefused,
    UnknownConfig,
    UsageError,
)
from mico_150k.dataset import layout
from mico_150k.dataset.folder import DatasetFolder, read_rows
from mico_150k.hub.placeholder import is_placeholder
from mico_150k.hub.pull_requests import TITLE
from mico_150k.hub.push import PushStrategy
from mico_150k.io.files import sha256
from mico_150k.refine.options import RefineOptions
from mico_150k.refine.refinement import Refinement

from ..factories import encode, picture
from . import Hub
from .folders import LICENCE, local
from .pushing import NAME, TWO, prepare, push, remote, small_file, write_there
from .repository import Commit, Entry

pytest.importorskip("huggingface_hub", minversion="2.0", reason="push needs it")

pytestmark = pytest.mark.usefixtures("hub")

# The client's own way of large files, which its HTTP library finds fault with.
WITHOUT_XET = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")


def card_of(hub: Hub, commit: Commit) -> CardText:
    return CardText(hub.content(commit.tree[layout.CARD]).decode())


@pytest.fixture(scope="session")
def all_of_it(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> DatasetFolder:
    copy = tmp_path_factory.mktemp("licensed") / "mico-150k"
    made = DatasetFolder(Path(shutil.copytree(dataset, copy)))
    write_card(made, LICENCE)
    return made


def test_a_first_push_ends_with_the_card(hub: Hub, small: DatasetFolder) -> None:
    planned = prepare(small)
    assert (planned.way, planned.creates) == (PushStrategy.FIRST, True)
    result = planned.run()
    assert not [finding for finding in result.findings if finding.fault]
    assert remote(hub) == local(small)
    repository = hub.repositories[NAME]
    *first, last = repository.refs["main"][2:]
    assert [commit.title for commit in first] == [
        "Placeholder for the card while shards are uploaded", "Add shards",
    ]  # fmt: skip
    assert all(is_placeholder(card_of(hub, commit)) for commit in first)
    assert not is_placeholder(card_of(hub, last))
    assert {layout.CARD, layout.MANIFEST, layout.REPORT} <= set(last.tree)
    assert set(local(small)) <= set(first[-1].tree)
    assert small_file(hub, layout.MANIFEST) == (small.path / layout.MANIFEST).read_text()
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
    assert planned.way is PushStrategy.NOTHING
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


def test_after_each_batch_only_what_was_sent_is_looked_at(
    hub: Hub, small: DatasetFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mico_150k.hub.push.BATCH_FILES", 2)
    push(small)
    assert remote(hub) == local(small)
    batches = hub.repositories[NAME].history().count("Add shards")
    assert batches > 3
    assert len(hub.asked("POST .*/paths-info/")) == batches + 2
    listings = len(hub.asked("GET .*/tree/.*recursive=true"))
    assert listings < batches


def test_a_dry_run_sends_nothing(hub: Hub, small: DatasetFolder) -> None:
    forecast = prepare(small).forecast
    assert forecast.files == len(local(small))
    assert forecast.bytes == forecast.total > forecast.new > 0
    assert not hub.repositories
    assert not hub.asked("preupload|commit|repos/create|token/")


def test_a_long_listing_is_read_to_its_end(hub: Hub, small: DatasetFolder) -> None:
    hub.page = 3
    push(small)
    assert prepare(small).way is PushStrategy.NOTHING
    assert hub.asked("cursor=")


# What comes later


def test_a_later_push_goes_to_a_pull_request_which_is_merged(
    hub: Hub, small: DatasetFolder, smaller: DatasetFolder
) -> None:
    push(small)
    repository = hub.repositories[NAME]
    before = len(repository.refs["main"])
    planned = prepare(smaller)
    assert planned.way is PushStrategy.PULL_REQUEST
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
        header = CardText(small_file(hub, layout.CARD)).header
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
    with pytest.raises(NotSent, match="re-run the command to resume"):
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
    repository.commit(old.ref, {layout.REPORT: Entry(3, content=b"one")}, "theirs")
    write_there(hub, layout.REPORT, "two")
    push(small)
    assert [pull.status for pull in repository.pulls] == ["closed", "merged"]
    assert small_file(hub, layout.REPORT) == (small.path / layout.REPORT).read_text()


def test_an_empty_pull_request_of_an_older_state_is_closed_and_another_opened(
    hub: Hub, small: DatasetFolder, smaller: DatasetFolder
) -> None:
    push(small)
    repository = hub.repositories[NAME]
    repository.open_pull(TITLE, "user")  # and killed; then another state was published
    newer = hub.repositories[NAME].refs["main"]
    push(smaller, revision="other")
    repository.refs["main"] = [*newer, *repository.refs["other"][len(newer) :]]
    # What the old one holds is what is pushed now, so that nothing would be sent to it.
    push(small)
    assert [pull.status for pull in repository.pulls] == ["closed", "merged"]
    assert remote(hub) == local(small)


def test_an_empty_pull_request_of_this_state_is_used(
    hub: Hub, small: DatasetFolder, smaller: DatasetFolder
) -> None:
    push(small)
    hub.repositories[NAME].open_pull(TITLE, "user")
    push(smaller)
    assert [pull.status for pull in hub.repositories[NAME].pulls] == ["merged"]


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


def test_pictures_of_ours_that_are_no_more_are_removed_and_other_peoples_stay(
    hub: Hub, small: DatasetFolder, tmp_path: Path
) -> None:
    copy = DatasetFolder(Path(shutil.copytree(small.path, tmp_path / "mico-150k")))
    assets = copy.path / layout.ASSETS
    assets.mkdir()
    for name in (layout.PLOTS, layout.COLLAGE):
        (assets / name).write_bytes(encode(picture()))
    push(copy, configs=TWO)
    write_there(hub, f"{layout.ASSETS}/theirs.svg", "<svg/>")
    assert f"{layout.ASSETS}/{layout.PLOTS}" in hub.repositories[NAME].tree()
    push(small, configs=TWO)
    there = {path for path in hub.repositories[NAME].tree() if path.startswith(layout.ASSETS)}
    assert there == {f"{layout.ASSETS}/theirs.svg"}


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


def test_on_a_branch_a_placeholder_stops_readers_while_shards_change(
    hub: Hub, small: DatasetFolder, smaller: DatasetFolder
) -> None:
    push(small)
    planned = prepare(smaller, revision="next")
    assert planned.way is PushStrategy.REPLACE
    planned.run()
    assert remote(hub, "next") == local(smaller)
    assert remote(hub) == local(small)
    shards = [commit for commit in hub.repositories[NAME].refs["next"] if "Add" in commit.title]
    replaced = shards[-1]
    assert is_placeholder(card_of(hub, replaced))
    assert layout.MANIFEST not in replaced.tree
    with pytest.raises((FileNotFoundError, ValueError)):
        load_dataset(NAME, "bagel", revision=replaced.oid, streaming=True)
    assert not is_placeholder(CardText(small_file(hub, layout.CARD, "next")))
    assert prepare(smaller, revision="next").way is PushStrategy.NOTHING


def test_a_branch_of_what_is_there_already_is_made(hub: Hub, small: DatasetFolder) -> None:
    push(small)
    push(small, revision="v1")
    assert remote(hub, "v1") == local(small)


def test_a_tag_that_somebody_sets_meanwhile_is_no_success(hub: Hub, small: DatasetFolder) -> None:
    push(small, configs=TWO)

    def steal() -> None:
        repository = hub.repositories[NAME]
        repository.tags["v1"] = repository.refs["main"][1]

    hub.fail("POST .*/tag/", status=409, act=steal)
    with pytest.raises(UsageError, match="tag 'v1' of another commit"):
        push(small, tag="v1")


def test_the_commit_that_is_named_and_tagged_is_the_one_that_was_verified(
    hub: Hub, small: DatasetFolder, smaller: DatasetFolder
) -> None:
    def commit() -> None:
        write_there(hub, "notes.txt", "hi")

    for folder, way in (
        (small, PushStrategy.FIRST),
        (smaller, PushStrategy.PULL_REQUEST),
        (smaller, PushStrategy.NOTHING),
    ):
        # The very last that is asked for, after all was looked at.
        fault = hub.fail("POST .*/tag/", status=503, act=commit)
        planned = prepare(folder, tag=f"after-{way.name}")
        assert planned.way is way
        result = planned.run()
        assert fault.times == 0
        repository = hub.repositories[NAME]
        tagged = repository.tags[f"after-{way.name}"]
        assert tagged.oid == result.commit != repository.at("main").oid
        assert {path: e.sha256 for path, e in tagged.tree.items() if path in local(folder)} == (
            local(folder)
        )
        del repository.refs["main"][-1]


def test_a_tag_names_the_state(hub: Hub, small: DatasetFolder, smaller: DatasetFolder) -> None:
    result = push(small, tag="v1")
    repository = hub.repositories[NAME]
    assert repository.tags["v1"].oid == result.commit
    push(small, tag="v1")
    with pytest.raises(UsageError, match="already has a tag 'v1'"):
        prepare(smaller, tag="v1")
    push(smaller, tag="v2")
    assert repository.tags["v1"].tree != repository.tags["v2"].tree
    assert len(list(load_dataset(NAME, "bagel", split="train", revision="v1"))) == 24


# Configurations one by one


def test_a_configuration_can_be_pushed_after_another(hub: Hub, small: DatasetFolder) -> None:
    push(small, configs=TWO)
    assert remote(hub) == local(small, *TWO, "index")
    header = CardText(small_file(hub, layout.CARD)).header
    assert header is not None
    assert [config["config_name"] for config in header["configs"]] == ["bagel", "index"]
    push(small, configs=("default",))
    assert remote(hub) == local(small)
    header = CardText(small_file(hub, layout.CARD)).header
    assert header is not None
    assert [c["config_name"] for c in header["configs"]] == ["default", "bagel", "index"]
    assert set(json.loads(small_file(hub, layout.MANIFEST))["configs"]) == {
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
