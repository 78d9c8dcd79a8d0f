"""The card on the Hub: what people write into it stays, or a push says what it would lose."""

import shutil
from pathlib import Path

import pytest
from datasets import load_dataset

from mico_150k.card.file import License, write_card
from mico_150k.card.text import CardText
from mico_150k.core.errors import NoAccess, NoLicense, OutputRefused, PushRefused
from mico_150k.dataset import layout
from mico_150k.dataset.folder import DatasetFolder
from mico_150k.hub.placeholder import is_placeholder, make_placeholder
from mico_150k.hub.push import PushStrategy

from . import Hub
from .folders import local, write_quarantine
from .pushing import (
    NAME,
    TWO,
    edit_there,
    prepare,
    push,
    remote,
    small_file,
    write_there,
)
from .repository import Repository

pytest.importorskip("huggingface_hub", minversion="2.0", reason="push needs it")

pytestmark = pytest.mark.usefixtures("hub")

OURS = "one composed image out"
ABOUT = "<!-- by hand: about -->\n"


@pytest.fixture
def mine(small: DatasetFolder, tmp_path: Path) -> DatasetFolder:
    """The dataset, to change its card."""
    return DatasetFolder(Path(shutil.copytree(small.path, tmp_path / "mico-150k")))


def edit(folder: DatasetFolder, before: str, after: str) -> None:
    path = folder.path / layout.CARD
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after, 1))


def card(hub: Hub, revision: str = "main") -> CardText:
    return CardText(small_file(hub, layout.CARD, revision))


def test_the_card_on_the_hub_names_the_repository(hub: Hub, small: DatasetFolder) -> None:
    push(small)
    assert f'load_dataset("{NAME}", "default"' in small_file(hub, layout.CARD)


def test_without_a_license_nothing_is_pushed(hub: Hub, dataset: Path) -> None:
    with pytest.raises(NoLicense, match="states no license"):
        prepare(DatasetFolder(dataset))
    assert not hub.repositories


def test_what_a_person_added_on_the_hub_stays(
    hub: Hub, small: DatasetFolder, smaller: DatasetFolder
) -> None:
    push(small)
    edit_there(
        hub, layout.CARD, (ABOUT, f"{ABOUT}Ours, with love.\n"), ("---\n", "---\nviewer: true\n")
    )
    push(smaller)
    assert card(hub).sections == {"about": "Ours, with love.\n"}
    header = card(hub).header
    assert header is not None
    assert header["viewer"] is True


def test_a_card_that_the_hub_refuses_stops_before_anything_is_sent(
    hub: Hub, small: DatasetFolder, tmp_path: Path
) -> None:
    copy = DatasetFolder(Path(shutil.copytree(small.path, tmp_path / "mico-150k")))
    card = copy.path / layout.CARD
    card.write_text(card.read_text().replace("license: cc-by-nc-4.0", "license: Mine Alone"))
    with pytest.raises(PushRefused, match="rejects the card's header"):
        prepare(copy)
    assert not hub.repositories


@pytest.mark.parametrize(
    ("changes", "lost"),
    [
        ([(OURS, "one picture out")], "text outside of kept sections"),
        ([("- config_name: bagel", "- config_name: mine")], "text outside of kept sections"),
        ([(ABOUT, f"{ABOUT}Of the Hub.\n")], "section 'about'"),
        ([("cc-by-nc-4.0", "mit")], "license"),
        ([("viewer: true", "viewer: false"), (OURS, "x")], "text .*, viewer"),
    ],
)
def test_what_a_person_changed_on_the_hub_stops_a_push_that_would_lose_it(
    hub: Hub, mine: DatasetFolder, changes: list[tuple[str, str]], lost: str
) -> None:
    edit(mine, "---\n", "---\nviewer: true\n")
    push(mine, configs=TWO)
    edit_there(hub, layout.CARD, *changes)
    before = hub.repositories[NAME].history()
    edit(mine, ABOUT, f"{ABOUT}Of here.\n")
    with pytest.raises(PushRefused, match=f"by hand, and this push would discard: {lost}\\."):
        prepare(mine, configs=TWO)
    assert hub.repositories[NAME].history() == before
    push(mine, configs=TWO, overwrite=True)
    there = card(hub)
    assert there.is_untouched
    assert there.is_as_signed
    assert there.sections == {"about": "Of here.\n"}
    assert there.header is not None
    assert (there.header["license"], there.header["viewer"]) == ("cc-by-nc-4.0", True)


def test_what_is_changed_here_after_a_push_is_pushed_without_a_question(
    hub: Hub, mine: DatasetFolder
) -> None:
    edit(mine, ABOUT, f"{ABOUT}One.\n")
    push(mine)
    edit(mine, "One.\n", "Two.\n")
    push(mine, license=License("mit"))
    assert card(hub).sections == {"about": "Two.\n"}
    assert "license: mit" in small_file(hub, layout.CARD)
    # A text of one's own as well.
    for words in ("a picture out", "two pictures out"):
        edit(mine, OURS if words == "a picture out" else "a picture out", words)
        push(mine)
        assert words in small_file(hub, layout.CARD)


def test_what_is_only_on_the_hub_is_joined_and_nothing_is_sent_for_it(
    hub: Hub, mine: DatasetFolder
) -> None:
    push(mine, configs=TWO)
    edit_there(hub, layout.CARD, (ABOUT, f"{ABOUT}Theirs.\n"))
    assert prepare(mine, configs=TWO).way is PushStrategy.NOTHING
    edit_there(hub, layout.CARD, ("pretty_name: MICo-150K", "pretty_name: Theirs"),
        ("tags:\n", "tags:\n- art\n"), ("---\n", "---\nviewer: true\n"))  # fmt: skip
    write_card(mine, License("mit"))
    push(mine, configs=TWO, overwrite=True)
    there = card(hub)
    assert there.sections == {"about": "Theirs.\n"}
    assert there.header is not None
    assert there.header["pretty_name"] == "Theirs"
    assert there.header["viewer"] is True
    assert {"art", "arxiv:2512.07348"} <= set(there.header["tags"])
    assert there.header["license"] == "mit"


def test_a_changed_card_that_was_taken_over_here_is_pushed(hub: Hub, mine: DatasetFolder) -> None:
    push(mine)
    edit_there(hub, layout.CARD, (OURS, "one picture out"), (ABOUT, f"{ABOUT}Theirs.\n"))
    (mine.path / layout.CARD).write_text(small_file(hub, layout.CARD))
    write_quarantine(mine.path)  # something to push
    push(mine)
    assert "one picture out" in small_file(hub, layout.CARD)
    assert card(hub).sections == {"about": "Theirs.\n"}


def test_a_text_of_ones_own_that_was_pushed_is_not_replaced_by_a_card_of_ours(
    small: DatasetFolder, mine: DatasetFolder
) -> None:
    edit(mine, OURS, "one picture out")
    push(mine)
    assert prepare(mine).way is PushStrategy.NOTHING
    with pytest.raises(PushRefused, match="text outside of kept sections"):
        prepare(small)


def test_a_first_push_onto_somebodys_readme_is_refused_and_onto_a_bare_header_is_joined(
    hub: Hub, small: DatasetFolder
) -> None:
    hub.repositories[NAME] = Repository(NAME)
    write_there(hub, layout.CARD, "---\nlicense: mit\n---\n\n# My pictures\n")
    with pytest.raises(PushRefused, match=r"text outside of kept sections, license\."):
        prepare(small)
    assert "# My pictures" in small_file(hub, layout.CARD)
    for bare in ("---\nlicense: mit\ngated: true\n---\n", "---\ngated: true\n---"):
        write_there(hub, layout.CARD, bare)
        assert prepare(small).way is PushStrategy.FIRST
    push(small, configs=TWO)
    header = card(hub).header
    assert header is not None
    assert (header["license"], header["gated"]) == ("cc-by-nc-4.0", True)


@pytest.mark.parametrize("revision", ["main", "next"])
def test_what_people_wrote_survives_a_push_that_stops_behind_the_placeholder(
    hub: Hub, small: DatasetFolder, smaller: DatasetFolder, mine: DatasetFolder, revision: str
) -> None:
    if revision == "main":
        hub.repositories[NAME] = Repository(NAME)
        write_there(hub, layout.CARD, "---\ngated: true\n---\n")
    else:
        push(small, configs=TWO)
        push(small, configs=TWO, revision=revision)
        edit_there(
            hub, layout.CARD, (ABOUT, f"{ABOUT}Theirs.\n"), ("---\n", "---\ngated: true\n"),
            revision=revision,
        )  # fmt: skip
    fault = hub.fail("xet-write-token", status=403, times=1000)
    with pytest.raises(NoAccess):
        push(smaller, configs=("bagel", "default"), revision=revision)
    fault.times = 0
    there = card(hub, revision)
    assert is_placeholder(there)
    assert there.header is not None
    assert there.header["gated"] is True
    # What is changed here meanwhile is no conflict.
    edit(mine, "<!-- by hand: notes -->\n", "<!-- by hand: notes -->\nOurs.\n")
    push(mine, revision=revision)
    assert remote(hub, revision) == local(mine)
    there = card(hub, revision)
    assert there.header is not None
    assert there.header["gated"] is True
    expected = {"notes": "Ours.\n"}
    assert there.sections == (
        expected if revision == "main" else {"about": "Theirs.\n", **expected}
    )


def test_while_a_first_push_is_on_its_way_no_configuration_loads(
    hub: Hub, small: DatasetFolder
) -> None:
    push(small)
    for commit in hub.repositories[NAME].refs["main"][2:-1]:
        for config in (None, "bagel", "default", "index"):
            with pytest.raises((FileNotFoundError, ValueError), match="not-whole-yet|not found"):
                load_dataset(NAME, config, revision=commit.oid, streaming=True)


def test_a_placeholder_stops_load_dataset_in_a_folder_as_well(
    small: DatasetFolder, mine: DatasetFolder
) -> None:
    assert load_dataset(str(small.path), "bagel", streaming=True)
    path = mine.path / layout.CARD
    path.write_text(make_placeholder(CardText(path.read_text())).text)
    for config in (None, "bagel", "not-finished"):
        with pytest.raises(FileNotFoundError, match="this-dataset-is-being-pushed"):
            load_dataset(str(mine.path), config)


def test_nothing_is_written_here_before_a_push_starts(mine: DatasetFolder) -> None:
    path = mine.path / layout.CARD
    before = path.read_text()
    planned = prepare(mine, license=License("mit"))
    assert "license: mit" in planned.publication.card.text
    assert path.read_text() == before
    edit(mine, OURS, "one picture out")
    with pytest.raises(OutputRefused, match="mico card --overwrite"):
        prepare(mine, license=License("mit"))
