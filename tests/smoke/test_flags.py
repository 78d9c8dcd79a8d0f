"""Options by their names, from the sources of a parser."""

from pathlib import Path

from mico_150k.smoke.facts import Flags
from mico_150k.smoke.flags import unknown_flags, values

SOURCE = """\
@dataclass
class Arguments:
    model_path: str = field(default="x")
    num_workers: int = 1

parser.add_argument("-b", "--batch-size", type=int)
"""


def test_flags_that_no_file_defines(tmp_path: Path) -> None:
    (tmp_path / "args.py").write_text(SOURCE)
    flags = Flags(("args.py",), ("output_dir",))
    good = ["--model-path", "--x", "--num_workers=2", "--batch_size", "1", "--output_dir", "out"]
    assert unknown_flags(good, flags, tmp_path) == ["--x"]
    assert unknown_flags(["--num_worker", "1"], flags, tmp_path) == ["--num_worker"]


def test_values_of_a_command_line() -> None:
    words = ["--data-dir", "x", "--lr=1e-5", "--tf32", "--names", "a", "b"]
    assert values(words) == {"data_dir": "x", "lr": "1e-5", "tf32": True, "names": "a"}
