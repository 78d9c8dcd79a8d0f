"""Ways to write the data: ours, what people would use instead, and the machine's limits."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.case import Case
from benchmarks.data import bagel_rows

ALL = ("default", "bagel", "blip3o", "dimoo", "omnigen2")

_SCHEMA = pa.schema([("image_list", pa.list_(pa.binary())), ("instruction", pa.string())])


def ours(
    source: str, out: str, *, configs: tuple[str, ...], verify: str = "structure", workers: int = 0
) -> None:
    """`mico build`; 0 workers are one with threads beside it."""
    from mico_150k.build.build import Build, BuildOptions
    from mico_150k.build.executors import InProcess
    from mico_150k.build.processes import Processes
    from mico_150k.images.header import Verify
    from mico_150k.sources import open_source

    options = BuildOptions(configs=configs, verify=Verify(verify))
    executor = Processes(workers, threaded=False) if workers else InProcess()
    Build.prepare(open_source(source), Path(out), options).run(executor=executor)


def read_alone(source: str, _: str) -> None:
    """Our reader, and nothing done with the rows."""
    from mico_150k.sources import open_source

    for file in open_source(source).files:
        for _row in file.read():
            pass


def read_merged(source: str, _: str) -> None:
    """The same in the order of a build, which has all files of a unit open at once."""
    from mico_150k.build.plan import make_plan
    from mico_150k.build.worker import unit_rows
    from mico_150k.sources import open_source

    opened = open_source(source)
    plan = make_plan(opened)
    for unit in plan.units:
        for _row in unit_rows(opened, plan, unit):
            pass


def write_alone(source: str, out: str, files: int) -> float:
    """Plain pyarrow writing the bytes of so many configurations; the reading is not timed."""
    seconds = 0.0
    with ExitStack() as stack:
        writers = [
            stack.enter_context(
                pq.ParquetWriter(f"{out}-{n}", _SCHEMA, compression="none", use_dictionary=False)
            )
            for n in range(files)
        ]
        rows = bagel_rows(source)
        while batch := list(islice(rows, 20)):
            table = pa.Table.from_pylist(batch, _SCHEMA)
            started = time.perf_counter()
            for writer in writers:
                writer.write_table(table)
            seconds += time.perf_counter() - started
    return seconds


def copy(source: str, out: str) -> None:
    """`cp -r`: the limit."""
    subprocess.run(["cp", "-r", source, out], check=True)


def datasets_builder(source: str, out: str) -> None:
    """A `datasets` builder with `file_format="parquet"`."""
    import datasets

    features = _bagel_features()

    class Rows(datasets.GeneratorBasedBuilder):  # type: ignore[misc]
        def _info(self) -> Any:
            return datasets.DatasetInfo(features=features)

        def _split_generators(self, _: Any) -> list[Any]:
            return [datasets.SplitGenerator(name="train")]

        def _generate_examples(self) -> Iterator[tuple[int, dict[str, Any]]]:
            yield from enumerate(bagel_rows(source))

    builder = Rows(cache_dir=f"{out}-cache", config_name="default")
    builder.download_and_prepare(out, file_format="parquet")


def from_generator(source: str, out: str) -> None:
    """`Dataset.from_generator(…).to_parquet(…)`."""
    import datasets

    rows = datasets.Dataset.from_generator(
        bagel_rows,
        gen_kwargs={"source": source},
        features=_bagel_features(),
        cache_dir=f"{out}-cache",
    )
    rows.to_parquet(out)


def _bagel_features() -> Any:
    import datasets

    images = getattr(datasets, "List", datasets.Sequence)(datasets.Image())
    return datasets.Features({"image_list": images, "instruction": datasets.Value("string")})


def pyarrow_defaults(source: str, out: str) -> None:
    """One call of pyarrow's, as a release is written: one row group, pages of 1,024 rows."""
    rows = list(bagel_rows(source))
    pq.write_table(pa.Table.from_pylist(rows, _SCHEMA), out)


def webdataset_writer(source: str, out: str) -> None:
    """WebDataset's ShardWriter."""
    import webdataset

    Path(out).mkdir()
    with webdataset.ShardWriter(f"{out}/%05d.tar", maxsize=500e6, verbose=0) as writer:
        for number, row in enumerate(bagel_rows(source)):
            sample: dict[str, Any] = {"__key__": f"{number:08d}", "txt": row["instruction"]}
            for place, image in enumerate(row["image_list"]):
                sample[f"{place}.img"] = image
            writer.write(sample)


def mosaic_writer(source: str, out: str) -> None:
    """MosaicML's MDSWriter; a row's images as one pickled value, since their number varies."""
    from streaming import MDSWriter

    columns = {"image_list": "pkl", "instruction": "str"}
    with MDSWriter(out=out, columns=columns, size_limit=500_000_000) as writer:
        for row in bagel_rows(source):
            writer.write(row)


CASES = {
    "ours, one configuration": Case(partial(ours, configs=("bagel",))),
    "ours, unchecked": Case(partial(ours, configs=("bagel",), verify="header")),
    "ours, all configurations": Case(partial(ours, configs=ALL)),
    "ours, one worker, one thread": Case(partial(ours, configs=("bagel",), workers=1)),
    "ours, two workers": Case(partial(ours, configs=("bagel",), workers=2)),
    "reading alone": Case(read_alone),
    "reading alone, as a build does": Case(read_merged),
    "writing alone, pyarrow": Case(partial(write_alone, files=1)),
    "writing alone, five files": Case(partial(write_alone, files=len(ALL))),
    "cp -r": Case(copy),
    "datasets builder, parquet": Case(datasets_builder),
    "from_generator, to_parquet": Case(from_generator),
    "pyarrow, default layout": Case(pyarrow_defaults),
    "webdataset ShardWriter": Case(webdataset_writer, needs="webdataset"),
    "mosaicml MDSWriter": Case(mosaic_writer, needs="streaming"),
}
