"""Lumina-DiMOO's tokens for several inputs: layout, labels, and what the guide leaves out."""

import pickle
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mico_150k.core.errors import ExportRefused
from mico_150k.trainers.dimoo import process_images
from mico_150k.trainers.patches import get_patch
from mico_150k.trainers.patches.clone import make_changes, plan_changes

from ..clones import write_clone

CLOSE = 7
"""The token of `</user>`, which comes last."""
CONDITIONED, DROPPED = 1, 9
"""Seeds of numpy whose first number is over and under the share without condition."""


def tokenizer(text: str, **_: Any) -> SimpleNamespace:
    """A token for each word of the text, and one for its end."""
    assert text.startswith("<system>")
    assert text.endswith("</user>")
    words = text.removesuffix("</user>").split()
    return SimpleNamespace(input_ids=[len(word) + 10 for word in words] + [CLOSE])


def masked(codes: list[int]) -> tuple[list[int], list[int]]:
    return [126336, *codes[1:]], [codes[0]] + [-100] * (len(codes) - 1)


def write_codes(path: Path, width: int, height: int, first: int) -> str:
    """As the pre-tokenizer writes them: width and height under each other's name."""
    count = width * height // 256
    codes = list(range(first, first + count))
    found = {"input_ids": codes, "length": count, "height": width, "width": height}
    path.write_bytes(pickle.dumps(found))
    return str(path)


def record(folder: Path, **changes: Any) -> dict[str, Any]:
    images = [
        write_codes(folder / "a b.pkl", 48, 32, 1000),
        write_codes(folder / "é.pkl", 16, 64, 2000),
    ]
    return {
        "system_prompt": "Draw.", "user_prompt": "Put it there.", "user_image": images, "id": 5,
        "answer_image": write_codes(folder / "answer.pkl", 32, 48, 3000), **changes,
    }  # fmt: skip


def process(found: dict[str, Any], seed: int = CONDITIONED) -> tuple[list[int], list[int]]:
    np.random.seed(seed)  # noqa: NPY002 - the generator that the clone uses
    return process_images(found, tokenizer, masked)


TEXT = [len("<system>Draw.</system><user>Put") + 10, len("it") + 10, len("there.") + 10]
LINE, IMAGE, END, ANSWER, LAST = 126084, 126349, 126350, 126354, 126355
INPUTS = [
    IMAGE, 1000, 1001, 1002, LINE, 1003, 1004, 1005, LINE, END,
    IMAGE, 2000, LINE, 2001, LINE, 2002, LINE, 2003, LINE, END,
]  # fmt: skip
TARGET = [ANSWER, IMAGE, 126336, 3001, LINE, 3002, 3003, LINE, 3004, 3005, LINE, END, LAST]
LABELS = [-100, -100, 3000] + [-100] * 10


def test_inputs_stand_in_order_before_the_texts_end_and_rows_follow_the_picture(
    tmp_path: Path,
) -> None:
    tokens, labels = process(record(tmp_path))
    assert tokens == [*TEXT, *INPUTS, CLOSE, *TARGET]
    assert labels == [-100] * (len(TEXT) + len(INPUTS) + 1) + LABELS


def test_a_tenth_has_neither_text_nor_inputs(tmp_path: Path) -> None:
    tokens, labels = process(record(tmp_path), DROPPED)
    assert tokens == [len("<system>Draw.</system><user><uncondition>") + 10, CLOSE, *TARGET]
    assert labels == [-100] * 2 + LABELS
    np.random.seed(0)  # noqa: NPY002
    share = [len(process_images(record(tmp_path), tokenizer, masked)[0]) < 20 for _ in range(400)]
    assert 0.05 < sum(share) / 400 < 0.15


def test_an_empty_list_is_text_to_image(tmp_path: Path) -> None:
    assert process(record(tmp_path, user_image=[]))[0] == [*TEXT, CLOSE, *TARGET]


def test_a_long_text_is_cut_before_its_end_mark(tmp_path: Path) -> None:
    tokens, labels = process(record(tmp_path, user_prompt="word " * 3000))
    text = tokens[: tokens.index(IMAGE)]
    assert len(text) == 1023
    assert tokens[1023 : 1023 + len(INPUTS) + 1] == [*INPUTS, CLOSE]
    assert len(tokens) == len(labels)


def test_images_without_an_answer_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(ExportRefused, match="record 5"):
        process(record(tmp_path, answer_image=""))


@pytest.mark.parametrize(("width", "height"), [(40, 32), (32, 40), (64, 32)])
def test_codes_that_do_not_fill_the_grid_are_an_error(
    width: int, height: int, tmp_path: Path
) -> None:
    found = {"input_ids": [1] * 4, "height": width, "width": height}
    (tmp_path / "odd.pkl").write_bytes(pickle.dumps(found))
    with pytest.raises(ExportRefused, match="odd.pkl"):
        process(record(tmp_path, answer_image=str(tmp_path / "odd.pkl")))


class _Harm:
    def __reduce__(self) -> Any:
        return (print, ("harm",))


def test_a_pickle_that_would_run_code_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.pkl").write_bytes(pickle.dumps(_Harm()))
    with pytest.raises(pickle.UnpicklingError, match="print"):
        process(record(tmp_path, answer_image=str(tmp_path / "bad.pkl")))
    assert not capsys.readouterr().out


def test_the_patched_clone_takes_lists_and_keeps_its_own_way_for_strings(tmp_path: Path) -> None:
    clone = write_clone(tmp_path / "clone", "dimoo")
    make_changes(plan_changes(get_patch("dimoo"), clone))
    script = f"""if True:
        import sys
        import numpy
        sys.path.insert(0, ".")
        from types import SimpleNamespace
        from train.train import ItemProcessor
        processor = ItemProcessor(lambda text, **_: SimpleNamespace(input_ids=[1, 2]))
        numpy.random.seed({CONDITIONED})
        record = {record(tmp_path)!r}
        print(processor.process_item(record)[0])
        print(processor.process_item({{**record, "user_image": "one.pkl"}})[0])
    """
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=clone, check=False, capture_output=True, text=True,
        env={"PATH": ""},
    )  # fmt: skip
    assert not done.returncode, done.stderr
    assert done.stdout.splitlines() == [str([1, *INPUTS, 2, *TARGET]), "the clone's own"]
