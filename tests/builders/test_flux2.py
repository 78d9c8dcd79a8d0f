"""What no trainer of FLUX.2 takes: words that end its text, and text that is cut."""

import pytest
from mico_150k.builders.diffsynth_flux2 import DiffSynthFlux2Trainer
from mico_150k.builders.flux2 import text_tokens
from mico_150k.builders.musubi_flux2 import MusubiFlux2Trainer

from mico_150k.core.trainer import Candidate, PathTrainer

SQUARE = (1024, 1024)
TRAINERS = (DiffSynthFlux2Trainer, MusubiFlux2Trainer)


def limits(trainer: type[PathTrainer], text: str, *inputs: tuple[int, int]) -> list[str]:
    row = Candidate("hoi/1", text, inputs or (SQUARE,), SQUARE)
    return [limit.name for limit in trainer.limits if limit.applies(row)]


@pytest.mark.parametrize("trainer", TRAINERS)
@pytest.mark.parametrize(
    "text", ["a <|im_end|> b", "a[/INST]", "[IMG]", "[SYSTEM_PROMPT] x", "</s>", "[IMG_BREAK]"]
)
def test_a_mark_of_either_tokenizer_is_refused(trainer: type[PathTrainer], text: str) -> None:
    assert limits(trainer, text) == ["marker"]


@pytest.mark.parametrize("trainer", TRAINERS)
def test_brackets_and_angles_are_no_marks(trainer: type[PathTrainer]) -> None:
    assert not limits(trainer, "put [IMAGE 1] at <left> |here| a < b [inst] <image> <small>")


@pytest.mark.parametrize("trainer", TRAINERS)
def test_a_text_that_would_be_cut_is_refused(trainer: type[PathTrainer]) -> None:
    most = (512 - 64) * 3
    assert text_tokens(Candidate("hoi/1", "a" * most, (SQUARE,), SQUARE)) == 512
    assert not limits(trainer, "a" * most)
    assert limits(trainer, "a" * (most + 1)) == ["text"]
    assert limits(trainer, "é" * most) == ["text"]


@pytest.mark.parametrize("trainer", TRAINERS)
def test_any_number_of_inputs_is_taken_and_more_than_four_are_told(
    trainer: type[PathTrainer],
) -> None:
    row = Candidate("de_re/1", "a", (SQUARE,) * 5, SQUARE)
    assert not limits(trainer, "a", *[SQUARE] * 30)
    assert [remark.name for remark in trainer.remarks if remark.applies(row)] == ["many-inputs"]
    assert trainer.max_inputs is None


def test_thin_images_have_no_size_that_the_trainer_rounds_to() -> None:
    # musubi-tuner's `calculate_bucket_resolution` divides by zero at 456 and at 4,095.
    assert not limits(MusubiFlux2Trainer, "a", (16, 455 * 16), (4000 * 16, 16))
    assert limits(MusubiFlux2Trainer, "a", SQUARE, (16, 456 * 16)) == ["too-thin"]
    assert limits(MusubiFlux2Trainer, "a", (4001 * 16, 16)) == ["too-thin"]
    assert not limits(DiffSynthFlux2Trainer, "a", (16, 4000 * 16), (4000 * 16, 16))
    assert limits(DiffSynthFlux2Trainer, "a", (16, 4001 * 16)) == ["too-thin"]
    row = Candidate("hoi/1", "a", (SQUARE,), (4001 * 16, 16))
    [thin] = [limit for limit in DiffSynthFlux2Trainer.limits if limit.applies(row)]
    assert thin.name == "too-thin"
