"""The `datasets` builder: MICo-150K's configurations, generated from a source.

`Mico150k` can be used directly, by `load_dataset` where it is registered
(`mico_150k.loaders.registration`), and by the loading script of `datasets` before 4.

From a source, it yields what `mico build` would write, unit by unit in the order of the shards.
From a dataset folder, or without an argument, it yields the folder's rows: a registered name hides
a folder of the same name, and must not change what `load_dataset` returns.
"""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import datasets

from mico_150k.build.drop_limit import TOLERANCE
from mico_150k.build.plan import SHARD_BYTES
from mico_150k.card.card import PURPOSES
from mico_150k.core.columns import features
from mico_150k.core.errors import UsageError
from mico_150k.core.task import parse_task_map
from mico_150k.dataset import layout
from mico_150k.dataset.configurations import COLUMNS
from mico_150k.images.header import Verify
from mico_150k.images.pixels import require_decoder
from mico_150k.loaders.package_hash import package_hash
from mico_150k.loaders.rows import LoadTarget, find_target, fingerprint, require_same
from mico_150k.sources import ReadOptions
from mico_150k.sources.shape import parse_map
from mico_150k.version import __version__

WRITER_BATCH_ROWS = 8
"""Rows that `datasets` buffers before writing: its default of 100 needs a gigabyte."""


@dataclass
class MicoConfig(datasets.BuilderConfig):
    """The arguments of `load_dataset` besides `data_dir`, named like options of `mico build`."""

    map: str = ""
    task_map: str = ""
    exclude: str = ""
    allow_outside: bool = False
    verify: str = Verify.STRUCTURE.value
    tolerance: float = TOLERANCE
    shard_bytes: int = SHARD_BYTES
    seed: int = 0

    def create_config_id(
        self, config_kwargs: dict[str, Any], custom_features: datasets.Features | None = None
    ) -> str:
        """Return the name of the cache folder, which changes when the source does."""
        # The files that `datasets` finds in `data_dir` say less than the source's tokens.
        kwargs = {key: value for key, value in config_kwargs.items() if key != "data_files"}
        self._state = self.given().state
        kwargs["source"] = fingerprint(self._state)
        config_id: str = super().create_config_id(kwargs, custom_features=custom_features)
        return config_id

    def seen(self, given: LoadTarget) -> dict[str, str]:
        """Return the state in the cache folder's name, or that of `given` if it has none."""
        return getattr(self, "_state", given.state)

    def given(self) -> LoadTarget:
        """Return the source or dataset folder that `data_dir` names. Raises `MicoError`."""
        if self.verify not in {known.value for known in Verify}:
            msg = f"verify={self.verify!r} is not one of {', '.join(map(str, Verify))}."
            raise UsageError(msg)
        require_decoder(Verify(self.verify))
        reading = ReadOptions(
            columns=parse_map([self.map]),
            tasks=parse_task_map(shlex.split(self.task_map)),
            exclude=tuple(shlex.split(self.exclude)),
            allow_outside=self.allow_outside,
        )
        return find_target(
            self.data_dir,
            reading,
            verify=Verify(self.verify),
            tolerance=self.tolerance,
            shard_bytes=self.shard_bytes,
            seed=self.seed,
        )


class Mico150k(datasets.GeneratorBasedBuilder):
    """Generates the rows of one configuration."""

    BUILDER_CONFIG_CLASS = MicoConfig
    BUILDER_CONFIGS = [
        MicoConfig(name=name, version=__version__, description=purpose)
        for name, purpose in PURPOSES.items()
    ]
    DEFAULT_CONFIG_NAME = layout.DEFAULT
    DEFAULT_WRITER_BATCH_SIZE = WRITER_BATCH_ROWS

    def __init__(self, *args: Any, hash: str | None = None, **kwargs: Any) -> None:  # noqa: A002, ANN401 - the base class's signature
        """Make a builder; without a `hash` it uses the package's, so that no cache is stale."""
        super().__init__(*args, hash=hash or package_hash(), **kwargs)

    def _info(self) -> datasets.DatasetInfo:
        return datasets.DatasetInfo(
            description="Multi-image composition: several images and an instruction in, one out.",
            features=features(COLUMNS[self.config.name]),
        )

    def _split_generators(self, dl_manager: Any) -> list[datasets.SplitGenerator]:  # noqa: ANN401, ARG002 - nothing is downloaded
        given = self.config.given()
        require_same(self.config.seen(given), given.state)
        return [
            datasets.SplitGenerator(
                name=split, gen_kwargs={"shards": shards, "planned": given.state}
            )
            for split, shards in given.splits(self.config.name).items()
        ]

    def _generate_examples(
        self, shards: list[Any], planned: dict[str, str]
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        given = self.config.given()
        require_same(planned, given.state)
        yield from given.rows(self.config.name, shards)
