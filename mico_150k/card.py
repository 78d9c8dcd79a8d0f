"""The dataset card: YAML that `datasets` and the Hub read, and text for people.

The YAML's counts must be true: `load_dataset` stops where a split has other rows than its card
says, in every version.
"""

from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import jinja2
import yaml

from mico_150k import names
from mico_150k.builders import BUILDERS
from mico_150k.columns import Columns, card_features
from mico_150k.forecast import gigabytes
from mico_150k.images.rule import CAUSES
from mico_150k.index import INDEX_COLUMNS
from mico_150k.reason import Reason

PURPOSES = {
    **{name: builder.purpose for name, builder in BUILDERS.items()},
    names.SAMPLE: "trying things on: some rows of `default`, of all tasks",
    names.INDEX: "filtering: `default` without the images, and where each row lies",
}
COLUMNS: dict[str, Columns] = {
    **{name: builder.columns for name, builder in BUILDERS.items()},
    names.SAMPLE: BUILDERS[names.DEFAULT].columns,
    names.INDEX: INDEX_COLUMNS,
}

# The Hub's size categories: the first whose bound is above the number of rows.
_SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
)


@dataclass(frozen=True, slots=True)
class Card:
    """A card, from a manifest and a report."""

    manifest: dict[str, Any]
    report: dict[str, Any]

    def render(self) -> str:
        """The whole README.md."""
        environment = jinja2.Environment(
            autoescape=jinja2.select_autoescape(
                default=False
            ),  # Markdown, without strangers' words
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        template = files("mico_150k").joinpath("templates/card.md.jinja").read_text()
        header = yaml.safe_dump(self.header(), sort_keys=False, allow_unicode=True, width=100)
        return environment.from_string(template).render(
            header=header,
            name=names.DATASET,
            configs=self._configs(),
            report=self.report,
            build=self.manifest["build"],
            meanings={reason.value: reason.meaning for reason in Reason},
            causes={cause.name: cause for cause in CAUSES},
        )

    def header(self) -> dict[str, Any]:
        """The YAML, as plain values."""
        rows = self.manifest["rows"]
        built = list(self.manifest["configs"])
        return {
            "pretty_name": "MICo-150K",
            "language": ["en"],
            "task_categories": ["image-to-image"],
            "tags": ["multi-image-composition", "image-editing", "image-generation"],
            "size_categories": [next((name for most, name in _SIZES if rows < most), "1M<n<10M")],
            "configs": [
                {
                    "config_name": name,
                    "data_files": [
                        {"split": names.SPLIT, "path": f"{name}/{names.SPLIT}-*.parquet"}
                    ],
                    **({"default": True} if name == built[0] else {}),
                }
                for name in built
            ],
            "dataset_info": [self._info(name) for name in built],
        }

    def _info(self, config: str) -> dict[str, Any]:
        shards = self.manifest["configs"][config].values()
        arrow_bytes = sum(file["arrow_bytes"] for file in shards)
        return {
            "config_name": config,
            "features": card_features(COLUMNS[config]),
            "splits": [
                {
                    "name": names.SPLIT,
                    "num_bytes": arrow_bytes,
                    "num_examples": sum(file["rows"] for file in shards),
                }
            ],
            "download_size": sum(file["bytes"] for file in shards),
            "dataset_size": arrow_bytes,
        }

    def _configs(self) -> list[dict[str, Any]]:
        return [
            {
                "name": name,
                "purpose": PURPOSES[name],
                "columns": ", ".join(f"`{column}`" for column in COLUMNS[name]),
                "rows": sum(file["rows"] for file in shards.values()),
                "size": gigabytes(sum(file["bytes"] for file in shards.values())),
                "files": len(shards),
            }
            for name, shards in self.manifest["configs"].items()
        ]
