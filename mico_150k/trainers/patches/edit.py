"""What a patch is made of: places in a clone's files, and the lines that go there."""

from collections.abc import Iterator
from dataclasses import dataclass

from mico_150k.core.errors import CloneRefused
from mico_150k.core.plural import counted


@dataclass(frozen=True, slots=True)
class Edit:
    """Whole lines of one file that become other lines.

    `old` must stand there exactly once, and `new` shows that the edit is made. `rival` is what
    stands there when somebody has pasted the guide's own lines, which do not go with ours.
    """

    file: str
    old: str
    new: str
    rival: str = ""

    def apply(self, text: str, where: str) -> str:
        """The file's text with the edit made. Raises `CloneRefused`, naming file and place."""
        if _has_lines(text, self.new):
            return text
        if self.rival and self.rival in text:
            line = text[: text.index(self.rival)].count("\n") + 1
            msg = (
                f"{where}, line {line}: {self.rival!r} is already there, pasted by hand. Undo "
                "that (`git checkout` restores the file) and re-run the command."
            )
            raise CloneRefused(msg)
        found = list(_places(text, self.old))
        if len(found) != 1:
            msg = (
                f"{where} is not as expected: it has this {counted(len(found), 'time')} instead of "
                f"once:\n{self.old}\n"
                "Nothing is changed. docs/training.md says what the change would be."
            )
            raise CloneRefused(msg)
        start = found[0]
        return text[:start] + self.new + text[start + len(self.old) :]


@dataclass(frozen=True, slots=True)
class Patch:
    """All edits to one trainer's clone; `origin` says which repository that is."""

    name: str
    origin: str
    edits: tuple[Edit, ...]

    @property
    def files(self) -> list[str]:
        """The files that it changes, relative to the clone."""
        return list(dict.fromkeys(edit.file for edit in self.edits))


def _has_lines(text: str, lines: str) -> bool:
    return next(_places(text, lines), None) is not None


def _places(text: str, lines: str) -> Iterator[int]:
    """Where these lines stand in the text, as whole lines."""
    start = text.find(lines)
    while start >= 0:
        end = start + len(lines)
        if text[start - 1 : start] in {"", "\n"} and text[end : end + 1] in {"", "\n"}:
            yield start
        start = text.find(lines, start + 1)
