"""Numbers that agree with their nouns, wherever something is counted for a person."""


def counted(number: int, noun: str, plural: str = "") -> str:
    """`0 files`, `1 file`, `150,000 files`.

    Args:
        number: How many.
        noun: The word for one of them, which may have words before it.
        plural: The word for several, where that is not the noun with an s.
    """
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
