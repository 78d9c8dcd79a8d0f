"""The dataset card: YAML that `datasets` and the Hub read, and text for people.

The YAML's counts must be true: `load_dataset` stops where a split has other rows than its card
says, in every version.
"""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import yaml

from mico_150k import names
from mico_150k.bench import BENCH_COLUMNS
from mico_150k.builders import BUILDERS, TRAINERS
from mico_150k.card_figures import Figures
from mico_150k.card_text import CardText
from mico_150k.columns import Columns, card_features
from mico_150k.forecast import gigabytes
from mico_150k.images.rule import CAUSES
from mico_150k.index import INDEX_COLUMNS
from mico_150k.markdown import markdown_template
from mico_150k.reason import Reason

PURPOSES = {
    **{name: builder.purpose for name, builder in BUILDERS.items()},
    names.SAMPLE: "trying things on: some rows of `default`, of all tasks",
    names.INDEX: "filtering: `default` without the images, and where each row lies",
    names.BENCH: "evaluating: MICo-Bench, in the split `test`",
}
COLUMNS: dict[str, Columns] = {
    **{name: builder.columns for name, builder in BUILDERS.items()},
    names.SAMPLE: BUILDERS[names.DEFAULT].columns,
    names.INDEX: INDEX_COLUMNS,
    names.BENCH: BENCH_COLUMNS,
}
ASSETS = "assets"
"""The folder, inside a dataset folder, of pictures that the card shows."""
_PICTURES = ("*.png", "*.jpg", "*.webp")

LICENCE_KEYS = ("license", "license_name", "license_link")
_OUR_KEYS = (
    "pretty_name", "language", "task_categories", "tags", "size_categories", "configs",
    "dataset_info",
)  # fmt: skip

# The Hub's size categories: the first whose bound is above the number of rows.
_SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
)


@dataclass(frozen=True, slots=True)
class Card:
    """A card, from a manifest, a report and the figures of an index.

    `name` is what `load_dataset` is to be given. `by_hand` are YAML keys that a person has
    added, the licence among them, and `sections` the texts. `pictures` are names in `assets/`.
    """

    manifest: dict[str, Any]
    report: dict[str, Any]
    figures: Figures
    name: str = names.DATASET
    by_hand: Mapping[str, Any] = field(default_factory=dict)
    sections: Mapping[str, str] = field(default_factory=dict)
    pictures: tuple[str, ...] = ()

    @classmethod
    def of_folder(
        cls,
        folder: Path,
        manifest: dict[str, Any],
        report: dict[str, Any],
        *,
        before: CardText,
        name: str = names.DATASET,
    ) -> "Card":
        """The card of a dataset folder. What a person wrote into the one before is kept."""
        pictures = [path.name for pattern in _PICTURES for path in (folder / ASSETS).glob(pattern)]
        return cls(
            manifest=manifest,
            report=report,
            figures=Figures.of_index(folder / names.INDEX / names.shard_name(0)),
            name=name,
            by_hand={k: v for k, v in (before.header or {}).items() if k not in _OUR_KEYS},
            sections=before.sections,
            pictures=tuple(sorted(filter(_is_plain, pictures))),
        )

    def with_licence(self, keys: Mapping[str, str]) -> "Card":
        """The same with these keys as its licence; itself where there are none."""
        if not keys:
            return self
        kept = {key: value for key, value in self.by_hand.items() if key not in LICENCE_KEYS}
        return replace(self, by_hand={**keys, **kept})

    def joined_with(self, other: CardText) -> "Card":
        """The same with what a person has added to another card, where this one has nothing."""
        theirs = {k: v for k, v in (other.header or {}).items() if k not in _OUR_KEYS}
        if any(key in self.by_hand for key in LICENCE_KEYS):
            theirs = {key: value for key, value in theirs.items() if key not in LICENCE_KEYS}
        return replace(
            self,
            by_hand={**theirs, **self.by_hand},
            sections={**other.sections, **self.sections},
        )

    def render(self) -> str:
        """The whole README.md."""
        header = yaml.safe_dump(self.header(), sort_keys=False, allow_unicode=True, width=100)
        known = ("about", "notes")
        text = markdown_template("card.md").render(
            header=header,
            name=self.name,
            configs=self._configs(),
            licence=self.by_hand.get("license"),
            report=self.report,
            figures=self.figures,
            pictures=self.pictures,
            build=self.manifest["build"],
            command=_command(self.manifest["build"]),
            source_files=len(self.manifest["source"]),
            source_digest=_source_digest(self.manifest["source"]),
            meanings={reason.value: reason.meaning for reason in Reason},
            causes={cause.name: cause for cause in CAUSES},
            sections={name: self.sections.get(name, "") for name in known},
            others={n: text for n, text in self.sections.items() if n not in known},
        )
        return CardText(text).sign()

    def header(self) -> dict[str, Any]:
        """The YAML, as plain values."""
        rows = self.manifest["rows"]
        built = self._built
        return {
            "pretty_name": "MICo-150K",
            **{key: self.by_hand[key] for key in LICENCE_KEYS if key in self.by_hand},
            "language": ["en"],
            "task_categories": ["image-to-image"],
            "tags": [
                "multi-image-composition", "image-editing", "image-generation", "arxiv:2512.07348",
            ],
            "size_categories": [next((name for most, name in _SIZES if rows < most), "1M<n<10M")],
            **{key: self.by_hand[key] for key in self.by_hand if key not in LICENCE_KEYS},
            "configs": [
                {
                    "config_name": name,
                    "data_files": [
                        {"split": split, "path": f"{name}/{split}-*.parquet"}
                        for split in self._splits(name)
                    ],
                    **({"default": True} if name == built[0] else {}),
                }
                for name in built
            ],
            "dataset_info": [self._info(name) for name in built],
        }  # fmt: skip

    def _info(self, config: str) -> dict[str, Any]:
        splits = self._splits(config)
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

    def _splits(self, config: str) -> dict[str, list[dict[str, Any]]]:
        """The configuration's files by split."""
        files = self.manifest["configs"][config]
        found = {
            split: [file for name, file in files.items() if names.split_of(name) == split]
            for split in names.SPLITS
        }
        return {split: of_split for split, of_split in found.items() if of_split}

    def _configs(self) -> list[dict[str, Any]]:
        return [
            {
                "name": name,
                "purpose": f"[{PURPOSES[name]}]({TRAINERS[name].url})"
                if name in TRAINERS
                else PURPOSES[name],
                "columns": ", ".join(f"`{column}`" for column in COLUMNS[name]),
                "rows": sum(file["rows"] for file in shards.values()),
                "size": gigabytes(sum(file["bytes"] for file in shards.values())),
                "files": len(shards),
            }
            for name in self._built
            for shards in [self.manifest["configs"][name]]
        ]

    @property
    def _built(self) -> list[str]:
        """The configurations in the card's order; a manifest that was read has lost it."""
        return [name for name in COLUMNS if name in self.manifest["configs"]]


def _is_plain(name: str) -> bool:
    """Whether a file's name can stand in Markdown as it is."""
    return name.replace("-", "").replace("_", "").replace(".", "").isalnum() and name.isascii()


def _command(build: dict[str, Any]) -> str:
    """What builds the same bytes of the same source: a line for each step."""
    options = build["options"]
    if build["source"] == "dataset":
        return f"{_command(build['of']['build'])}\nmico build DATASET {_refining(options)}"
    chosen = options["configs"]
    every = set(chosen) == set(COLUMNS) - {names.INDEX, names.BENCH}
    configs = "" if every else "".join(f" --config {name}" for name in chosen)
    return (
        f"mico build RELEASE{configs} --verify {options['verify']} "
        f"--shard-mb {options['shard_bytes'] >> 20} --seed {options['seed']}"
    )


def _refining(options: dict[str, Any]) -> str:
    """The options that make a dataset of a dataset."""
    selection = options["selection"]
    where = " ".join((selection["where"] or "").replace("`", "").split())
    words = [
        "--remove LIST" if options["remove"] else "",
        f"--where {shlex.quote(where)}" if where else "",
        f"--sample {selection['sample']}" if selection["sample"] else "",
        "--bench MICO_BENCH" if options["bench"] else "",
        "--mark" if options["mark"] else "",
        "--exact" if options["exact"] else "",
        f"--validation {options['validation']}" if options["validation"] else "",
        f"--seed {options['seed']}",
    ]
    return " ".join(filter(None, words))


def _source_digest(source: list[dict[str, Any]]) -> str:
    """One name for all files that were read, by their names and content."""
    lines = sorted(f"{file['name']} {file['content']}\n" for file in source)
    return sha256("".join(lines).encode()).hexdigest()[:16]
