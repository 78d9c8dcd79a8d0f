"""The text of an existing card: its header, and the sections that a person wrote.

Between `<!-- by hand: NAME -->` and `<!-- end: NAME -->` a person may write anything, and it
stays when the card is written again. The last line tells whether the rest was changed, and
whether anything was.
"""

import json
import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import yaml

GENERATED_KEYS = ("size_categories", "configs", "dataset_info")
"""Keys of a header that follow from the data. A person may change all others."""

_HEADER = re.compile(r"\A\s*---[ \t]*\n(.*?)^---[ \t]*$\n?", re.DOTALL | re.MULTILINE)
_BEGIN = re.compile(r"<!-- by hand: ([\w-]+) -->[ \t]*\n", re.ASCII)
_END = re.compile(r"<!-- end: ([\w-]+) -->", re.ASCII)
_SIGNED = re.compile(r"\n<!-- mico card ([0-9a-f]{16}) ([0-9a-f]{16}) -->\s*\Z")

MOST_HEADER = 1 << 18
"""Characters of a header: YAML is slow to read."""
_MOST_NODES = 100_000
_MOST_BRACKETS = 2_000
"""Lists in lists take the square of their number to read."""


@dataclass(frozen=True, slots=True)
class CardText:
    """A card as text."""

    text: str

    @property
    def header(self) -> dict[str, Any] | None:
        """The YAML header; None where there is none, or none that is a mapping."""
        found = _HEADER.match(self._lines)
        if not found or len(found[1]) > MOST_HEADER:
            return None
        if found[1].count("[") + found[1].count("{") > _MOST_BRACKETS:
            return None
        try:
            parsed = yaml.safe_load(found[1])
        except Exception:  # noqa: BLE001 - a stranger's tags and nesting make it raise anything
            return None
        return parsed if isinstance(parsed, dict) and _is_small(parsed) else None

    @property
    def body(self) -> str:
        """All but the header."""
        return _HEADER.sub("", self._lines)

    @property
    def sections(self) -> dict[str, str]:
        """What stands in the sections that are kept, by name; empty ones are skipped."""
        body = self.body
        found = {name: body[start:end] for name, start, end, _, _ in _sections(body)}
        return {name: text for name, text in found.items() if text.strip()}

    @property
    def own(self) -> str:
        """A digest of the keys that follow from the data, and of the text outside of sections.

        Blank lines are not in it, so that a section may be added anywhere.
        """
        header = self.header or {}
        keys = {key: header[key] for key in GENERATED_KEYS if key in header}
        lines = _without_sections(self.unsigned.body).splitlines()
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
        """Append the signature that says that all of the text is ours."""
        return _signed(self.unsigned.text, self.own)

    def sign_again(self) -> "CardText":
        """Sign the text again after a person changed it; a card that was never signed stays so."""
        signed = _SIGNED.search(self._lines)
        return _signed(self.unsigned.text, signed[1]) if signed else self

    @property
    def unsigned(self) -> "CardText":
        """The card without the signature at its end."""
        return CardText(_SIGNED.sub("", self._lines).rstrip())

    @property
    def _lines(self) -> str:
        """The text as it is however a browser ends its lines."""
        return self.text.replace("\r\n", "\n")


def _sections(body: str) -> Iterator[tuple[str, int, int, int, int]]:
    """Each section: its name, its text from and to, and all of it from and to.

    One ends at the first mark of its name; what begins inside of it is its text.
    """
    ends: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for mark in _END.finditer(body):
        ends[mark[1]].append(mark.span())
    position = 0
    for mark in _BEGIN.finditer(body):
        of_name = ends[mark[1]]
        place = bisect_left(of_name, (mark.end(), 0))
        if mark.start() >= position and place < len(of_name):
            start, position = of_name[place]
            yield mark[1], mark.end(), start, mark.start(), position


def _without_sections(body: str) -> str:
    pieces = []
    position = 0
    for *_, start, end in _sections(body):
        pieces.append(body[position:start])
        position = end
    return "".join([*pieces, body[position:]])


def _is_small(header: Any) -> bool:  # noqa: ANN401 - any YAML value
    """Whether it can be walked through: YAML's aliases make much of little, and circles."""
    waiting = [header]
    for _ in range(_MOST_NODES):
        if not waiting:
            return True
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += [*value.keys(), *value.values()]
        elif isinstance(value, list | tuple | set):
            waiting += value
    return False


def _signed(text: str, ours: str) -> CardText:
    return CardText(f"{text}\n<!-- mico card {ours} {_digest(text)} -->\n")


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:16]
