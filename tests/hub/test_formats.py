"""A dataset of 0.1.0 on the Hub: a push of everything replaces it, and nothing else takes it."""

import json

import pytest

from mico_150k.core.errors import OtherFormat
from mico_150k.dataset import layout
from mico_150k.dataset.folder import DatasetFolder
from mico_150k.dataset.reader import open_dataset
from mico_150k.hub.push import PushStrategy
from mico_150k.hub.repository import Repository
from mico_150k.hub.verify import check_remote

from . import Hub
from .folders import local
from .pushing import NAME, QUICK, TWO, prepare, push, remote, small_file, write_there

pytest.importorskip("huggingface_hub", minversion="2.0", reason="push needs it")

SAID = "on the Hub was written by mico-150k 0.1.0, as mico-150k/1"


@pytest.fixture
def old(hub: Hub, small: DatasetFolder) -> Hub:
    """The dataset is there, with a manifest as 0.1.0 wrote it."""
    push(small)
    manifest = json.loads(small_file(hub, layout.MANIFEST))
    manifest["build"]["versions"]["mico-150k"] = "0.1.0"
    left_out = manifest.pop("skipped")
    old = {**manifest, "format": "mico-150k/1", "left_out": left_out}
    write_there(hub, layout.MANIFEST, json.dumps(old))
    return hub


def test_a_push_of_everything_replaces_it(old: Hub, smaller: DatasetFolder) -> None:
    planned = prepare(smaller)
    assert planned.way in {PushStrategy.REPLACE, PushStrategy.PULL_REQUEST}
    assert not any(finding.fault for finding in planned.run().findings)
    assert remote(old) == local(smaller)


@pytest.mark.usefixtures("old")
def test_a_push_of_some_would_lose_the_others(small: DatasetFolder) -> None:
    with pytest.raises(OtherFormat, match=SAID):
        prepare(small, configs=TWO)


@pytest.mark.usefixtures("old")
def test_it_is_compared_with_nothing_and_not_read(small: DatasetFolder) -> None:
    with pytest.raises(OtherFormat, match=SAID):
        list(check_remote(Repository(NAME, QUICK), "main", small))
    with pytest.raises(OtherFormat, match="Rebuild it"):
        open_dataset(NAME)
