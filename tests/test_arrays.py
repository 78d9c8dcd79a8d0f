"""Arrays made of buffers are what pyarrow makes of the same values."""

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mico_150k.arrays import array_of, binary_array
from mico_150k.columns import ColumnType

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


def test_a_build_does_not_wait_for_pandas(tmp_path: Path) -> None:
    script = """
import sys
from pathlib import Path
from mico_150k.build import Build, BuildOptions
from mico_150k.sources import open_source
Build.prepare(open_source("demo"), Path(sys.argv[1]), BuildOptions()).run()
assert "pandas" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", script, tmp_path / "out"], check=True)
