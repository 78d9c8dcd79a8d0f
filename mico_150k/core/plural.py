"""Writes numbers with nouns that agree with them."""


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun: `0 files`, `1 file`, `150,000 files`.

    Args:
        number: How many there are.
        noun: The singular, with any adjectives before it.
        plural: The plural, if it is not the singular with an s.
    """
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
