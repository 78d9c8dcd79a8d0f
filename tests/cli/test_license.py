"""A licence that is given is stated by the card, whichever way a build comes to its end."""

from pathlib import Path

import pytest

from mico_150k.card.text import CardText
from mico_150k.dataset import layout

from ..commands import DONE, WRONG_USAGE, Mico, runner

SMALL = ("--config", "bagel", "--shard-mb", "1")


@pytest.fixture
def mico(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Mico:
    """What runs `mico` in a folder of the test's own."""
    return runner(tmp_path, monkeypatch, capsys)


def stated(folder: Path) -> dict[str, str]:
    """What a card says of its licence, in its header."""
    header = CardText((folder / layout.CARD).read_text()).header or {}
    return {key: value for key, value in header.items() if key.startswith("license")}


def other_files(folder: Path) -> dict[str, bytes]:
    """All but the card."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != layout.CARD
    }


@pytest.mark.slow
def test_every_way_to_build_states_it_and_changes_no_other_byte(
    release: Path, tmp_path: Path, mico: Mico
) -> None:
    said = ("--license", "cc-by-nc-4.0")
    build = ("build", release, *SMALL)
    ways = {
        "plain": [("--out", "plain")],
        "here": [("--out", "here", *said)],
        "json": [("--out", "json", *said, "--json")],
        "shares": [
            ("--out", "shares", "--partition", "1/2", *said),
            ("--out", "shares", "--partition", "2/2"),
            ("--out", "shares", "--finish"),
        ],
        "last": [
            ("--out", "last", "--partition", "1/1", "--license", "mit"),
            ("--out", "last", "--finish", *said),
        ],
        "resumed": [
            ("--out", "resumed", "--partition", "1/2", *said),
            ("--out", "resumed", "--json"),
        ],
        "finished": [("--out", "finished", "--json"), ("--out", "finished", *said, "--json")],
        "url": [("--out", f"file://{tmp_path}/url", *said)],
        "url_finished": [
            ("--out", f"file://{tmp_path}/url_finished"),
            ("--out", f"file://{tmp_path}/url_finished", *said),
        ],
    }
    for runs in ways.values():
        for options in runs:
            done = mico(*build, *options)
            assert done.returncode == DONE, done.stderr
    assert stated(tmp_path / "plain") == {}
    expected = other_files(tmp_path / "plain")
    card = (tmp_path / "here" / layout.CARD).read_text()
    for way in list(ways)[1:]:
        assert stated(tmp_path / way) == {"license": "cc-by-nc-4.0"}, way
        assert other_files(tmp_path / way) == expected, way
        assert (tmp_path / way / layout.CARD).read_text() == card, way


def test_a_finished_build_gets_another_one_and_keeps_what_people_wrote(
    release: Path, tmp_path: Path, mico: Mico
) -> None:
    build = ("build", release, *SMALL, "--out", "x", "--json")
    assert mico(*build, "--license", "mit").returncode == DONE
    card = tmp_path / "x" / layout.CARD
    about = "<!-- by hand: about -->\n"
    assert about in card.read_text()
    card.write_text(card.read_text().replace(about, f"{about}Ours.\n"))
    assert mico(*build).returncode == DONE
    assert stated(tmp_path / "x") == {"license": "mit"}
    assert mico(*build, "--license", "cc-by-sa-4.0").returncode == DONE
    assert stated(tmp_path / "x") == {"license": "cc-by-sa-4.0"}
    assert "Ours.\n" in card.read_text()


def test_a_card_that_would_lose_what_people_wrote_is_left_and_that_is_said(
    release: Path, tmp_path: Path, mico: Mico
) -> None:
    build = ("build", release, *SMALL, "--out", "x", "--json", "--license")
    assert mico(*build, "mit").returncode == DONE
    card = tmp_path / "x" / layout.CARD
    mine = card.read_text().replace("# ", "# My ", 1)
    card.write_text(mine)
    assert mico(*build, "mit").returncode == DONE, "it is stated already"
    done = mico(*build, "isc")
    assert done.returncode == WRONG_USAGE
    assert "`mico card --overwrite`" in done.stderr
    assert card.read_text() == mine


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--license", "cc-by-nc-4"], "cc-by-nc-4.0"),
        (["--license", "Apache 2.0"], "apache-2.0"),
        (["--license", ""], "not a license that the Hub knows"),
        (["--license", "our-own"], "--license other --license-name"),
        (["--license", "other"], "--license-name"),
    ],
)
@pytest.mark.parametrize(
    "command",
    [
        "build nowhere",
        "build nowhere --out hf://datasets/user/x",
        "build nowhere --finish",
        "card nowhere",
        "push nowhere user/x",
    ],
)
def test_what_the_hub_would_not_know_is_refused_where_it_is_given(
    mico: Mico, command: str, given: list[str], said: str
) -> None:
    done = mico(*command.split(), *given)
    assert done.returncode == WRONG_USAGE
    assert said in done.stderr


def test_a_link_without_a_name_is_refused(mico: Mico) -> None:
    for command in ("card nowhere", "push nowhere user/x"):
        done = mico(*command.split(), "--license-link", "x")
        assert done.returncode == WRONG_USAGE
        assert "belong to `--license other`" in done.stderr
