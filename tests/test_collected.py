"""Every folder of tests is collected: pytest passes over some names in silence."""

from fnmatch import fnmatch
from pathlib import Path

import pytest


def test_no_folder_of_tests_is_passed_over(pytestconfig: pytest.Config) -> None:
    patterns = pytestconfig.getini("norecursedirs")
    folders = {path.parent for path in Path(__file__).parent.rglob("test_*.py")}
    assert not [
        folder for folder in folders if any(fnmatch(folder.name, pattern) for pattern in patterns)
    ]
