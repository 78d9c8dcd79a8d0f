"""`.pretokenize/` in a dataset folder while its codes are made: whose work it is, and how far.

It holds what the work is, its finished chunks, and at last the codes. It is gone when they are the
dataset's configuration. Two runs with the same identity write the same bytes.
"""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mico_150k.builders.dimoo_tokens import FIRST_TOKEN, SizeTable
from mico_150k.core.errors import OutputRefused
from mico_150k.dataset import layout
from mico_150k.dataset.folder import DatasetFolder
from mico_150k.io.files import read_json, write_json
from mico_150k.io.hold import hold
from mico_150k.pretokenize.encoder import EncoderOptions
from mico_150k.version import __version__

Identity = Mapping[str, Any]
IDENTITY_VERSION = 1
"""Of its keys."""

_STATE = "work.json"
_OF_MACHINE = {"device", "threads", "versions"}
"""What another machine has otherwise, and whoever asks for the same codes again need not have."""


def make_identity(
    options: EncoderOptions, device: str, sizes: SizeTable, records: str
) -> dict[str, Any]:
    """Of codes made on a kind of device; `records` is a digest of what is encoded."""
    precision = options.precision
    return {
        "version": IDENTITY_VERSION,
        "vq_sha256": options.vq_sha256,
        "device": device,
        "dtype": precision.dtype,
        "batch": precision.batch,
        "threads": precision.threads,
        "sizes": str(sizes),
        "output_size": sizes.output,
        "records": records,
        "versions": {
            "mico-150k": __version__,
            **{name: version(name) for name in ("torch", "diffusers", "pillow", "pyarrow")},
        },
    }


def made_with(identity: Identity) -> dict[str, Any]:
    """What whoever reads the codes wants to know: not where the records came from."""
    told = {key: value for key, value in identity.items() if key not in {"version", "records"}}
    return {**told, "crop": "center", "first_token": FIRST_TOKEN}


def differing(present: Identity, wanted: Identity) -> list[str]:
    """What is not the same; of an identity with other keys, that alone."""
    if present.get("version") != wanted.get("version"):
        return ["the mico-150k that made them"]
    return [key for key in sorted({*present, *wanted}) if present.get(key) != wanted.get(key)]


@dataclass(frozen=True, slots=True)
class Workspace:
    """The dataset folder that codes are made for."""

    dataset: DatasetFolder

    @property
    def path(self) -> Path:
        """The folder of what is not finished; the codes come to its `dimoo-codes`."""
        return self.dataset.path / layout.CODES_WORK

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep out other runs. The dataset itself may be read and changed meanwhile.

        Raises `OutputRefused`.
        """
        with hold(self.path, (layout.CODES,), name=str(self.dataset.path)):
            yield

    def claim(self, identity: Identity, present: Identity | None, *, overwrite: bool) -> bool:
        """Begin, or go on; False where the dataset has these very codes, made `present` so.

        Raises `OutputRefused` where there are others, or other work, and not to `overwrite`.
        """
        begun = read_json(self.path / _STATE)
        if begun == {"identity": identity}:
            return True
        differ = differing(present, made_with(identity)) if present else []
        pardoned = _OF_MACHINE | ({"batch"} if "device" in differ else set())
        if not overwrite:
            if present and pardoned.issuperset(differ):
                return False
            other = begun.get("identity")
            if other or present:
                what = differing(other, identity) if other else differ
                msg = (
                    f"{self.dataset.path} has {'begun ' if other else ''}codes that are made "
                    f"otherwise; what differs is {', '.join(what)}.\n"
                    "Run it with what they were made with, or replace them with --overwrite."
                )
                raise OutputRefused(msg)
        for path in self.path.glob("chunk-*"):
            path.unlink()
        write_json(self.path / _STATE, {"identity": identity})
        return True

    def remove(self) -> None:
        """The codes are the dataset's: nothing is kept twice."""
        (self.path / _STATE).unlink(missing_ok=True)  # first: of half of it nobody could go on
        shutil.rmtree(self.path, ignore_errors=True)
