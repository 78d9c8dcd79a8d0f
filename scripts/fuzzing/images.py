"""Images mutated: bytes, chunks with repaired checksums, markers, sizes, bombs, other things."""

import random
import struct
import zlib
from collections.abc import Callable

from fuzzing import damage
from fuzzing.damage import Mutate

PNG = b"\x89PNG\r\n\x1a\n"
JPEG = b"\xff\xd8"
MOST_INFLATED = 3 << 30
BLOCK = 1 << 20


def mutate(data: bytes, rng: random.Random) -> tuple[bytes, str]:
    """Another image, or none any more, and how it came about."""
    ways: list[Mutate] = [damage.damaged, damage.damaged, other_thing, behind_its_end]
    if data.startswith(PNG):
        ways += [png_chunks] * 5 + [png_header] * 2 + [png_bomb]
    elif data.startswith(JPEG):
        ways += [jpeg_segments] * 5 + [jpeg_scans]
    elif data.startswith(b"RIFF"):
        ways += [webp_chunks] * 5
    way = rng.choice(ways)
    return way(data, rng), way.__name__


def chunk(name: bytes, body: bytes) -> bytes:
    """A chunk of a PNG with a right checksum."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    found, place = [], len(PNG)
    while place + 12 <= len(data):
        length = int.from_bytes(data[place : place + 4], "big")
        found.append((data[place + 4 : place + 8], data[place + 8 : place + 8 + length]))
        place += 12 + length
    return found


def _png(chunks: list[tuple[bytes, bytes]]) -> bytes:
    return PNG + b"".join(chunk(*one) for one in chunks)


_NAMES = (
    b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"cICP",
    b"tEXt", b"zTXt", b"iTXt", b"eXIf", b"acTL", b"fcTL", b"fdAT", b"pHYs", b"abcD", b"\xff\0zz",
)  # fmt: skip


def png_chunks(data: bytes, rng: random.Random) -> bytes:
    """Chunks changed, gone, doubled, out of order or new; every checksum is right."""
    chunks = _chunks(data)
    for _ in range(rng.choice([1, 1, 2])):
        place = rng.randrange(len(chunks))
        name, body = chunks[place]
        how = rng.randrange(6)
        if how == 0:
            chunks[place] = (name, damage.damaged(body, rng))
        elif how == 1 and len(chunks) > 1:
            del chunks[place]
        elif how == 2:
            chunks[place:place] = [(name, body)] * rng.choice([1, 1, 5000])
        elif how == 3:
            rng.shuffle(chunks)
        elif how == 4:
            new = (rng.choice(_NAMES), rng.randbytes(rng.choice([0, 1, 4, 9, 32, 300])))
            chunks.insert(place, new)
        else:
            chunks[place] = (rng.choice(_NAMES), body)
    return _png(chunks)


def png_header(data: bytes, rng: random.Random) -> bytes:
    """Sides, depth, colour type or interlacing that the pixels do not have."""
    chunks = _chunks(data)
    sides = (0, 1, 15, 16, 9459, 65535, 2**31 - 1, 2**32 - 1, rng.randrange(200))
    width, height, *rest = struct.unpack(">IIBBBBB", chunks[0][1])
    new = [
        rng.choice([width, *sides]),
        rng.choice([height, *sides]),
        rng.choice([rest[0], 1, 2, 4, 8, 16, 3]),
        rng.choice([rest[1], 0, 2, 3, 4, 6, 5]),
        rng.choice([0, 0, 0, 1]),
        0,
        rng.choice([0, 0, 1, 2]),
    ]
    chunks[0] = (b"IHDR", struct.pack(">IIBBBBB", *new))
    return _png(chunks)


def zeros(size: int) -> bytes:
    """A zlib stream that inflates to so many zeros, about, made without inflating it."""
    packer = zlib.compressobj(9)
    head = packer.compress(bytes(BLOCK)) + packer.flush(zlib.Z_FULL_FLUSH)
    body = packer.compress(bytes(BLOCK)) + packer.flush(zlib.Z_FULL_FLUSH)
    blocks = max(1, size // BLOCK)
    total = blocks * BLOCK
    end = b"\x03\x00" + struct.pack(">I", (total % 65521) << 16 | 1)
    return head + body * (blocks - 1) + end


def png_bomb(data: bytes, rng: random.Random) -> bytes:
    """Much that unpacks from little: pixels, text, a profile, or a picture of the largest size."""
    size = rng.choice([50 << 20, 1 << 30, MOST_INFLATED])
    chunks = _chunks(data)
    header = chunks[0]
    how = rng.randrange(4)
    if how == 0:
        side = rng.choice([64, 2000, 9459])
        header = (b"IHDR", struct.pack(">IIBBBBB", side, side, 8, rng.choice([2, 6]), 0, 0, 0))
        return _png([header, (b"IDAT", zeros(size)), (b"IEND", b"")])
    if how == 1:
        text = b"Comment\0\0" + zeros(size)
        return _png([header, (b"zTXt", text), *chunks[1:]])
    if how == 2:
        return _png([header, (b"iCCP", b"profile\0\0" + zeros(size)), *chunks[1:]])
    side = 9459
    rows = zeros(side * (side * 4 + 1))
    header = (b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 6, 0, 0, 0))
    return _png([header, (b"IDAT", rows), (b"IEND", b"")])


def _segments(data: bytes) -> list[bytes]:
    """A JPEG's segments up to its first scan, and the rest as one."""
    found, place = [data[:2]], 2
    while place + 4 <= len(data) and data[place] == 0xFF and data[place + 1] != 0xDA:
        length = int.from_bytes(data[place + 2 : place + 4], "big")
        found.append(data[place : place + 2 + length])
        place += 2 + length
    return [*found, data[place:]]


def jpeg_segments(data: bytes, rng: random.Random) -> bytes:
    """Segments changed, gone, doubled, out of order or new."""
    parts = _segments(data)
    for _ in range(rng.choice([1, 1, 2])):
        place = rng.randrange(1, len(parts))
        part = parts[place]
        how = rng.randrange(7)
        if how == 0:
            parts[place] = damage.damaged(part, rng)
        elif how == 1 and len(parts) > 2:
            del parts[place]
        elif how == 2:
            parts[place:place] = [part] * rng.choice([1, 1, 300])
        elif how == 3:
            middle = parts[1:-1]
            rng.shuffle(middle)
            parts[1:-1] = middle
        elif how == 4:
            body = rng.randbytes(rng.choice([0, 2, 30, 60_000]))
            marker = rng.choice([0xE0, 0xE1, 0xE2, 0xEE, 0xFE, 0xDD, 0xC4, 0xDC, 0x01, 0xD8, 0xD9])
            parts.insert(place, struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body)
        elif how == 5 and len(part) > 8 and 0xC0 <= part[1] <= 0xCF:
            sides = struct.pack(">HH", *(rng.choice([0, 1, 16, 9459, 65535]) for _ in range(2)))
            parts[place] = part[:5] + sides + part[9:]
        else:
            parts[place] = part + b"\xff" * rng.choice([1, 10_000])
    return b"".join(parts)


def jpeg_scans(data: bytes, rng: random.Random) -> bytes:
    """The scans again and again, or no end, or another start behind the end."""
    parts = _segments(data)
    how = rng.randrange(4)
    if how == 0:
        scan = parts[-1].removesuffix(b"\xff\xd9")
        return b"".join(parts[:-1]) + scan * rng.choice([2, 10, 200]) + b"\xff\xd9"
    if how == 1:
        return data.removesuffix(b"\xff\xd9") + rng.choice([b"", b"\0" * 64, b"trailer" * 50])
    if how == 2:
        return data + data
    return data[:2] + b"junk" + data[2:]


def webp_chunks(data: bytes, rng: random.Random) -> bytes:
    """A WebP's chunks changed, gone, doubled or out of order; its length is mostly made right."""
    chunks, place = [], 12
    while place + 8 <= len(data):
        length = int.from_bytes(data[place + 4 : place + 8], "little")
        end = place + 8 + length + length % 2
        chunks.append(data[place:end])
        place = end
    where = rng.randrange(len(chunks))
    how = rng.randrange(5)
    if how == 0:
        chunks[where] = chunks[where][:8] + damage.damaged(chunks[where][8:], rng)
    elif how == 1 and len(chunks) > 1:
        del chunks[where]
    elif how == 2:
        chunks[where:where] = [chunks[where]] * rng.choice([1, 500])
    elif how == 3:
        rng.shuffle(chunks)
    else:
        body = rng.randbytes(10)
        chunks.insert(0, b"VP8X" + struct.pack("<I", len(body)) + body)
    body = b"WEBP" + b"".join(chunks)
    length = len(body) if rng.random() < 0.8 else rng.randrange(2**32)
    return b"RIFF" + struct.pack("<I", length) + body


def behind_its_end(data: bytes, rng: random.Random) -> bytes:
    """Something behind a whole picture."""
    return data + rng.choice([b"\0", b"\0" * 1000, data[:100], b"PK\x03\x04", b"</html>", data])


def other_thing(_data: bytes, rng: random.Random) -> bytes:
    """What is called an image, and is something else."""
    things: list[bytes] = [
        b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%PDF-1.7\n", b"<!DOCTYPE html><html>",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n(x) run\n", b"GIF89a" + bytes(20),
        b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n", b"BM" + bytes(60),
        b"\0\0\0\x18ftypheic" + bytes(40), b"\0\0\0\x1cftypavif" + bytes(40), b"P6 64 64 255\n",
        b"P5\n99999999 99999999\n255\n", b"II*\0\x08\0\0\0\xff\xff" + bytes(9), b"8BPS\0\x01",
        b"\xff\xd8", b"\xff\xd8\xff", PNG, PNG + bytes(100), b"RIFF\0\0\0\0WEBP", b"RIFF",
        b"\xff\x4f\xff\x51" + bytes(60), b"data:image/png;base64,iVBORw0KGgo=",
    ]  # fmt: skip
    thing = rng.choice(things)
    return thing if rng.random() < 1 / 2 else damage.damaged(thing, rng)


WAYS: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    png_chunks, png_header, png_bomb, jpeg_segments, jpeg_scans, webp_chunks, behind_its_end,
    other_thing,
)  # fmt: skip
