"""`--max-memory` holds for one large image too: seen from outside, by what a process has taken."""

import json
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from mico_150k.build.forecast import building_memory, image_room
from mico_150k.build.plan import make_plan
from mico_150k.core.errors import MemoryTooSmall
from mico_150k.core.sample import Origin, RawSample, Sample
from mico_150k.core.task import Task
from mico_150k.images.header import Verify
from mico_150k.images.room import COMMON_ROOM, needed
from mico_150k.sources import open_source
from mico_150k.sources.validate import RowValidator

from ..factories import Case, encode, picture, signed_view, write_release
from .awkward import RGB_ALPHA, chunk

MB = 10**6


def flat_png(width: int, height: int, colour: int = RGB_ALPHA, bits: int = 8) -> bytes:
    """An RGBA PNG of one colour: large as an image, and some kilobytes as a file."""
    line = b"\0" + b"\x20\x80\xf0\xa0" * (width * bits // 8)
    packer = zlib.compressobj()
    packed = b"".join(packer.compress(line) for _ in range(height)) + packer.flush()
    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([bits, colour, 0, 0, 0])
    body = ((b"IHDR", header), (b"IDAT", packed), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in body)


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release with one image of 35 megapixels that has to be re-encoded."""
    small = encode(picture(1))
    cases = [
        Case("hoi", 1, "put it there", (small, small), small),
        Case("hoi", 2, "put this there", (small, flat_png(7000, 5000)), small),
    ]
    return write_release(tmp_path_factory.mktemp("large") / "release", cases)


# Linux counts what the process that started it had taken as a process's own peak (the kernel's
# `exec_mmap` keeps it), and the one that runs the tests has taken anything. So a small one starts
# `mico`, and reports the peak of that in kilobytes as its last line.
STARTER = """
import os, sys
command = [sys.executable, "-m", "mico_150k", *sys.argv[1:]]
child = os.posix_spawn(command[0], command, os.environ)
_, status, used = os.wait4(child, 0)
print(used.ru_maxrss, flush=True)
sys.exit(os.waitstatus_to_exitcode(status))
"""


def run(*arguments: object) -> tuple[int, str, int]:
    """`mico` in a process of its own: its exit status, what it said, and its peak in bytes."""
    command = [sys.executable, "-S", "-c", STARTER, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    unit = 1 if sys.platform == "darwin" else 1024
    return done.returncode, done.stderr, int(done.stdout.splitlines()[-1]) * unit


def test_the_peak_of_a_process_is_not_that_of_the_tests() -> None:
    taken = b"x" * (600 * MB)
    assert run("--version")[2] < len(taken) // 2


@pytest.mark.slow
def test_what_is_allowed_suffices_for_a_large_image_and_is_not_exceeded(
    release: Path, tmp_path: Path
) -> None:
    status, said, peak = run(
        "build",
        release,
        "--out",
        tmp_path / "out",
        "--config",
        "omnigen2",
        "--max-memory",
        "1300MB",
    )
    assert status == 0, said
    assert peak < 1300 * MB
    report = json.loads((tmp_path / "out/report.json").read_text())
    assert (report["rows_read"], report["rows"]) == (2, 2)


def test_an_image_that_needs_more_than_is_allowed_stops_the_build_with_the_way_out(
    release: Path, tmp_path: Path
) -> None:
    source = open_source(str(release))
    allowed = building_memory(source, make_plan(source), 1) // MB + 100
    out = tmp_path / "out"
    options = ("--out", out, "--config", "omnigen2", "--workers", 1)
    status, said, peak = run("build", release, *options, "--max-memory", f"{allowed}MB")
    assert status == 1
    assert "row 1, image 2: an image of 7000 × 5000 pixels" in " ".join(said.split())
    assert "--max-memory" in said
    assert "Traceback" not in said
    assert peak < allowed * MB


def row(image: bytes) -> RawSample:
    view = signed_view(image)
    return RawSample(Origin("f.parquet", 3), Task.HOI, "1", "", "there", (view,), view)


def late_text(data: bytes) -> bytes:
    """A PNG with what Pillow finds only after it has decoded all pixels."""
    return data[:-12] + chunk(b"tEXt", b"Raw\0text") + data[-12:]


DECODED: dict[str, tuple[bytes, Verify]] = {
    "re-encoded": (flat_png(100, 100), Verify.HEADER),
    "verified": (encode(picture(1, (100, 100))), Verify.DECODE),
    "a jpeg that is verified": (encode(picture(1, (100, 100)), "JPEG"), Verify.DECODE),
    "probed": (late_text(encode(picture(1, (100, 100)))), Verify.STRUCTURE),
    "of another format": (encode(picture(1, (100, 100)), "BMP"), Verify.STRUCTURE),
}


@pytest.mark.parametrize("name", DECODED)
def test_whatever_decodes_an_image_asks_for_room_first(name: str) -> None:
    data, verify = DECODED[name]
    kind = "BMP" if name.startswith("of") else "JPEG" if "jpeg" in name else "PNG"
    need = needed(kind, 100, 100, len(data))
    assert isinstance(RowValidator(verify, need).examine_row(row(data)), Sample)
    with pytest.raises(MemoryTooSmall, match=r"f\.parquet, row 3, image 1: an image of 100 × 100"):
        RowValidator(verify, need - 1).examine_row(row(data))


@pytest.mark.parametrize("make", [lambda: encode(picture(1)), lambda: encode(picture(1), "JPEG")])
def test_an_image_that_is_not_decoded_needs_no_room(make: Callable[[], bytes]) -> None:
    assert isinstance(RowValidator(Verify.STRUCTURE, 0).examine_row(row(make())), Sample)


def test_workers_share_what_is_left_for_images(release: Path) -> None:
    source = open_source(str(release))
    plan = make_plan(source)
    assert image_room(source, plan, 3, None) is None
    for workers in (1, 3):
        needs = building_memory(source, plan, workers)
        assert image_room(source, plan, workers, needs) == COMMON_ROOM
        assert (
            image_room(source, plan, workers, needs + 600 * MB) == COMMON_ROOM + 600 * MB // workers
        )
    assert needed("PNG", 4096, 4096, 0) <= COMMON_ROOM
