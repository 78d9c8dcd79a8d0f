"""What decides codes: two runs with the same identity write the same bytes."""

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from mico_150k.builders.dimoo_tokens import SizeTable
from mico_150k.export.pickles import FIRST_TOKEN
from mico_150k.pretokenize.encoder import EncoderOptions
from mico_150k.version import __version__

Identity = Mapping[str, Any]
IDENTITY_VERSION = 1
"""Of its keys."""

_OF_RECORDS = {"records", "sizes", "output_size"}
"""What says which pictures are encoded, and at which sizes."""
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


def is_content(finished: Identity, wanted: Identity) -> bool:
    """Whether finished codes are what is wanted, wherever they were made.

    Another kind of device has another number of pictures in a batch, as a rule.
    """
    pardoned = _OF_MACHINE
    if finished.get("device") != wanted.get("device"):
        pardoned = pardoned | {"batch"}
    return pardoned.issuperset(differing(finished, wanted))


def is_same_way(made: Identity, wanted: Identity) -> bool:
    """Whether a picture of codes that were made so has the same codes as it would have now."""
    return _OF_RECORDS.issuperset(differing(made, made_with(wanted)))
