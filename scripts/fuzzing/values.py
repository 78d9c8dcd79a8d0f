"""Values that nobody expects, and JSON with one of them in it."""

import copy
import json
import random
from typing import Any

MARK = "<img src=x onerror=micofuzz()><!-- by hand: about -->"
"""HTML that must never stand in a card or a page as it is."""
DEEP = 100_000
LONG = 300_000

NUMBERS: tuple[Any, ...] = (
    0, -1, 1, -5, 255, 2**31 - 1, 2**31, -(2**31), 2**63 - 1, -(2**63), 2**64, 10**30,
    0.5, -0.0, 1e308, float("nan"), float("inf"),
)  # fmt: skip
TEXTS: tuple[str, ...] = (
    "", " ", "\0", "a\0b", "../../victim/settings.json", "../victim/secret.png", "/etc/hostname",
    "x/../../../victim/settings", "~", "~/x", "C:\\x\\y.png", "file:///etc/hostname",
    "http://127.0.0.1:9/x.png", "data:image/png;base64,iVBORw0KGgo=", "hf://datasets/a/b/c",
    "a::b", "*", "[v2]", "?", "#", "%20", "%2e%2e%2fvictim", ".", "..", "CON", "-rf", "--help",
    MARK, "</script><script>micofuzz()</script>", "`a` | b \n\n# c", "{{ 7 * 7 }}", "${HOME}",
    "'; DROP TABLE index; --", "\u2028", "line\u2028line\u2029line\x85\x0c", "\r\n", "\x1b[31mred",
    "\u202egnp.exe", "\ud800", "e\u0301", "\U0001f9d1\u200d\U0001f91d\u200d\U0001f9d1", "NaN",
    "null", "true", "1e400", "-1", "train", "validation", "default", "object_centric", "PNG",
    "JPEG", "rotated+profile", "sha256", "a" * LONG, "A" * 40, "é" * 100, "[red]x[/red]", ":smile:",
)  # fmt: skip


def scalar(rng: random.Random) -> Any:
    """A value with no parts."""
    kind = rng.random()
    if kind < 0.4:
        return rng.choice(NUMBERS)
    return rng.choice([*TEXTS, None, None, True, False])


def text(rng: random.Random) -> str:
    """A text."""
    return rng.choice(TEXTS)


def value(rng: random.Random) -> Any:
    """A value of any kind."""
    kind = rng.randrange(10)
    if kind == 0:
        return [scalar(rng) for _ in range(rng.randrange(4))]
    if kind == 1:
        return {str(scalar(rng))[:50]: scalar(rng) for _ in range(rng.randrange(4))}
    if kind == 2:
        return [[[]]] * 3
    return scalar(rng)


def places(plain: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to each value below, the whole left out."""
    found = [path] if path else []
    items: Any = ()
    if isinstance(plain, dict):
        items = plain.items()
    elif isinstance(plain, list):
        items = enumerate(plain)
    for key, inner in items:
        found += places(inner, (*path, key))
    return found


def changed(plain: Any, rng: random.Random) -> Any:
    """The same JSON with one value changed, gone, doubled or elsewhere."""
    plain = copy.deepcopy(plain)
    ways = places(plain)
    if not ways or rng.random() < 1 / 50:
        return value(rng)
    # A level first: else most changes hit the many small values at the bottom.
    depth = rng.choice(sorted({len(way) for way in ways}))
    *above, last = rng.choice([way for way in ways if len(way) == depth])
    holder = plain
    for key in above:
        holder = holder[key]
    how = rng.randrange(10)
    if how == 0:
        del holder[last]
    elif how == 1:
        other = rng.choice(ways)
        source = plain
        for key in other:
            source = source[key]
        holder[last] = copy.deepcopy(source)
    elif how == 2 and isinstance(holder, dict):
        holder[str(text(rng))[:100]] = holder[last] if rng.random() < 1 / 2 else holder.pop(last)
    elif how == 3 and isinstance(holder, list):
        holder[last:last] = [holder[last]] * rng.choice([1, 2, 50])
    elif how == 4 and isinstance(holder[last], int | float):
        holder[last] = rng.choice([-holder[last], holder[last] + 1, holder[last] * 2.5])
    else:
        holder[last] = value(rng)
    return plain


def encoded(plain: Any, rng: random.Random, indent: int | None = None) -> bytes:
    """JSON text, mostly as usual; halves of characters are escaped."""
    escaped = rng.random() < 1 / 4
    said = json.dumps(plain, ensure_ascii=escaped, indent=indent)
    return said.encode("utf-8", "surrogatepass" if rng.random() < 1 / 8 else "replace")


def spoiled(data: bytes, rng: random.Random) -> bytes:
    """A JSON file as a whole made into another: encodings, nesting, doubled keys, blanks."""
    how = rng.randrange(12)
    if how == 0:
        return b"[" * DEEP
    if how == 1:
        return b'{"a":' * DEEP + b"1" + b"}" * DEEP
    if how == 2:
        return data.decode(errors="replace").encode(rng.choice(["utf-16", "utf-32", "utf-8-sig"]))
    if how == 3:
        return data + data
    if how == 4:
        return data.replace(b'"', b"'", rng.randint(1, 20))
    if how == 5:
        return data.replace(b"{", b'{"rows": 1, "rows": [], ', 1)
    if how == 6:
        return data.replace(b"\n", rng.choice([b"\r", b"\r\n", b"\xe2\x80\xa8", b"\n\n\n"]))
    if how == 7:
        return rng.choice([b"", b"null", b"0", b'""', b"[]", b"{}", b"[[]]", b"[null]", b"NaN"])
    if how == 8:
        return b"9" * rng.choice([100, 5_000, LONG])
    if how == 9:
        return data + b" " * 10**7 + b"\n" * 10**6
    if how == 10:
        place = rng.randrange(max(1, len(data)))
        return data[:place] + b"\xff\xfe\xc3" + data[place:]
    return data.rstrip()[:-1] + b",]"
