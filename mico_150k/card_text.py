"""A card that lies in a folder or on the Hub: its header, and what a person wrote into it.

Between `<!-- by hand: NAME -->` and `<!-- end: NAME -->` a person may write anything, and it
stays when the card is written again. The last line tells whether the rest was changed, and
whether anything was.
"""

import json
import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import yaml

GENERATED_KEYS = ("size_categories", "configs", "dataset_info")
"""Of a header: they follow from the data. All others a person may change."""

_HEADER = re.compile(r"\A\s*---[ \t]*\n(.*?)^---[ \t]*$\n?", re.DOTALL | re.MULTILINE)
_SECTION = re.compile(
    r"<!-- by hand: ([\w-]+) -->[ \t]*\n(.*?)<!-- end: \1 -->", re.DOTALL | re.ASCII
)
_SIGNED = re.compile(r"\n<!-- mico card ([0-9a-f]{16}) ([0-9a-f]{16}) -->\s*\Z")


@dataclass(frozen=True, slots=True)
class CardText:
    """A card as text."""

    text: str

    @property
    def header(self) -> dict[str, Any] | None:
        """The YAML header; None where there is none, or none that is a mapping."""
        found = _HEADER.match(self._lines)
        if not found:
            return None
        try:
            parsed = yaml.safe_load(found[1])
        except (yaml.YAMLError, ValueError):
            return None
        return parsed if isinstance(parsed, dict) else None

    @property
    def body(self) -> str:
        """All but the header."""
        return _HEADER.sub("", self._lines)

    @property
    def sections(self) -> dict[str, str]:
        """What stands in the sections that are kept, by name; empty ones are left out."""
        return {found[1]: found[2] for found in _SECTION.finditer(self.body) if found[2].strip()}

    @property
    def own(self) -> str:
        """A digest of the keys that follow from the data, and of the text outside of sections.

        Blank lines are not in it, so that a section may be added anywhere.
        """
        header = self.header or {}
        keys = {key: header[key] for key in GENERATED_KEYS if key in header}
        lines = _SECTION.sub("", self.unsigned.body).splitlines()
        text = "\n".join(line for line in lines if line.strip())
        return _digest(json.dumps(keys, sort_keys=True, default=str) + text)

    @property
    def is_untouched(self) -> bool:
        """Whether all is ours but the kept sections and the keys that a person may change."""
        signed = _SIGNED.search(self._lines)
        return signed is not None and signed[1] == self.own

    @property
    def is_as_signed(self) -> bool:
        """Whether nothing at all has changed since it was signed."""
        signed = _SIGNED.search(self._lines)
        return signed is not None and signed[2] == _digest(self.unsigned.text)

    def says(self, other: "CardText") -> bool:
        """Whether the other has the same text, however it is signed."""
        return self.unsigned == other.unsigned

    def sign(self) -> "CardText":
        """The text with the line at its end that says all of it is ours."""
        return _signed(self.unsigned.text, self.own)

    def sign_again(self) -> "CardText":
        """The same text, as somebody has changed it, signed as it is; itself if it never was."""
        signed = _SIGNED.search(self._lines)
        return _signed(self.unsigned.text, signed[1]) if signed else self

    @property
    def unsigned(self) -> "CardText":
        """The same without the line at its end."""
        return CardText(_SIGNED.sub("", self._lines).rstrip())

    @property
    def _lines(self) -> str:
        """The text as it is however a browser ends its lines."""
        return self.text.replace("\r\n", "\n")


def _signed(text: str, ours: str) -> CardText:
    return CardText(f"{text}\n<!-- mico card {ours} {_digest(text)} -->\n")


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:16]
