"""Whatever counts things for users says "1 row" and "2 rows": `counted` writes the number."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "mico_150k"

NOUNS = (
    "attempt|byte|case|channel|character|chunk|cluster|code|column|commit|configuration|core|"
    "CPU|error|fault|file|folder|GPU|group|hour|id|image|input|instruction|key|line|"
    "link|message|minute|name|node|option|output|page|partition|place|problem|"
    "question|rank|reader|record|request|row|sample|second|segment|shard|source|step|task|"
    "text|time|token|trainer|turn|value|word|worker"
)
BETWEEN = r"(?:(?!(?:has|have|had|is|are|of|the|for|in|on|to|and|or|with|from)\b)[A-Za-z-]+ ){0,2}"
COUNTED = re.compile(rf" {BETWEEN}(?:entries|processes|(?:{NOUNS})s)\b|[ \w]*\(s\)")
VERBS = re.compile(r" (?:names|needs|takes|reads|lacks|holds|keeps|gives|says)\b")
CONSTANT = re.compile(r"_?[A-Z][A-Z_]*( \+ 1)?")

EXCEPTIONS = {
    "{self.ranks} ranks": "core/trainer.py: the words of `--ranks` and `--num-workers`",
    "{max(1, self.workers)} workers": "the same",
    "{trainer.max_inputs} inputs": "export/start.py: no trainer has a limit of one input",
    "{exported.identity['max_inputs']} inputs": "export/start.py: still to be counted",
    "{way_out} fewer ranks": "export/parquet_export.py: what to do, no number",
    "{size} bytes": "io/machine.py: `gigabytes`, whose sizes are thousands and more",
}
"""Beginnings of texts that keep a bare number, and why."""


def bare_counts(tree: ast.AST, text: str) -> Iterator[tuple[int, str]]:
    """The line and the text of each f-string that has a number right before a plural."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.JoinedStr):
            continue
        for before, value, after in zip(
            [None, *node.values], node.values, node.values[1:], strict=False
        ):
            if not isinstance(value, ast.FormattedValue) or not isinstance(after, ast.Constant):
                continue
            source = ast.get_source_segment(text, value.value) or ast.unparse(value.value)
            said = str(after.value)
            found = COUNTED.match(said)
            product = isinstance(before, ast.Constant) and re.search(r"×\s*$", str(before.value))
            if found and not VERBS.match(said) and not CONSTANT.fullmatch(source) and not product:
                yield value.lineno, f"{{{source}}}{found[0]}"


@pytest.mark.parametrize("text", ['f"{n} rows"', 'f"{len(x):,} old files"', 'f"{n} file(s)"'])
def test_a_bare_number_before_a_plural_is_found(text: str) -> None:
    assert list(bare_counts(ast.parse(text), text))


@pytest.mark.parametrize(
    "text",
    ["f\"{counted(n, 'row')} read\"", 'f"{MOST} rows"', 'f"{folder} has rows"', 'f"{n} in rows"'],
)
def test_other_texts_are_not(text: str) -> None:
    assert not list(bare_counts(ast.parse(text), text))


def test_messages_count_with_agreement() -> None:
    wrong = [
        f"{path.relative_to(PACKAGE.parent)}:{line}: {text}"
        for path in sorted(PACKAGE.rglob("*.py"))
        for source in [path.read_text()]
        for line, text in bare_counts(ast.parse(source), source)
        if not any(text.startswith(known) for known in EXCEPTIONS)
    ]
    assert not wrong, "\n".join(wrong)
