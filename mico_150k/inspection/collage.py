"""Draws the card's collage: rows of the dataset with inputs, output and instruction."""

from collections.abc import Callable, Iterable, Sequence

from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from mico_150k.core.sample import Buffer, Sample
from mico_150k.images.thumbnail import shrink

COLUMNS, ROWS = 2, 4
SAMPLES = COLUMNS * ROWS
CANDIDATES = 4 * SAMPLES
"""The number of rows from which those with few inputs are chosen: they look best when small."""
QUALITY = 88
"""The JPEG quality."""
HEIGHT = 240
"""The height of an output in pixels; all other sizes derive from it."""
WIDTH = 760
GAP = 12
MARGIN = 28
ARROW = 46
LINES, LINE_HEIGHT, FONT_SIZE = 2, 27, 20
"""The layout of an instruction below its images; longer text ends in "…"."""
TEXT = 10 + LINES * LINE_HEIGHT
_MOST_CHARACTERS = 1000
"""The most characters of an instruction that are read: it may have any length."""
_PAPER, _INK, _TEXT_INK = (250, 248, 245), (120, 114, 104), (46, 43, 38)


def make_collage(samples: Sequence[Sample]) -> Pillow.Image:
    """Draw the samples in `COLUMNS` columns. Raises `UnusableImage`."""
    rows = -(-len(samples) // COLUMNS)
    size = (
        COLUMNS * WIDTH + (COLUMNS + 1) * MARGIN,
        rows * (HEIGHT + TEXT) + (rows + 1) * MARGIN,
    )
    sheet = Pillow.new("RGB", size, _PAPER)
    for place, sample in enumerate(samples):
        left = MARGIN + (place % COLUMNS) * (WIDTH + MARGIN)
        top = MARGIN + (place // COLUMNS) * (HEIGHT + TEXT + MARGIN)
        _draw(sheet, sample, left, top)
        _write(sheet, sample.instruction, left, top + HEIGHT + 10)
    return sheet


def _draw(sheet: Pillow.Image, sample: Sample, left: int, top: int) -> None:
    room = WIDTH - HEIGHT - ARROW
    lines = _lines(len(sample.inputs))
    side = (HEIGHT - GAP * (len(lines) - 1)) // len(lines)
    side = min(side, *((room - GAP * (number - 1)) // number for number in lines))
    height = len(lines) * side + GAP * (len(lines) - 1)
    inputs = iter(sample.inputs)
    # Inputs stand next to the arrow that points to the output.
    for line, number in enumerate(lines):
        start = left + room - number * side - (number - 1) * GAP
        y = top + (HEIGHT - height) // 2 + line * (side + GAP)
        for place in range(number):
            _paste(sheet, next(inputs).data, (start + place * (side + GAP), y), side)
    _arrow(sheet, left + room + ARROW // 2, top + HEIGHT // 2)
    _paste(sheet, sample.output.data, (left + WIDTH - HEIGHT, top), HEIGHT)


def _lines(inputs: int) -> list[int]:
    """Return the number of inputs per line: one line for up to two, two lines from three on."""
    if inputs <= _ONE_LINE:
        return [inputs]
    return [-(-inputs // 2), inputs // 2]


_ONE_LINE = 2


def _paste(sheet: Pillow.Image, data: Buffer, at: tuple[int, int], side: int) -> None:
    """Paste the middle square of an image, with round corners."""
    picture = shrink(data, side * 3)
    short = min(picture.size)
    left, top = (picture.width - short) // 2, (picture.height - short) // 2
    square = picture.resize(
        (side, side), Pillow.Resampling.LANCZOS, (left, top, left + short, top + short)
    )
    # Corners are drawn at four times their size, since Pillow does not smooth them.
    mask = Pillow.new("L", (side * 4, side * 4))
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, side * 4 - 1, side * 4 - 1), 48, fill=255)
    sheet.paste(square, at, mask.resize((side, side), Pillow.Resampling.LANCZOS))


def _write(sheet: Pillow.Image, instruction: str, left: int, top: int) -> None:
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(FONT_SIZE)  # Pillow's own: the same bytes on every machine
    for number, line in enumerate(wrapped(instruction, font.getlength)):
        draw.text((left, top + number * LINE_HEIGHT), line, _TEXT_INK, font)


def wrapped(text: str, length: Callable[[str], float]) -> list[str]:
    """Wrap the text to `LINES` lines of at most `WIDTH` pixels; `length` measures a line."""
    start = text[:_MOST_CHARACTERS]
    words = "".join(letter if letter.isprintable() else " " for letter in start).split()
    lines: list[str] = []
    for number in range(LINES):
        line = ""
        while words and length(f"{line} {words[0]}".strip()) <= WIDTH:
            line = f"{line} {words.pop(0)}".strip()
        if words and (number == LINES - 1 or not line):
            return [*lines, _cut(line or words[0], length)]
        if line:
            lines.append(line)
    return lines


def _cut(line: str, length: Callable[[str], float]) -> str:
    """Shorten the line to end in "…": by words, or by letters if it is one word."""
    while length(f"{line}…") > WIDTH:
        line = line.rpartition(" ")[0] or line[:-1]
    return f"{line}…"


def _arrow(sheet: Pillow.Image, x: int, y: int) -> None:
    draw = ImageDraw.Draw(sheet)
    draw.line((x - 13, y, x + 11, y), fill=_INK, width=3)
    draw.line((x + 3, y - 8, x + 12, y, x + 3, y + 8), fill=_INK, width=3, joint="curve")


def spread(samples: Iterable[Sample]) -> list[Sample]:
    """Return samples of alternating tasks, so that neighbors differ, with few inputs first."""
    by_task: dict[str, list[Sample]] = {}
    for sample in samples:
        by_task.setdefault(sample.task.value, []).append(sample)
    queues = [sorted(queue, key=lambda sample: sample.num_inputs) for queue in by_task.values()]
    return [queue[at] for at in range(max(map(len, queues), default=0))
            for queue in queues if at < len(queue)][:SAMPLES]  # fmt: skip
