"""Every picture once at every size that it is used at, in chunks that nothing else moves."""

from dataclasses import replace
from itertools import pairwise

from mico_150k.builders.dimoo_tokens import SizeTable

from mico_150k.dataset.folder import DatasetFolder
from mico_150k.pretokenize.dataset_images import EncodeInputs
from mico_150k.pretokenize.plan import EncodingPlan

from .material import SMALL


def test_every_encoding_is_in_one_chunk_at_its_number(rows: DatasetFolder) -> None:
    inputs = EncodeInputs.of(rows)
    plan = EncodingPlan(inputs, SMALL, 3)
    needed = {wanted for record in inputs.records for wanted in plan.wanted(record.pictures)}
    assert plan.encodings == len(needed) > len(inputs.pictures)
    assert {plan.encoding(*wanted) for wanted in needed} == set(range(plan.encodings))
    shapes = [shape for number in range(plan.chunks) for shape in plan.chunk(number).shapes]
    for wanted in needed:
        assert shapes[plan.encoding(*wanted)] == plan.shape(*wanted)
    pictures = [picture for number in range(plan.chunks) for picture in plan.pictures(number)]
    assert pictures == sorted(pictures)
    assert plan.chunks > 3
    starts = [plan.start(number) for number in range(plan.chunks)]
    assert all(later - earlier >= 3 for earlier, later in pairwise(starts))


def test_inputs_have_the_size_of_their_number_and_outputs_their_own(rows: DatasetFolder) -> None:
    plan = EncodingPlan(EncodeInputs.of(rows), SMALL, 99)
    assert list(plan.wanted((4, 5, 6))) == [(4, 96), (5, 96), (6, 128)]
    assert list(plan.wanted((4, 5, 6, 7))) == [(4, 64), (5, 64), (6, 64), (7, 128)]
    assert plan.chunks == 1


def test_the_digest_changes_with_sizes_texts_and_pictures(rows: DatasetFolder) -> None:
    inputs = EncodeInputs.of(rows)
    record, picture = inputs.records[0], inputs.pictures[0]
    others = [
        EncodingPlan(inputs, SizeTable.parse("96"), 99),
        EncodingPlan(inputs, SMALL, 3),
        EncodingPlan(
            replace(inputs, records=(replace(record, prompt="x"), *inputs.records[1:])),
            SMALL,
            99,
        ),
        EncodingPlan(
            replace(inputs, pictures=(replace(picture, digest="x"), *inputs.pictures[1:])),
            SMALL,
            99,
        ),
    ]
    digests = {plan.digest() for plan in (EncodingPlan(inputs, SMALL, 99), *others)}
    assert len(digests) == 5
    assert EncodingPlan(EncodeInputs.of(rows), SMALL, 99).digest() in digests
