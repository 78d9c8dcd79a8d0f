"""Where an instruction speaks of an input: "image 2", "images 1, 2 and 3", "the second image"."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

MOST_NAMED = 20
"""The highest number that can be an input's: "image 2024" speaks of a year."""

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
# What repeats is bounded, so that no stranger's text makes the search slow.
_REFERENCE = re.compile(
    rf"""
    \b(?=[ipfstne\d])  # how any of these begins: most words are passed by at once
    (?:
    {_PICTURE}s[ ]?{_NUMBER}(?:(?:,[ ]?(?:and[ ])?|[ ](?:and|or|to|&)[ ])\#?{_NUMBER}){{0,12}}
    | {_PICTURE}[ ]?[#_-]?[ ]?{_NUMBER}
    | (?:{_ORDINALS})(?:[ ](?:input|reference|source))?[ ]{_PICTURE}\b
    )
    """,
    re.IGNORECASE | re.VERBOSE | re.ASCII,
)
_PART = re.compile(rf"(?:{_PICTURE}s?[ ]?[#_-]?[ ]?)?\#?({_NUMBER})", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of an instruction; `image` is the input it speaks of, from 1, or None."""

    text: str
    image: int | None = None


def spans(instruction: str) -> list[Span]:
    """The instruction in pieces, which joined give it again.

    >>> [span.image for span in spans("Put images 1 and 2 beside the third image.")]
    [None, 1, None, 2, None, 3, None]
    """
    return list(_spans(instruction))


def named_images(instruction: str) -> set[int]:
    """The numbers of the inputs that an instruction speaks of."""
    return {span.image for span in _spans(instruction) if span.image is not None}


def _spans(text: str) -> Iterator[Span]:
    end = 0
    for found in _REFERENCE.finditer(text):
        for start, stop, number in _parts(found):
            if number is None:
                continue
            if start > end:
                yield Span(text[end:start])
            yield Span(text[start:stop], number)
            end = stop
    if end < len(text):
        yield Span(text[end:])


def _parts(found: re.Match[str]) -> Iterator[tuple[int, int, int | None]]:
    """Start, end and number of each input that one reference names."""
    text = found.group().lower()
    if ordinal := _WORDS.get(text.partition(" ")[0]):
        yield found.start(), found.end(), ordinal
        return
    for part in _PART.finditer(found.group()):
        word = part.group(1).lower()
        number = int(word) if word.isdecimal() else _WORDS[word]
        known = number if 1 <= number <= MOST_NAMED else None
        yield found.start() + part.start(), found.start() + part.end(), known
