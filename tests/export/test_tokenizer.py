"""How long a text is."""

from pathlib import Path

import pytest
from mico_150k.builders.dimoo_tokens import MOST, estimate, instruction

from mico_150k.core.errors import SourceNotFound
from mico_150k.export.tokenizer import load_tokenizer


def test_the_estimate_errs_upwards_and_ends_where_training_cuts() -> None:
    text = instruction("system", "Put the ball from image 1 onto the beach.")
    assert len(text.split()) < estimate(text) < len(text)
    assert estimate("x" * 10_000) == MOST
    assert estimate("把球放在海滩上") == 7


def test_a_tokenizer_counts_as_it_encodes(tmp_path: Path) -> None:
    tokenizers = pytest.importorskip("tokenizers", reason="needs the extra vq")
    words = tokenizers.Tokenizer(tokenizers.models.WordLevel({"a": 0, "?": 1}, unk_token="?"))
    words.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    words.enable_truncation(3)
    words.save(str(tmp_path / "tokenizer.json"))
    count = load_tokenizer(str(tmp_path))
    assert count("a b c a b") == 5
    assert count("a " * 5000) == MOST


def test_a_tokenizer_that_is_not_there_is_named(tmp_path: Path) -> None:
    pytest.importorskip("tokenizers", reason="needs the extra vq")
    with pytest.raises(SourceNotFound, match="tokenizer.json"):
        load_tokenizer(str(tmp_path))
