"""A card that lies in a folder or on the Hub: its header, and what a person wrote into it.

Between `<!-- by hand: NAME -->` and `<!-- end: NAME -->` a person may write anything, and it
stays when the card is written again. The last line tells whether the rest was changed.
"""

import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import yaml

_SECTION = re.compile(r"(<!-- by hand: ([\w-]+) -->\n)(.*?)(<!-- end: \2 -->)", re.DOTALL)
_SIGNED = re.compile(r"\n<!-- mico card ([0-9a-f]{16}) -->\n\Z")


@dataclass(frozen=True, slots=True)
class CardText:
    """A card as text."""

    text: str

    @property
    def header(self) -> dict[str, Any] | None:
        """The YAML header; None where there is none, or none that is a mapping."""
        header, separator, _ = self._parts
        if not separator:
            return None
        try:
            parsed = yaml.safe_load(header)
        except (yaml.YAMLError, ValueError):
            return None
        return parsed if isinstance(parsed, dict) else None

    @property
    def sections(self) -> dict[str, str]:
        """What stands in the sections that are kept, by name; empty ones are left out."""
        return {found[2]: found[3] for found in _SECTION.finditer(self._body) if found[3].strip()}

    @property
    def is_untouched(self) -> bool:
        """Whether the text is ours, except for the kept sections and the header."""
        signed = _SIGNED.search(self._body)
        return signed is not None and signed[1] == _digest(self._body[: signed.start()])

    def sign(self) -> str:
        """The text with the line at its end that `is_untouched` looks for."""
        return f"{self.text.rstrip()}\n<!-- mico card {_digest(self._body.rstrip())} -->\n"

    @property
    def _parts(self) -> tuple[str, str, str]:
        start, _, rest = self.text.replace("\r\n", "\n").partition("---\n")
        return rest.partition("\n---\n") if not start.strip() else ("", "", self.text)

    @property
    def _body(self) -> str:
        _, separator, body = self._parts
        return body if separator else self.text


def _digest(body: str) -> str:
    """Of a card's body without what is written by hand."""
    ours = _SECTION.sub(r"\1\4", body).rstrip()
    return sha256(ours.encode()).hexdigest()[:16]
