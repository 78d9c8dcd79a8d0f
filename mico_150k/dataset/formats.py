"""The formats of our JSON files: a name with a number, and the version that wrote them."""

from mico_150k.core.excerpt import excerpt
from mico_150k.dataset import layout


def is_format(named: object, ours: str) -> bool:
    """Whether a value names our format, with any number."""
    name, _, number = named.rpartition("/") if isinstance(named, str) else ("", "", "")
    return name == ours.rpartition("/")[0] and number.isascii() and number.isdecimal()


def is_manifest(found: object) -> bool:
    """Whether a JSON value is a manifest of ours, whole or damaged, of this format or another."""
    return isinstance(found, dict) and is_format(found.get("format"), layout.MANIFEST_FORMAT)


def written_by(identity: object) -> str:
    """Return the version of mico-150k in an identity, as a phrase."""
    said = identity if isinstance(identity, dict) else {}
    versions = said.get("versions")
    found = versions.get("mico-150k") if isinstance(versions, dict) else said.get("version")
    return f"mico-150k {excerpt(found)}" if isinstance(found, str) else "another mico-150k"


def other_format(where: object, named: object, identity: object, ours: str) -> str:
    """Return why another version's file cannot be read; "" if this version can read it."""
    if named == ours or not is_format(named, ours):
        return ""
    return (
        f"{where} was written by {written_by(identity)}, as {excerpt(named)}; "
        f"this version reads {ours}."
    )
