"""`.pretokenize/` in a dataset folder: the identity and the progress of unfinished codes.

It holds the identity of the work, its finished chunks, and finally the codes. It is removed when
they become the dataset's configuration. Two runs with the same identity write the same bytes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar

from mico_150k.builders.dimoo_tokens import FIRST_TOKEN, SizeTable
from mico_150k.dataset import layout
from mico_150k.dataset.folder import DatasetFolder
from mico_150k.io.files import read_json
from mico_150k.io.workspace import ClaimedFolder, Identity
from mico_150k.pretokenize.encoder import EncoderOptions
from mico_150k.version import __version__

IDENTITY_VERSION = 1
"""The version of the identity's keys."""

_OF_MACHINE = {"device", "threads", "versions"}
"""Keys that may differ on another machine without requiring new codes."""


def make_identity(
    options: EncoderOptions, device: str, sizes: SizeTable, records: str
) -> dict[str, Any]:
    """Return the identity of codes for a kind of device; `records` is a digest of the inputs."""
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
    """Return what readers of the codes need to know, without the records' location."""
    told = {key: value for key, value in identity.items() if key not in {"version", "records"}}
    return {**told, "crop": "center", "first_token": FIRST_TOKEN}


def differing(present: Identity, wanted: Identity) -> list[str]:
    """Return the keys that differ; for an identity with other keys, only that fact."""
    if present.get("version") != wanted.get("version"):
        return ["the mico-150k that made them"]
    return [key for key in sorted({*present, *wanted}) if present.get(key) != wanted.get(key)]


@dataclass(frozen=True, slots=True)
class Workspace(ClaimedFolder):
    """The folder for unfinished work, in the dataset that the codes are for.

    Other runs of `mico pretokenize` are kept out; the dataset may be read and changed meanwhile.
    """

    dataset: DatasetFolder
    present: Identity | None = None
    """The identity of the dataset's codes, if it has any."""

    KIND: ClassVar[str] = "pretokenization"
    COMMAND: ClassVar[str] = "mico pretokenize"
    OPTION: ClassVar[str] = "dataset"
    AGAIN: ClassVar[str] = "Encode it again"
    WORK: ClassVar[str] = ""
    IDENTITY: ClassVar[str] = "work.json"

    @classmethod
    def of(cls, dataset: DatasetFolder, present: Identity | None = None) -> "Workspace":
        """Return the work folder of a dataset; its codes will be in `dimoo-codes`."""
        return cls(dataset.path / layout.CODES_WORK, dataset, present)

    @property
    def name(self) -> str:
        """The dataset's name in messages."""
        return str(self.dataset.path)

    @property
    def below(self) -> tuple[str, ...]:
        """The folder that the codes are written in."""
        return (layout.CODES,)

    def claim(self, identity: Identity, *, overwrite: bool) -> bool:
        """Begin or resume; returns False if the dataset already has these codes.

        Raises `OutputRefused` if there are other codes or other work, without `overwrite`.
        """
        if read_json(self.identity_file) == identity:
            return True
        if not overwrite:
            if self.finished(identity) == identity:  # even if other work was begun
                return False
            self.holds(identity)
        self.begin(identity, overwrite=overwrite)
        return True

    def finished(self, wanted: Identity) -> Identity:
        """Return the dataset's codes; differences between machines do not count."""
        if self.present is None:
            return {}
        differ = differing(self.present, made_with(wanted))
        pardoned = _OF_MACHINE | ({"batch"} if "device" in differ else set())
        return wanted if pardoned.issuperset(differ) else self.present

    def written(self) -> Iterator[Path]:
        """Yield no files besides the work: the dataset keeps its codes until new ones are ready."""
        yield from ()

    def is_used(self) -> bool:
        """Return False: everything in the folder is unfinished work."""
        return False

    def _refusal(self, present: Identity, wanted: Identity) -> str:
        is_begun = self.identity_file.exists()
        differ = differing(present, wanted if is_begun else made_with(wanted))
        return (
            f"{self.name} has {'begun ' if is_begun else ''}codes with other settings; what "
            f"differs is {', '.join(differ)}.\n"
            "Re-run it with their options, or replace them with --overwrite."
        )
