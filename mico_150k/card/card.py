"""The dataset card: YAML that `datasets` and the Hub read, and text for people."""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import yaml

from mico_150k.builders import BUILDERS, TRAINERS
from mico_150k.card.dictionary import TASKS, dictionary
from mico_150k.card.figures import Figures
from mico_150k.card.header import built_configs, by_hand, is_demo, join_by_hand, make_header
from mico_150k.card.markdown import code, markdown_template
from mico_150k.card.text import CardText
from mico_150k.core.reasons import Reason
from mico_150k.dataset import layout
from mico_150k.dataset.configurations import COLUMNS
from mico_150k.dataset.reader import Dataset
from mico_150k.images.rules import CAUSES
from mico_150k.io.machine import gigabytes

PURPOSES = {
    **{name: builder.purpose for name, builder in BUILDERS.items()},
    layout.SAMPLE: "a first look: some rows of `default`, of all tasks",
    layout.INDEX: "searching: the metadata of every row, without images",
    layout.BENCH: "evaluation: MICo-Bench, in the split `test`",
    layout.CODES: "Lumina-DiMOO: VQ codes instead of images",
}
_PICTURES = ("*.png", "*.jpg", "*.webp")
_CAPTIONS = {
    layout.COLLAGE: "Rows of the dataset: the inputs, the instruction and the composed image",
    layout.PLOTS: "Tasks, numbers of inputs, what trainers take, instructions, reuse and sizes",
}
"""Captions of the images that `mico inspect --plots` makes."""
_APART = (layout.SAMPLE, layout.BENCH, layout.CODES)
"""Configurations whose row n is another sample than row n of the rest."""


@dataclass(frozen=True, slots=True)
class Card:
    """A card, made from a manifest, a report and the figures of an index.

    Attributes:
        name: What `load_dataset` is given.
        written: YAML keys that a person has added, such as the license.
        sections: Texts that a person has added, by the name of their section.
        pictures: Names of images in `assets/`.
    """

    manifest: dict[str, Any]
    report: dict[str, Any]
    figures: Figures
    name: str = layout.DATASET
    written: Mapping[str, Any] = field(default_factory=dict)
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
        name: str = "",
    ) -> "Card":
        """Make the card of a dataset folder, and keep what a person wrote into the one before.

        Args:
            folder: The dataset folder.
            manifest: Its manifest, which was validated.
            report: Its report, which was validated.
            before: The card so far; an empty one where there is none.
            name: What `load_dataset` is given: `USER/NAME`, or by default the folder's name where
                the dataset's own commands are followed. It is not this folder's name, since a
                dataset has the same bytes wherever it lies.

        Raises:
            UnknownConfig: It has no index.
            BrokenFile: Its index cannot be relied on.
        """
        assets = folder / layout.ASSETS
        pictures = [path.name for pattern in _PICTURES for path in assets.glob(pattern)]
        return cls(
            manifest=manifest,
            report=report,
            figures=Figures.of_index(Dataset.of_folder(folder, manifest).index()),
            name=name or _default_name(manifest),
            written=by_hand(before.header),
            sections=before.sections,
            pictures=tuple(sorted(filter(_is_plain, pictures))),
        )

    def with_license(self, keys: Mapping[str, str]) -> "Card":
        """Return the card with these keys as its license, or the card itself without keys."""
        return replace(self, written=join_by_hand(keys, self.written))

    def joined_with(self, other: CardText) -> "Card":
        """Return the card with what a person added to another card, where this one has nothing."""
        return replace(
            self,
            written=join_by_hand(self.written, by_hand(other.header)),
            sections={**other.sections, **self.sections},
        )

    def render(self) -> CardText:
        """Render the whole README.md."""
        header = make_header(self.manifest, self.written)
        known = ("about", "notes")
        commands = self.manifest.get("commands", [])
        command = code("\n".join(shlex.join(words) for words in commands))
        configs = self._configs()
        names = [config["name"] for config in configs]
        trainers = [name for name in names if name in TRAINERS] or list(TRAINERS)
        text = markdown_template("mico_150k.card", "card.md").render(
            header=yaml.safe_dump(header, sort_keys=False, allow_unicode=True, width=100),
            name=self.name,
            configs=configs,
            files=sum(config["files"] for config in configs),
            size=gigabytes(sum(config["bytes"] for config in configs)),
            root=f"hf://datasets/{self.name}" if "/" in self.name else self.name,
            shard=configs[names.index(trainers[0]) if trainers[0] in names else 0],
            trainer=trainers[0],
            trainers=_joined([TRAINERS[name].title for name in trainers], "or"),
            unlike=_unlike(names),
            tasks=TASKS,
            dictionary=dictionary(names),
            license=self.written.get("license"),
            report=self.report,
            figures=self.figures,
            pictures={name: _CAPTIONS.get(name) for name in self.pictures},
            build=self.manifest["build"],
            is_demo=is_demo(self.manifest),
            command=command,
            fence=_fence(command),
            source_files=len(self.manifest["source"]),
            source_digest=_source_digest(self.manifest["source"]),
            meanings={reason.value: reason.meaning for reason in Reason},
            causes={cause.name: cause for cause in CAUSES},
            sections={name: self.sections.get(name, "") for name in known},
            others={n: text for n, text in self.sections.items() if n not in known},
        )
        return CardText(text).sign()

    def _configs(self) -> list[dict[str, Any]]:
        return [
            {
                "name": name,
                "purpose": f"[{PURPOSES[name]}]({TRAINERS[name].url})"
                if name in TRAINERS
                else PURPOSES[name],
                "columns": ", ".join(f"`{column}`" for column in COLUMNS[name]),
                "split": layout.main_split(name),
                "file": min(shards),
                "rows": sum(file["rows"] for file in shards.values()),
                "bytes": size,
                "size": gigabytes(size),
                "files": len(shards),
            }
            for name in built_configs(self.manifest)
            for shards in [self.manifest["configs"][name]]
            for size in [sum(file["bytes"] for file in shards.values())]
        ]


def _default_name(manifest: Mapping[str, Any]) -> str:
    commands = manifest.get("commands", [])
    return layout.default_folder(len(commands), is_demo=is_demo(manifest))


def _joined(words: list[str], last: str) -> str:
    """`A, B or C`."""
    return f" {last} ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def _unlike(configs: list[str]) -> str:
    """The configurations whose rows are others, to end a sentence with; "" where there are none."""
    apart = [f"`{name}`" for name in configs if name in _APART]
    return f" except {_joined(apart, 'and')}" if apart else ""


def _is_plain(name: str) -> bool:
    """Whether a file's name can stand in Markdown as it is."""
    return name.replace("-", "").replace("_", "").replace(".", "").isalnum() and name.isascii()


def _fence(command: str) -> str:
    """What to put around code, so that nothing in it ends the block."""
    return "`" * max(3, 1 + max(map(len, re.findall("`+", command)), default=0))


def _source_digest(source: list[dict[str, Any]]) -> str:
    """One name for all files that were read, by their names and content."""
    lines = sorted(f"{file['name']} {file['content_hash']}\n" for file in source)
    return sha256("".join(lines).encode()).hexdigest()[:16]
