"""A place is what its spelling says, and a wrong spelling is refused with the right one."""

from pathlib import Path

import pytest

from mico_150k.core.errors import UsageError
from mico_150k.io.places import (
    HubBucket,
    HubDataset,
    LocalFolder,
    Place,
    RemoteUrl,
    parse_place,
    repository_name,
)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("mico-150k", LocalFolder(Path("mico-150k"))),
        ("user/name", LocalFolder(Path("user/name"))),
        ("datasets/user/name", LocalFolder(Path("datasets/user/name"))),
        ("hf:/datasets/user/name", LocalFolder(Path("hf:/datasets/user/name"))),
        ("~/x", LocalFolder(Path.home() / "x")),
        ("~x", LocalFolder(Path("~x"))),
        ("s3://bucket/name", RemoteUrl("s3://bucket/name")),
        ("file:///x", RemoteUrl("file:///x")),
        ("hf://datasets/user/name", HubDataset("user/name")),
        ("hf://datasets/user/name/", HubDataset("user/name")),
        ("hf://buckets/user/name", HubBucket("user/name")),
        ("hf://buckets/user/name/", HubBucket("user/name")),
        ("hf://buckets/user/name/a/b/", HubBucket("user/name", "a/b")),
    ],
)
def test_the_spelling_decides(text: str, place: Place) -> None:
    assert parse_place(text) == place
    assert parse_place(str(place)) == place


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("hf://", "not a dataset repository"),
        ("hf://user/name", "not a dataset repository"),
        ("hf://spaces/user/name", "not a dataset repository"),
        ("hf://datasets", "not a dataset repository"),
        ("hf://datasets/", "needs an owner and a name"),
        ("hf://datasets/user", "needs an owner and a name"),
        ("hf://datasets/user/", "needs an owner and a name"),
        ("hf://datasets//name", "needs an owner and a name"),
        ("hf://datasets/user//name", "needs an owner and a name"),
        ("hf://datasets/user/name/data", "a path in a repository"),
        ("hf://datasets/user/name@main", "a revision cannot be part"),
        ("hf://datasets/user/name@refs/pr/1", "a revision cannot be part"),
    ],
)
def test_what_names_no_dataset_repository_is_refused_with_the_right_spelling(
    text: str, why: str
) -> None:
    for parse in (parse_place, repository_name):
        with pytest.raises(UsageError, match=rf"{why}.* Write `hf://datasets/USER/NAME`"):
            parse(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("hf://buckets/", "needs an owner and a name"),
        ("hf://buckets/user", "needs an owner and a name"),
        ("hf://buckets/user//x", "no empty or dotted part"),
        ("hf://buckets/user/name/../x", "no empty or dotted part"),
        ("hf://buckets/user/name@main/x", "has no revisions"),
    ],
)
def test_what_names_no_bucket_is_refused_with_the_right_spelling(text: str, why: str) -> None:
    with pytest.raises(UsageError, match=rf"{why}.* Write `hf://buckets/USER/BUCKET/FOLDER`"):
        parse_place(text)


def test_a_bucket_is_no_repository() -> None:
    with pytest.raises(UsageError, match=r"it is a bucket.*Write `hf://datasets/USER/NAME`"):
        repository_name("hf://buckets/user/name")


def test_no_place_is_refused() -> None:
    with pytest.raises(UsageError, match="is not a folder"):
        parse_place("")


def test_a_repository_has_two_spellings() -> None:
    assert repository_name("hf://datasets/user/name") == repository_name("user/name") == "user/name"
