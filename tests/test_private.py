"""What others do not promise and this package uses: a release that changes it fails here."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import fsspec
import pytest
from datasets import packaged_modules
from fsspec.asyn import AsyncFileSystem

import mico_150k
from mico_150k.core.errors import MissingPackage
from mico_150k.hub import retry
from mico_150k.io.storage import local_or_url
from mico_150k.io.transient import status_of

TABLE = "_PACKAGED_DATASETS_MODULES"


def test_datasets_has_its_builders_in_a_table_of_modules_and_hashes() -> None:
    table = getattr(packaged_modules, TABLE)
    assert "parquet" in table
    for entry in table.values():
        module, digest = entry
        assert isinstance(module, str)
        assert isinstance(digest, str)


@pytest.mark.parametrize("table", [None, {"parquet": "a.module"}, {"parquet": ("a", "b", 1)}])
def test_registering_says_so_where_the_table_is_another(
    monkeypatch: pytest.MonkeyPatch, table: object
) -> None:
    monkeypatch.setattr(packaged_modules, TABLE, table)
    with pytest.raises(MissingPackage, match=r"does not work with datasets \d.*(.|\n)*Mico150k\("):
        mico_150k.register()


def test_fsspec_says_which_process_has_made_a_file_system() -> None:
    fs = fsspec.filesystem("http")
    assert isinstance(fs, AsyncFileSystem)
    assert fs._pid == os.getpid()


def test_fsspec_takes_a_path_of_this_machine_as_it_is() -> None:
    for location, path in (("/a::b/c", "/a::b/c"), ("file:///a/b", "/a/b"), ("/a/b/", "/a/b")):
        assert local_or_url(location)[1] == path


@pytest.mark.skipif(not find_spec("torch"), reason="the extra `train`")
def test_datasets_leaves_torch_alone_where_the_environment_says_so() -> None:
    """Rows are looked at without torch, whose import takes longer than to read them."""
    script = "import sys, datasets; print(datasets.config.TORCH_AVAILABLE, 'torch' in sys.modules)"
    told = {"USE_TORCH": "0", "USE_TF": "0", "USE_JAX": "0"}
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, **told}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split() == ["False", "False"]


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("HTTP status client error (403 Forbidden) for url (https://cas/v1)", 403),
        ("Internal: HTTP status server error (503 Service Unavailable), domain: x", 503),
    ],
)
def test_the_status_in_an_error_of_hf_xet(text: str, status: int) -> None:
    assert status_of(ConnectionError(text)) == status


def test_hf_xet_words_its_errors_as_we_read_them() -> None:
    """The words stand in its library; tests/hub has what the client makes of them."""
    xet = pytest.importorskip("hf_xet")
    folder = Path(xet.__file__).parent
    library = b"".join(path.read_bytes() for path in folder.glob("*.so"))
    if not library:
        pytest.skip("no library of this system's kind")
    assert b"HTTP status client error" in library
    assert b"HTTP status server error" in library


class TestRateLimit:
    def error(self, status: int, **headers: str) -> Exception:
        error = ConnectionError("no")
        error.response = SimpleNamespace(  # type: ignore[attr-defined]
            status_code=status, headers={key.replace("_", "-"): headers[key] for key in headers}
        )
        return error

    def test_the_clients_own_reading_says_when_to_ask_again(self) -> None:
        pytest.importorskip("huggingface_hub", minversion="1.2")
        asked = retry._asked_to_wait
        assert asked(self.error(429, RateLimit='"api";r=0;t=55', Retry_After="3")) == 55
        assert asked(self.error(503, RateLimit='"api";r=0;t=55', Retry_After="3")) == 3

    def test_a_client_that_cannot_read_it_has_the_other_header(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("huggingface_hub.utils", SimpleNamespace())
        asked = retry._asked_to_wait
        assert asked(self.error(429, RateLimit='"api";r=0;t=55', Retry_After="3")) == 3
        assert asked(self.error(429)) == 0
