"""Arrays made of buffers are what pyarrow makes of the same values."""

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mico_150k.core.columns import ColumnType
from mico_150k.io.arrow import array_of, binary_array

texts = st.text(st.characters(exclude_categories=["Cs"]))
values = {
    ColumnType.TEXT: st.lists(texts),
    ColumnType.INTEGER: st.lists(st.integers(-(2**31), 2**31 - 1)),
    ColumnType.TEXTS: st.lists(st.lists(texts)),
    ColumnType.INTEGERS: st.lists(st.lists(st.integers(0, 2**31 - 1))),
    ColumnType.CODES: st.lists(st.lists(st.lists(st.integers(0, 2**16 - 1)))),
}


@pytest.mark.parametrize("column_type", [kind for kind in ColumnType if not kind.holds_images])
@given(data=st.data())
def test_an_array_of_any_plain_column_is_what_pyarrow_makes(
    column_type: ColumnType, data: st.DataObject
) -> None:
    drawn = data.draw(values[column_type])
    array = array_of(drawn, column_type.arrow)
    array.validate(full=True)
    assert array.equals(pa.array(drawn, column_type.arrow))


@given(st.lists(st.binary()))
def test_an_array_of_images_is_what_pyarrow_makes(images: list[bytes]) -> None:
    array = binary_array([memoryview(image) for image in images])
    array.validate(full=True)
    assert array.equals(pa.array(images, pa.binary()))


@pytest.mark.slow
def test_neither_a_build_nor_an_export_waits_for_pandas(tmp_path: Path) -> None:
    script = """
import sys
from pathlib import Path
from mico_150k.build.build import Build, BuildOptions
from mico_150k.builders import TRAINERS
from mico_150k.dataset.reader import open_dataset
from mico_150k.export.job import ExportJob, ExportOptions
from mico_150k.export.run import run_export
from mico_150k.dataset.selection import Selection
from mico_150k.sources import open_source
out = Path(sys.argv[1])
data = out / "data"
Build.prepare(open_source("demo"), data, BuildOptions()).run()
assert "pandas" not in sys.modules
options = ExportOptions(Selection(sample=9))  # an older duckdb imports it for --where
for trainer in ("dimoo", "bagel"):
    job = ExportJob.prepare(open_dataset(data), TRAINERS[trainer], out / trainer, options)
    run_export(job)
assert "pandas" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", script, tmp_path], check=True)
