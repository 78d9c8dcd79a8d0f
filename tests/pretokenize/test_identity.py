"""The identity of codes: no class name enters, and one with other keys is said to be another's."""

from typing import Any

import pytest
from mico_150k.builders.dimoo_tokens import SizeTable

from mico_150k.core.identity import json_sha256
from mico_150k.pretokenize import workspace as of_codes
from mico_150k.pretokenize.encoder import EncoderOptions
from mico_150k.pretokenize.vq import Precision
from mico_150k.pretokenize.workspace import differing, made_with, make_identity

from ..renaming import renamed

IDENTITY_SHA256 = "60c9f1c0338f8e26e48141ff1b165637112f31daac8a706a7f86ff7cf6419ea8"
OPTIONS = EncoderOptions("vq", Precision("float32", 8, 0), readers=4, vq_sha256="ab")


@pytest.fixture(autouse=True)
def versions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(of_codes, "__version__", "0")
    monkeypatch.setattr(of_codes, "version", lambda _: "0")


def identity(options: Any = OPTIONS) -> dict[str, Any]:
    return make_identity(options, "cuda", SizeTable.parse(), "c0ffee")


def test_codes_have_the_identity_that_they_had() -> None:
    assert identity()["version"] == 1
    assert json_sha256(identity()) == IDENTITY_SHA256


def test_renamed_classes_change_nothing() -> None:
    precision = renamed(OPTIONS.precision)
    options = renamed(EncoderOptions("vq", precision, readers=4, vq_sha256="ab"))
    assert json_sha256(identity(options)) == IDENTITY_SHA256


def test_an_identity_with_other_keys_is_that_of_another_version() -> None:
    old = {key: value for key, value in identity().items() if key != "version"}
    assert differing(old, identity()) == ["the mico-150k that made them"]
    assert "version" not in made_with(identity())
