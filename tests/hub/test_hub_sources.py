"""A release on the Hub is a source by its id, `USER/NAME`; what is in the way of that is said."""

import shutil
from pathlib import Path

import huggingface_hub
import pytest

from mico_150k import build_dataset, inspect_source, open_dataset
from mico_150k.core.errors import MicoError, NotADataset, SourceError
from mico_150k.sources import open_source

from ..commands import DONE, FAILED, Mico, runner
from ..factories import cases, write_release
from ..folders import contents
from . import Hub, Repository

pytest.importorskip(
    "huggingface_hub", minversion="1.0", reason="an older one asks the real Hub for a file"
)

RELEASE = "kr-cen/MICo-150K"
GATED = {"X-Error-Code": "GatedRepo"}


@pytest.fixture
def published(hub: Hub, release: Path) -> Repository:
    """The release on the Hub; a tag `v1` names it, and `main` has other rows since."""
    repository = hub.keep(RELEASE, release)
    repository.tags["v1"] = repository.at("main")
    return repository


@pytest.fixture
def mico(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Mico:
    return runner(tmp_path, monkeypatch, capsys)


@pytest.mark.usefixtures("published")
def test_a_hub_id_is_built_as_the_folder_is(mico: Mico, release: Path, tmp_path: Path) -> None:
    build = ("--config", "dimoo", "--workers", "1")
    assert mico("build", release, "--out", "here", *build).returncode == DONE
    done = mico("build", RELEASE, "--out", "there", *build)
    assert done.returncode == DONE, done.stderr
    assert contents(tmp_path / "there") == contents(tmp_path / "here")
    found, here = inspect_source(RELEASE), inspect_source(release)
    assert (found.rows, found.tasks, found.shards) == (here.rows, here.tasks, here.shards)
    assert "24 rows" in mico("inspect", RELEASE).stdout


def test_a_revision_of_a_hub_id_is_that_one(
    published: Repository, hub: Hub, release: Path, tmp_path: Path
) -> None:
    later = write_release(tmp_path / "later", cases(1))
    hub.keep(RELEASE, later)
    shutil.copytree(release, tmp_path / "both")
    shutil.copytree(later, tmp_path / "both", dirs_exist_ok=True)
    build_dataset(release, tmp_path / "before", configs=["bagel"], workers=1)
    build_dataset(tmp_path / "both", tmp_path / "after", configs=["bagel"], workers=1)
    for revision, same in (("@v1", "before"), (f"@{published.at('v1').oid}", "before"),
                           ("@main", "after"), ("", "after")):  # fmt: skip
        out = tmp_path / f"out{revision}"
        build_dataset(f"{RELEASE}{revision}", out, configs=["bagel"], workers=1)
        assert contents(out) == contents(tmp_path / same), revision
    pull = published.open_pull("more", "user")
    assert open_source(f"{RELEASE}@{pull.ref}").files


@pytest.mark.usefixtures("published")
def test_a_folder_takes_precedence_over_a_repository_of_its_name(
    release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert open_source(RELEASE).location == f"hf://datasets/{RELEASE}"
    shutil.copytree(release, tmp_path / RELEASE)
    assert open_source(RELEASE).location == RELEASE


@pytest.mark.parametrize(
    ("location", "pattern", "status", "headers", "said"),
    [
        ("user/nothing", "", 0, {}, "no such folder on this machine, and the Hub has no dataset"),
        ("hf://datasets/user/nothing", "", 0, {}, "user/nothing: the Hub has no dataset user/no"),
        (f"{RELEASE}@v9", "", 0, {}, "has no revision 'v9'"),
        (RELEASE, "/api/", 403, GATED, "accept its terms on {endpoint}/datasets/kr-cen/MICo-150K"),
        (RELEASE, "/api/", 401, GATED, "`hf auth login`"),
        (RELEASE, "/api/", 403, {}, "your token for the Hub may not read kr-cen/MICo-150K"),
        (RELEASE, "/api/", 503, {}, "answers with status 503"),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("published")
def test_what_is_in_the_way_of_a_hub_id_is_said(
    hub: Hub, location: str, pattern: str, status: int, headers: dict[str, str], said: str
) -> None:
    if pattern:
        hub.fail(pattern, status, times=1000, headers=headers)
    said = said.format(endpoint=hub.endpoint).casefold()
    for open_it, kind in ((open_source, SourceError), (open_dataset, NotADataset)):
        huggingface_hub.HfFileSystem.clear_instance_cache()
        with pytest.raises(kind) as error:
            open_it(location)
        assert said in str(error.value).casefold()
        assert "Error" not in str(error.value)


def test_a_gated_repository_whose_files_are_listed_is_told_when_one_is_read(
    hub: Hub, published: Repository, dataset: Path
) -> None:
    assert published
    hub.keep("user/built", dataset)
    hub.fail("/resolve/", 403, times=1000, headers=GATED)
    with pytest.raises(SourceError, match="kr-cen/MICo-150K is gated on the Hub"):
        open_source(RELEASE)
    with pytest.raises(NotADataset, match="user/built is gated on the Hub"):
        open_dataset("user/built")


@pytest.mark.parametrize("token", ["hf_read", ""])
def test_a_private_dataset_asks_to_log_in_where_nobody_is(
    published: Repository, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    published.private = True
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_IMPLICIT_TOKEN", not token)
    monkeypatch.setenv("HF_TOKEN", token)
    if token:
        assert open_source(RELEASE).files
        return
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    with pytest.raises(SourceError, match="no dataset kr-cen/MICo-150K that is public") as error:
        open_source(RELEASE)
    assert "hf auth login" in str(error.value)


@pytest.mark.parametrize("open_it", [open_source, open_dataset])
def test_a_hub_that_cannot_be_reached_and_one_that_may_not_be_asked_are_told_apart(
    open_it: object, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert callable(open_it)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(MicoError, match="http://127.0.0.1:9 cannot be reached") as error:
        open_it(RELEASE)
    assert "no such folder on this machine" in str(error.value)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", hub.endpoint)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    huggingface_hub.HfFileSystem.clear_instance_cache()
    with pytest.raises(MicoError, match="HF_HUB_OFFLINE is set"):
        open_it(RELEASE)


@pytest.mark.usefixtures("published")
def test_a_release_on_the_hub_is_no_dataset_and_what_to_do_with_it_is_said(mico: Mico) -> None:
    done = mico("check", RELEASE)
    assert done.returncode == FAILED
    assert "has no manifest.json" in done.stderr
    assert f"mico build {RELEASE}" in " ".join(done.stderr.split())


def test_what_is_meant_as_a_folder_is_looked_for_beside_it(
    hub: Hub, mico: Mico, tmp_path: Path
) -> None:
    (tmp_path / "data").mkdir()
    done = mico("build", "data/relase")
    assert done.returncode == FAILED
    assert "there is no such folder in data on this machine, and the Hub has no" in done.stderr
    hub.requests.clear()
    assert "no such file or folder" in mico("build", "./relase").stderr
    assert "no such file or folder" in mico("build", "data/relase/x").stderr
    assert not hub.requests
