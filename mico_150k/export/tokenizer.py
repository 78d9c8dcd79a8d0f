"""How many tokens a record's text is in training, by its tokenizer or by an estimate."""

from pathlib import Path

from mico_150k.builders.dimoo_tokens import MOST, TextLength
from mico_150k.core.errors import MissingPackage, SourceNotFound


def load_tokenizer(where: str) -> TextLength:
    """The tokenizer in a folder or file, or of a Hub id. Raises `SourceNotFound`, `MissingPackage`.

    Its `tokenizer.json` is read, and no code that may come with it.
    """
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        msg = "--tokenizer needs tokenizers: pip install '.[vq]' in the clone of mico-150k"
        raise MissingPackage(msg) from error
    try:
        place = Path(where)
        if not place.exists():
            from huggingface_hub import hf_hub_download

            place = Path(hf_hub_download(where, _FILE))
        file = place / _FILE if place.is_dir() else place
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:  # the library raises bare ones, the Hub's client a dozen types
        msg = f"--tokenizer {where}: no {_FILE} could be read: {error}"
        raise SourceNotFound(msg) from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return lambda text: min(MOST, len(tokenizer.encode(text).ids))


_FILE = "tokenizer.json"
