"""Finds the inputs that an instruction names: "image 2", "images 1 to 3", "the second image"."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

MOST_NAMED = 20
"""The highest number that can be an input's: "image 2024" names a year."""

_WORDS = {
    word: number
    for number, words in enumerate(
        (
            ("first", "one", "1st"),
            ("second", "two", "2nd"),
            ("third", "three", "3rd"),
            ("fourth", "four", "4th"),
            ("fifth", "five", "5th"),
            ("sixth", "six", "6th"),
            ("seventh", "seven", "7th"),
            ("eighth", "eight", "8th"),
            ("ninth", "nine", "9th"),
            ("tenth", "ten", "10th"),
        ),
        start=1,
    )
    for word in words
}
_ORDINALS = "|".join(word for word in _WORDS if word.endswith(("st", "nd", "rd", "th")))
_CARDINALS = "|".join(word for word in _WORDS if not word.endswith(("st", "nd", "rd", "th")))
_PICTURE = r"(?:image|picture|photo|img)"
_NUMBER = rf"(?:\d{{1,3}}(?![\w%]|\.\d)|(?:{_CARDINALS})\b)"
# A list of numbers only after the plural: "the man from image 1 and two cats" names one image.
# Repetitions are bounded, so that no foreign text makes the search slow.
_REFERENCE = re.compile(
    rf"""
    \b(?=[ipfstne\d])  # how any of these begins: most words are passed by at once
    (?:
    {_PICTURE}s[ ]?{_NUMBER}
        (?:(?:,[ ]?(?:and[ ])?|[ ](?:and|or|to|through|&)[ ]|[ ]?[-–][ ]?)\#?{_NUMBER}){{0,12}}
    | {_PICTURE}[ ]?[#_-]?[ ]?{_NUMBER}
    | (?:{_ORDINALS})(?:[ ](?:input|reference|source))?[ ]{_PICTURE}\b
    )
    """,
    re.IGNORECASE | re.VERBOSE | re.ASCII,
)
_RANGE = {"to", "through", "-", "–"}
_PART = re.compile(rf"(?:{_PICTURE}s?[ ]?[#_-]?[ ]?)?\#?({_NUMBER})", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of an instruction; `images` are the inputs that it names, from 1, ranges in full."""

    text: str
    images: tuple[int, ...] = ()


def spans(instruction: str) -> list[Span]:
    """Split an instruction into pieces; joined, they give it back.

    >>> [span.images for span in spans("Put images 1 and 2 beside the third image.")]
    [(), (1,), (), (2,), (), (3,), ()]
    >>> spans("Mix images 2 to 4")[1:]
    [Span(text='images 2 to 4', images=(2, 3, 4))]
    """
    return list(_spans(instruction))


def named_images(instruction: str) -> set[int]:
    """Return the numbers of the inputs that an instruction names, from 1."""
    return {image for span in _spans(instruction) for image in span.images}


def _spans(text: str) -> Iterator[Span]:
    end = 0
    for found in _REFERENCE.finditer(text):
        for start, stop, images in _parts(found):
            if start > end:
                yield Span(text[end:start])
            yield Span(text[start:stop], images)
            end = stop
    if end < len(text):
        yield Span(text[end:])


def _parts(found: re.Match[str]) -> Iterator[tuple[int, int, tuple[int, ...]]]:
    """Yield the start, the end and the inputs of each part of a reference."""
    text = found.group()
    if ordinal := _WORDS.get(text.lower().partition(" ")[0]):
        yield found.start(), found.end(), (ordinal,)
        return
    parts = [(part.start(), part.end(), _number(part.group(1))) for part in _PART.finditer(text)]
    while parts:
        start, end, first = parts.pop(0)
        last = first
        ranges = parts and text[end : parts[0][0]].strip().lower() in _RANGE
        if ranges and first < parts[0][2] <= MOST_NAMED:
            _, end, last = parts.pop(0)
        if 1 <= first <= last <= MOST_NAMED:
            yield found.start() + start, found.start() + end, tuple(range(first, last + 1))


def _number(word: str) -> int:
    return int(word) if word.isdecimal() else _WORDS[word.lower()]
