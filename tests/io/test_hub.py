"""How datasets on the Hub are named."""

from pathlib import Path

import pytest

from mico_150k.io.hub import hub_url, is_hub_id, why_unreadable


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("kr-cen/MICo-150K", "hf://datasets/kr-cen/MICo-150K"),
        ("user/x@v1.0", "hf://datasets/user/x@v1.0"),
        ("user/x@refs/pr/1", "hf://datasets/user/x@refs%2Fpr%2F1"),
    ],
)
def test_an_id_has_a_url(location: str, url: str) -> None:
    assert is_hub_id(location)
    assert hub_url(location) == url


@pytest.mark.parametrize(
    "location", ["demo", "./x", "../x", "/x/y", "a/b/c", "a/", "~/x", "s3://a/b", "", "user/x@"]
)
def test_any_other_location_stays_as_it_is(location: str) -> None:
    assert not is_hub_id(location)
    assert hub_url(location) == location


def test_what_is_here_takes_precedence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "user").mkdir()
    (tmp_path / "user" / "x").symlink_to("nowhere")
    assert hub_url("user/x") == "user/x"


def test_only_the_hub_is_blamed_for_the_hub() -> None:
    assert not why_unreadable("s3://bucket/x", ConnectionError("refused"))
    assert not why_unreadable("user/x", ValueError("no JSON"))
    assert "cannot be reached" in why_unreadable("hf://datasets/user/x", ConnectionError("refused"))
