"""Every picture once at every size that it is used at, in chunks that nothing else moves."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from mico_150k.builders.dimoo_tokens import SizeTable

from mico_150k.core.reasons import Reason
from mico_150k.pretokenize.material import Fault
from mico_150k.pretokenize.plan import EncodingPlan
from mico_150k.pretokenize.source import open_material

from .material import SMALL


def test_every_encoding_is_in_one_chunk_at_its_number(export: Path) -> None:
    material = open_material(export)
    plan = EncodingPlan(material, SMALL, 3)
    needed = {wanted for record in material.records for wanted in plan.wanted(record.pictures)}
    assert plan.encodings == len(needed) > len(material.pictures)
    assert {plan.encoding(*wanted) for wanted in needed} == set(range(plan.encodings))
    shapes = [shape for number in range(plan.chunks) for shape in plan.chunk(number).shapes]
    for wanted in needed:
        assert shapes[plan.encoding(*wanted)] == plan.shape(*wanted)
    pictures = [picture for number in range(plan.chunks) for picture in plan.pictures(number)]
    assert pictures == sorted(pictures)
    assert plan.chunks > 3
    starts = [plan.start(number) for number in range(plan.chunks)]
    assert all(later - earlier >= 3 for earlier, later in pairwise(starts))


def test_inputs_have_the_size_of_their_number_and_outputs_their_own(export: Path) -> None:
    plan = EncodingPlan(open_material(export), SMALL, 99)
    assert list(plan.wanted((4, 5, 6))) == [(4, 96), (5, 96), (6, 128)]
    assert list(plan.wanted((4, 5, 6, 7))) == [(4, 64), (5, 64), (6, 64), (7, 128)]
    assert plan.chunks == 1


def test_pictures_of_unusable_records_are_not_encoded(export: Path) -> None:
    material = open_material(export)
    fault = Fault(Reason.FILE_MISSING)
    dropped = dict.fromkeys(range(1, len(material.records)), fault)
    plan = EncodingPlan(replace(material, unusable=dropped), SMALL, 99)
    assert plan.encodings == 2
    faulty = replace(material, faults=dict.fromkeys(range(8), fault))
    assert EncodingPlan(faulty, SMALL, 99).chunks == 0


def test_the_digest_changes_with_sizes_texts_and_pictures(export: Path) -> None:
    material = open_material(export)
    record, picture = material.records[0], material.pictures[0]
    others = [
        EncodingPlan(material, SizeTable.parse("96"), 99),
        EncodingPlan(material, SMALL, 3),
        EncodingPlan(
            replace(material, records=(replace(record, prompt="x"), *material.records[1:])),
            SMALL,
            99,
        ),
        EncodingPlan(
            replace(material, pictures=(replace(picture, stamp="x"), *material.pictures[1:])),
            SMALL,
            99,
        ),
    ]
    digests = {plan.digest() for plan in (EncodingPlan(material, SMALL, 99), *others)}
    assert len(digests) == 5
    assert EncodingPlan(open_material(export), SMALL, 99).digest() in digests
