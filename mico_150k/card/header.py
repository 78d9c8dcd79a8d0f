"""A card's YAML header: keys for `datasets` and the Hub, and keys that a person may add.

Its counts must be true: `load_dataset` stops where a split has other rows than its card says, in
every version.
"""

from collections.abc import Mapping
from typing import Any

from mico_150k.card.text import GENERATED_KEYS
from mico_150k.core.columns import card_features
from mico_150k.dataset import layout
from mico_150k.dataset.configurations import COLUMNS

LICENSE_KEYS = ("license", "license_name", "license_link")
_NAME = "pretty_name"
_SOURCE = "source_datasets"
_PRETTY_NAME = "MICo-150K"
_DEMO = "demo"
_LISTS = {
    "language": ["en"],
    "annotations_creators": ["machine-generated"],
    "task_categories": ["image-text-to-image", "image-to-image"],
    "tags": [
        "multi-image-composition", "image-editing", "image-generation", "arxiv:2512.07348",
    ],
    _SOURCE: ["kr-cen/MICo-150K"],
}  # fmt: skip
"""Values of ours, to which a person may add. The demo's rows have no source."""

# The Hub's size categories: the first whose bound is above the number of rows.
_SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
)


def by_hand(header: Mapping[str, Any] | None) -> dict[str, Any]:
    """The keys that a person may have written into a header, the license among them."""
    kept = {str(key): value for key, value in (header or {}).items() if key not in GENERATED_KEYS}
    if kept.get(_NAME) == _PRETTY_NAME:
        del kept[_NAME]
    return kept


def join_by_hand(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, Any]:
    """Join two sets of keys: lists are united, otherwise ours wins; a license stays whole."""
    if any(key in ours for key in LICENSE_KEYS):
        theirs = {key: value for key, value in theirs.items() if key not in LICENSE_KEYS}
    lists = {key: _united(ours.get(key), theirs[key]) for key in _LISTS if key in theirs}
    return {**theirs, **ours, **lists}


def differing_by_hand(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[str]:
    """The keys of which a join would lose what theirs says."""
    return [key for key in theirs if key in ours and key not in _LISTS and theirs[key] != ours[key]]


def make_header(manifest: Mapping[str, Any], written: Mapping[str, Any]) -> dict[str, Any]:
    """The header of a manifest's card, as plain values; `written` is by hand."""
    rows = manifest["rows"]
    built = built_configs(manifest)
    first = (_NAME, *LICENSE_KEYS, *_LISTS)
    return {
        _NAME: written.get(_NAME, _PRETTY_NAME),
        **{key: written[key] for key in LICENSE_KEYS if key in written},
        **{
            key: _united(own, written.get(key))
            for key, own in _LISTS.items()
            if key != _SOURCE or key in written or not is_demo(manifest)
        },
        "size_categories": [next((name for most, name in _SIZES if rows < most), "1M<n<10M")],
        **{key: value for key, value in written.items() if key not in first},
        "configs": [
            {
                "config_name": name,
                "data_files": [
                    {"split": split, "path": f"{name}/{split}-*.parquet"}
                    for split in _splits(manifest, name)
                ],
                **({"default": True} if name == built[0] else {}),
            }
            for name in built
        ],
        "dataset_info": [_info(manifest, name) for name in built],
    }


def built_configs(manifest: Mapping[str, Any]) -> list[str]:
    """The configurations in the card's order; a manifest that was read has lost it."""
    return [name for name in COLUMNS if name in manifest["configs"]]


def is_demo(manifest: Mapping[str, Any]) -> bool:
    """Whether `mico build` drew the rows itself, also where they were refined since."""
    build: Any = manifest["build"]
    while isinstance(build, Mapping) and isinstance(build.get("of"), Mapping):
        build = build["of"].get("build")
    return isinstance(build, Mapping) and build.get("source") == _DEMO


def _info(manifest: Mapping[str, Any], config: str) -> dict[str, Any]:
    splits = _splits(manifest, config)
    shards = [file for files in splits.values() for file in files]
    return {
        "config_name": config,
        "features": card_features(COLUMNS[config]),
        "splits": [
            {
                "name": split,
                "num_bytes": sum(file["arrow_bytes"] for file in files),
                "num_examples": sum(file["rows"] for file in files),
            }
            for split, files in splits.items()
        ],
        "download_size": sum(file["bytes"] for file in shards),
        "dataset_size": sum(file["arrow_bytes"] for file in shards),
    }


def _splits(manifest: Mapping[str, Any], config: str) -> dict[str, list[dict[str, Any]]]:
    """The configuration's files by split."""
    files = manifest["configs"][config]
    found = {
        split: [file for name, file in files.items() if layout.split_of(name) == split]
        for split in layout.SPLITS
    }
    return {split: of_split for split, of_split in found.items() if of_split}


def _united(ours: Any, theirs: Any) -> list[Any]:  # noqa: ANN401 - any YAML value
    """The values of both, each once; the Hub lets a list of one be the value itself."""
    both = [
        item
        for value in (ours, theirs)
        if value is not None
        for item in (value if isinstance(value, list) else [value])
    ]
    return [item for place, item in enumerate(both) if item not in both[:place]]
