"""The built-in source: samples drawn by code, so that nothing is downloaded.

An input shows one thing on a plain ground, or a scene. The output is made of the same inputs:
each thing is cut out and pasted into the scene where the instruction says. Nothing is random:
a sample is the same everywhere, for one Pillow.
"""

import io
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any

import PIL
import xxhash
from PIL import Image

from mico_150k.core.sample import Origin, RawSample
from mico_150k.core.task import Task
from mico_150k.io.prefetch import prefetch
from mico_150k.sources import drawing
from mico_150k.sources.drawing import Draw, on_paper
from mico_150k.sources.source import ReadOptions

DEMO = "demo"
"""The location that names this source."""
SAMPLES_PER_TASK = 10
IMAGE_BYTES = 2_609_344
"""The bytes of all images with Pillow 13; other versions compress slightly differently."""


@dataclass(frozen=True, slots=True)
class Part:
    """What one input shows, in words and drawn; `where` it goes, unless it is the scene.

    `where` is (x, y, width) in the output: the centre of its foot and its width, in percent of
    the output's width and height.
    """

    words: str
    draw: Draw
    where: tuple[float, float, float] | None = None
    role: str = ""


_OBJECTS = (
    ("the red ball", drawing.draw_ball),
    ("the gift", drawing.draw_gift),
    ("the blue mug", drawing.draw_mug),
    ("the lamp", drawing.draw_lamp),
    ("the plant", drawing.draw_plant),
    ("the kite", drawing.draw_kite),
    ("the clock", drawing.draw_clock),
    ("the boat", drawing.draw_boat),
)
_PEOPLE = (
    ("the woman in red", drawing.draw_woman),
    ("the man in blue", drawing.draw_man),
    ("the girl", drawing.draw_girl),
    ("the old man", drawing.draw_old_man),
)
_SCENES = (
    ("the beach", drawing.draw_beach),
    ("the meadow", drawing.draw_meadow),
    ("the room", drawing.draw_room),
    ("the city", drawing.draw_city),
    ("the snow", drawing.draw_snow),
)
_HAT = ("the hat", drawing.draw_hat)
_SCARF = ("the scarf", drawing.draw_scarf)
_BAG = ("the bag", drawing.draw_bag)

# Positions of worn and held things for a person with the foot at (x, 94) who is 62 % wide.
_PERSON_WIDTH = 62.0
_WEARING = {"hat": (0.0, -63.0, 24.0), "scarf": (2.0, -46.5, 15.0), "hand": (15.5, -25.0, 19.0)}


@dataclass(frozen=True, slots=True)
class DemoFile:
    """All samples of the demo."""

    name: str = DEMO
    rows: int = SAMPLES_PER_TASK * 4

    @property
    def image_bytes(self) -> int:
        """The approximate bytes of all images: nothing is drawn for a plan."""
        return IMAGE_BYTES

    @property
    def memory(self) -> int:
        """The most bytes that reading holds: all images, decoded."""
        return 64 << 20

    @property
    def shape(self) -> None:
        """None: the demo has no columns."""

    @property
    def content_hash(self) -> str:
        """A digest of the code that draws the images."""
        words = " ".join(_instruction(_parts(row)[1]) for row in range(self.rows))
        return xxhash.xxh3_128_hexdigest(f"{PIL.__version__} {words}".encode())

    @property
    def mtime_token(self) -> str:
        """The same as `content_hash`, since there is no file."""
        return self.content_hash

    def identities(self) -> Iterator[tuple[Task, str]]:
        """Yield each row's task and source id."""
        for row in range(self.rows):
            yield _task_of(row), str(row // 4)

    def read(self, start: int = 0, *, ahead: bool = False) -> Generator[RawSample, None, None]:
        """Yield the rows from `start` on."""
        samples = (_sample(row) for row in range(start, self.rows))
        # Closing a generator also closes the one that it yields from.
        yield from prefetch(samples) if ahead else samples

    def require_unchanged(self) -> None:
        """Do nothing: there is no file that could change."""

    def describe(self) -> dict[str, Any]:
        """Return facts about the source."""
        return {
            "file": self.name,
            "task": None,
            "rows": self.rows,
            "shape": "images drawn by code",
            "image_bytes": self.image_bytes,
            "memory_bytes": self.memory,
        }


@dataclass(frozen=True, slots=True)
class DemoSource:
    """A few dozen samples of all four tasks."""

    files: tuple[DemoFile, ...] = (DemoFile(),)
    reading: ReadOptions = field(default_factory=ReadOptions)
    kind: str = DEMO
    location: str = DEMO


def _task_of(row: int) -> Task:
    return (Task.OBJECT_CENTRIC, Task.HUMAN_CENTRIC, Task.HOI, Task.DE_RE)[row % 4]


def _parts(row: int) -> tuple[str, list[Part]]:
    """Return a row's subtask, and the contents of its images."""
    return _PARTS[_task_of(row)](row // 4)


@lru_cache(maxsize=SAMPLES_PER_TASK * 4)
def _sample(row: int) -> RawSample:
    subtask, parts = _parts(row)
    return RawSample(
        origin=Origin(DEMO, row),
        task=_task_of(row),
        source_id=str(row // 4),
        subtask=subtask,
        instruction=_instruction(parts),
        inputs=tuple(_encoded_input(part) for part in parts),
        output=_encode(_compose(parts), "PNG"),
    )


def _object_centric(number: int) -> tuple[str, list[Part]]:
    count = 1 + number % 3
    parts = [
        Part(*_OBJECTS[(number + place * 3) % len(_OBJECTS)], where=(x, 92, 24), role="thing")
        for place, x in enumerate((50, 22, 78)[:count])
    ]
    return f"{count} object + scene", [*parts, Part(*_SCENES[number % len(_SCENES)])]


def _human_centric(number: int) -> tuple[str, list[Part]]:
    count = 1 + number % 2
    parts = [
        Part(
            *_PEOPLE[(number + place * (1 + number % 3)) % len(_PEOPLE)],
            where=(x, 94, _PERSON_WIDTH),
            role="person",
        )
        for place, x in enumerate((32, 70)[:count])
    ]
    return f"{count} person + scene", [*parts, Part(*_SCENES[(number + 2) % len(_SCENES)])]


def _interaction(number: int) -> tuple[str, list[Part]]:
    worn = [
        (_HAT, "hat"),
        (_SCARF, "scarf"),
        (_OBJECTS[number % len(_OBJECTS)], "hand"),
    ][number % 3 :][: 1 + number % 2]
    parts = [_standing(number, 50), *(_worn(thing, place, 50) for thing, place in worn)]
    return f"1 person + {len(worn)} object", [*parts, Part(*_SCENES[(number + 1) % len(_SCENES)])]


def _recomposed(number: int) -> tuple[str, list[Part]]:
    parts = [
        _standing(number + 1, 36),
        _worn(_HAT, "hat", 36),
        _worn(_BAG, "hand", 36),
        *([_worn(_SCARF, "scarf", 36)] if number % 2 else []),
        *([Part(*_OBJECTS[number % len(_OBJECTS)], where=(78, 92, 24), role="thing")]
          if number % 3 else []),
        Part(*_SCENES[(number + 3) % len(_SCENES)]),
    ]  # fmt: skip
    return "", parts


_PARTS = {
    Task.OBJECT_CENTRIC: _object_centric,
    Task.HUMAN_CENTRIC: _human_centric,
    Task.HOI: _interaction,
    Task.DE_RE: _recomposed,
}


def _standing(number: int, x: float) -> Part:
    return Part(*_PEOPLE[number % len(_PEOPLE)], where=(x, 94, _PERSON_WIDTH), role="person")


def _worn(thing: tuple[str, Draw], place: str, person_x: float) -> Part:
    dx, dy, width = _WEARING[place]
    return Part(*thing, where=(person_x + dx, 94 + dy, width), role=place)


def _instruction(parts: list[Part]) -> str:
    """Describe who stands where with what, naming each by its image."""
    named = [f"{part.words} from image {place}" for place, part in enumerate(parts, 1)]
    roles = [part.role for part in parts]
    people = [name for name, role in zip(named, roles, strict=True) if role == "person"]
    things = [name for name, role in zip(named, roles, strict=True) if role == "thing"]
    worn = {role: name for name, role in zip(named, roles, strict=True) if role in _WEARING}
    text = f"Put {_and(people or things)} into {named[-1]}"
    if clothes := [worn[role] for role in ("hat", "scarf") if role in worn]:
        text += f", wearing {_and(clothes)}"
    if "hand" in worn:
        text += f", holding {worn['hand']}"
    if people and things:
        text += f", with {_and(things)} to the right"
    return text + "."


def _and(names: list[str]) -> str:
    return " and ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)


def _compose(parts: list[Part]) -> Image.Image:
    """Paste the other parts, in order, into the last part's scene."""
    picture = drawing.scene(parts[-1].draw).copy()
    for part in parts[:-1]:
        if part.where:
            x, foot, share = part.where
            side = round(picture.width * share / 100)
            cutout = drawing.thing(part.draw).resize((side, side), Image.Resampling.LANCZOS)
            left = round(picture.width * x / 100 - side / 2)
            top = round(picture.height * foot / 100) - side
            picture.paste(cutout, (left, top), cutout.getchannel("A"))
    return picture


@cache
def _encoded_input(part: Part) -> bytes:
    if part.where is None:
        return _encode(drawing.scene(part.draw), "WEBP")
    return _encode(on_paper(drawing.thing(part.draw)), "JPEG" if part.role == "person" else "PNG")


def _encode(picture: Image.Image, image_format: str) -> bytes:
    encoded = io.BytesIO()
    picture.save(encoded, image_format, quality=92)
    return encoded.getvalue()
