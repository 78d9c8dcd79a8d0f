"""What users read says one word for one thing: words that must not come back, and what to say."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import typer

from mico_150k.cli.app import app

ROOT = Path(__file__).parent.parent

TERMS = {
    # American spelling
    r"licen[c]e": "license",
    r"colour": "color",
    r"\bgrey": "gray",
    r"behaviou[r]": "behavior",
    r"\b(norm|organ|recogn|initial|optim|quant|summar|final)is(e|ing|ation)": "-ize; re-encoded",
    # one word for one thing
    r"\bpictures?\b": "image",
    r"\b(leaves?|left|leaving)( \w+){0,3} out\b": "skip (rows), exclude (files)",
    r"\bleft away\b": "removed",
    r"\b(goes|go|went|going) on\b": "resume, continue",
    r"\bthe same command\b": "re-run the command",
    r"\bonce more\b": "retry",
    r"\btold by\b": "detected from",
    r"\b(cannot|can|could) be told\b": "is ambiguous, cannot be detected",
    r"\btells? (of|nothing|how|which|what|that)\b": "says, lists, records",
    r"\bplaces of\b": "occurrences of",
    r"\bcolou?rs by number\b": "palette",
    r"\bfour inks\b": "CMYK",
    r"\bfor want of\b": "out of",
    r"\b(a|the) started\b": "running",
    r"\bfor ever\b": "forever",
    r"\bcomes? twice\b": "appears twice",
    # what nobody says to a colleague
    r"\bof which (none|one)\b": "two sentences",
    r"\bfor its owner's eyes\b": "private",
    r"\bso many\b": "N",
    r"\bundecided\b": "unresolved",
    r"\bmeanwhile\b": "in the meantime",
    r"\banew\b": "from the start, again",
    r"\bin good faith\b": "(say what is missing)",
    r"\b(stopped|interrupted) by anything\b": "after any interruption",
    r"\bwho works\b": "where the build runs",
    r"\bwhat is odd\b": "unusual images",
    r"\bwith places mended\b": "corrected where it fails",
    r"\bwhat comes of it\b": "the result",
    r"\bwithout a word\b": "silently",
    r"(?<!there )\b(is|are|was) no (?!longer|more|need|such)\w": "is not a",
    r"\b(is|are) none (of|from)\b": "is not one of",
    r"\bno bytes of\b": "not a",
    r"(?:^|[.!?] |\n)(?-i:Of) (a|an|the|all|each|every|these|those)\b": "start with the subject",
}
"""Patterns, in any case, and the words to use instead."""

ALLOWED = {
    "image|picture|photo|img": "words of instructions, which are data",
    "--licence": "the old spelling of an option, whose error names the new one",
    "`Picture 1: `": "what a trainer puts before inputs",
    "`Picture 2: `": "the same",
    "Put all of them into one picture.": "an instruction that a script makes up",
}
"""Texts that have a word and keep it, and why."""

IDENTIFIER = re.compile(r"[\w./*-]*")
QUOTED = re.compile(r""""([^"]*)"|'([^']*)'|`([^`]*)`""")


class Text(NamedTuple):
    """Something that users read, and where it stands."""

    where: str
    text: str


def literals(path: Path) -> Iterator[Text]:
    """The texts in a module, without docstrings and without names such as keys of JSON."""
    tree = ast.parse(path.read_text())
    bare = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in bare
            and not IDENTIFIER.fullmatch(node.value)
        ):
            yield Text(f"{path.relative_to(ROOT)}:{node.lineno}", node.value)


def lines(path: Path) -> Iterator[Text]:
    """The paragraphs of a template or document; of the changelog, those after 0.2.0."""
    text = path.read_text()
    if path.name == "CHANGELOG.md":
        text = text.partition("\n## 0.2.0\n")[0]
    elif path.suffix == ".jinja":
        text = re.sub(r"\{[{%](.*?)[%}]\}", lambda code: quoted(code[1]), text, flags=re.DOTALL)
    elif path.suffix == ".js":
        text = "\n\n".join(map(quoted, text.splitlines()))
    line = 1
    for paragraph in re.split(r"(\n\s*\n)", text):
        if paragraph.strip():
            yield Text(f"{path.relative_to(ROOT)}:{line}", paragraph)
        line += paragraph.count("\n")


def quoted(code: str) -> str:
    """The texts within JavaScript or Jinja, whose names are no users' words."""
    texts = map("".join, QUOTED.findall(code))
    return " ".join(text for text in texts if " " in text)


def helps() -> Iterator[Text]:
    """What `mico --help` and `mico COMMAND --help` say."""
    todo = [("mico", typer.main.get_command(app))]
    while todo:
        name, command = todo.pop()
        yield Text(f"{name} --help", command.help or "")
        for parameter in command.params:
            yield Text(f"{name} --help, {parameter.name}", getattr(parameter, "help", None) or "")
        todo += [(f"{name} {key}", each) for key, each in getattr(command, "commands", {}).items()]


def seen() -> Iterator[Text]:
    """All that users read."""
    package = [*(ROOT / "mico_150k").rglob("*"), *(ROOT / "builders").rglob("*")]
    package += (ROOT / "scripts").rglob("*")
    for path in sorted(package):
        if path.suffix == ".py":
            yield from literals(path)
        elif path.suffix in {".jinja", ".js", ".sh", ".md"}:
            yield from lines(path)
    for path in sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]):
        yield from lines(path)
    yield from helps()


def wrong(text: str) -> Iterator[str]:
    """Each word of a text that must not be there, and the right one."""
    for allowed in ALLOWED:
        text = text.replace(allowed, "")
    text = re.sub(r"(?<=\S)[ \t]*\n[ \t#]*(?=\S)", " ", text)
    for pattern, right in TERMS.items():
        for match in re.finditer(pattern, text, re.IGNORECASE):
            around = text[max(0, match.start() - 30) : match.end() + 30]
            yield f"{match[0]!r} → {right}: …{around}…"


def test_users_read_the_right_words() -> None:
    found = [f"{where}: {what}" for where, text in seen() for what in wrong(text)]
    assert not found, "\n".join(found)
