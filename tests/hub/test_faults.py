"""A push survives what goes wrong between it and the Hub, or says what did."""

import pytest

from mico_150k.core.errors import (
    HubError,
    NoAccess,
    NoRepository,
    NotSent,
)
from mico_150k.dataset.folder import DatasetFolder
from mico_150k.hub.push import Push, PushOptions
from mico_150k.hub.repository import Repository
from mico_150k.hub.retry import RetryPolicy

from . import Hub
from .folders import local
from .pushing import NAME, TWO, prepare, push, remote
from .repository import Entry

pytest.importorskip("huggingface_hub", minversion="2.0", reason="push needs it")

pytestmark = pytest.mark.usefixtures("hub")

# The client's own way of large files, which its HTTP library finds fault with.
WITHOUT_XET = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

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
    *(
        ("POST .*/commit/main", {**how, "skip": skip})
        for skip in (1, 2)  # the shards, and the card
        for how in (
            {"status": 504, "after": True},
            {"status": 0, "after": True},
            {"status": 409},
            {"status": 429},
        )
    ),
    ("POST .*/paths-info/", {"status": 503}),
    ("POST .*/paths-info/", {"status": 0, "skip": 1}),
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
    assert len(hub.repositories[NAME].history()) == 3


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
    assert len(hub.repositories[NAME].history()) == 3


@pytest.mark.usefixtures("no_waiting")
def test_a_hub_that_stays_down_is_reported_and_what_is_there_is_kept(
    hub: Hub, small: DatasetFolder
) -> None:
    fault = hub.fail("POST .*/commit/main", status=503, times=1000, skip=2)
    with pytest.raises(NotSent, match=r"(?s)5 times in a row.*status 503.*re-run the command"):
        push(small, configs=TWO)
    fault.times = 0
    assert remote(hub) == local(small, *TWO, "index")
    push(small, configs=TWO)
    assert len(hub.repositories[NAME].history()) == 3


@pytest.mark.usefixtures("no_waiting")
def test_each_wait_is_told_with_its_reason_and_seconds(hub: Hub, small: DatasetFolder) -> None:
    told: list[tuple[str, float]] = []
    retry = RetryPolicy(first=0.01, on_wait=lambda why, seconds: told.append((why, seconds)))
    planned = Push.prepare(small, Repository(NAME, retry), PushOptions(configs=TWO))
    assert not told
    hub.fail("POST .*repos/create", status=503, message="busy")
    hub.fail(
        "POST .*/commit/main", status=409, message="somebody else", headers={"Retry-After": "1"}
    )
    planned.run()
    assert [why for why, _ in told] == [
        "user/mico-150k: creating the repository failed with status 503 (busy)",
        "user/mico-150k: uploading README.md to main failed with status 409 (somebody else)",
    ]
    assert 0 < told[0][1] < 1 == told[1][1]


def test_a_wait_of_more_than_minutes_is_not_slept_but_reported(
    hub: Hub, small: DatasetFolder
) -> None:
    hub.fail("GET /api/whoami", status=429, headers={"Retry-After": "7200"})
    with pytest.raises(NotSent, match=r"(?s)status 429 .*asks to wait 120 minutes.*to resume"):
        prepare(small)
    hub.fail("GET /api/whoami", status=429, headers={"RateLimit": '"api";r=0;t=3600'})
    with pytest.raises(NotSent, match="asks to wait 60 minutes"):
        prepare(small)


@pytest.mark.parametrize(
    ("status", "error", "said"),
    [
        (401, NoAccess, "status 401 .*hf auth login"),
        (403, NoAccess, "status 403 .*write access"),
        (404, NoRepository, "does not exist on the Hub"),
        (400, HubError, "status 400 "),
        (413, HubError, "status 413 "),
    ],
)
def test_what_xet_says_is_for_good_is_not_tried_again(
    hub: Hub, small: DatasetFolder, status: int, error: type[HubError], said: str
) -> None:
    hub.fail("GET .*/xet-write-token/", status=status, times=1000)
    with pytest.raises(error, match=said):
        push(small, configs=TWO)
    assert len(hub.asked("xet-write-token")) == 1


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
