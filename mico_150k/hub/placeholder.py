"""The placeholder card that stops readers while a repository is being uploaded.

Without a card, `load_dataset` would mix all Parquet files into one configuration. The placeholder
names a configuration whose file does not exist, so every version of `datasets` raises an error for
any configuration. The placeholder keeps what people wrote into the card.
"""

import yaml

from mico_150k.card.header import by_hand
from mico_150k.card.text import CardText
from mico_150k.dataset import layout
from mico_150k.hub.repository import Repository, Snapshot
from mico_150k.hub.sync import sync_until_equal

CONFIG = "not-finished"
_NO_FILE = "this-dataset-is-being-pushed-and-not-whole-yet.parquet"
"""A file name that appears in the error of `load_dataset`."""
_TITLE = "Placeholder for the card while shards are uploaded"
_BODY = """
# MICo-150K

**This dataset is being uploaded and is not complete yet.** Until it is, `load_dataset` stops with
an error. After an interruption, re-run the push to resume it.
"""


def make_placeholder(card: CardText) -> CardText:
    """Return the placeholder for a card."""
    config = {"config_name": CONFIG, "data_files": _NO_FILE}
    header = yaml.safe_dump(
        {**by_hand(card.header), "configs": [config]}, sort_keys=False, allow_unicode=True
    )
    sections = "".join(
        f"\n<!-- by hand: {name} -->\n{text}<!-- end: {name} -->\n"
        for name, text in card.sections.items()
    )
    return CardText(f"---\n{header}---\n{_BODY}{sections}").sign()


def is_placeholder(card: CardText) -> bool:
    """Whether a card is a placeholder."""
    configs = (card.header or {}).get("configs")
    return isinstance(configs, list) and [
        config.get("config_name") for config in configs if isinstance(config, dict)
    ] == [CONFIG]


def put_placeholder(repository: Repository, revision: str, card: CardText) -> Snapshot:
    """Replace the card with a placeholder and remove the manifest.

    Args:
        repository: The repository.
        revision: The branch or pull request.
        card: The card to replace.

    Returns:
        The content of the revision afterwards.
    """
    content = make_placeholder(card).text.encode()

    def different(snapshot: Snapshot) -> list[str]:
        there = snapshot.files.get(layout.CARD)
        card_is_there = there is not None and there.holds(content)
        return [
            *([] if card_is_there else [layout.CARD]),
            *([layout.MANIFEST] if layout.MANIFEST in snapshot.files else []),
        ]

    def commit(paths: list[str], snapshot: Snapshot) -> str:
        add = {layout.CARD: content}
        delete = [path for path in paths if path == layout.MANIFEST]
        return repository.commit(add, delete, revision, _TITLE, snapshot.commit)

    return sync_until_equal(repository, revision, different, commit)
