"""The image store: each content once, whole or not there."""

import errno
import subprocess
import sys
from pathlib import Path

import pytest
import xxhash

from mico_150k.core.errors import BrokenFile, DiskTooSmall
from mico_150k.core.sample import Image
from mico_150k.export.image_store import ImageStore
from mico_150k.io.temporary import partial, process_mark

from ..factories import encode, picture


def image(seed: int = 0, image_format: str = "PNG") -> Image:
    data = encode(picture(seed), image_format)
    return Image(data, image_format, 64, 48, xxhash.xxh3_128_hexdigest(data))


@pytest.mark.parametrize(
    ("image_format", "ending"), [("PNG", "png"), ("JPEG", "jpg"), ("WEBP", "webp")]
)
def test_an_image_is_its_bytes_under_its_digest_and_its_real_formats_ending(
    tmp_path: Path, image_format: str, ending: str
) -> None:
    store = ImageStore(tmp_path / "images")
    one = image(image_format=image_format)
    assert store.put(one) == len(one.data)
    path = tmp_path / "images" / one.digest[:2] / f"{one.digest}.{ending}"
    assert path.read_bytes() == one.data
    assert store.put(one) == 0


def test_an_image_that_is_not_what_the_index_says_is_refused(tmp_path: Path) -> None:
    other = Image(image(1).data, "PNG", 64, 48, image(2).digest)
    with pytest.raises(BrokenFile, match="differs from the one in the index"):
        ImageStore(tmp_path).put(other)
    assert not list(tmp_path.rglob("*.png"))


def test_what_is_settled_is_known_to_the_next_export_and_nothing_else_is(tmp_path: Path) -> None:
    store = ImageStore(tmp_path)
    one, two = image(1), image(2)
    for each in (one, two):
        store.put(each)
    store.settle([one.digest])
    assert ImageStore(tmp_path).known == {one.digest}


def test_an_image_that_a_power_cut_has_emptied_is_written_again(tmp_path: Path) -> None:
    store = ImageStore(tmp_path)
    one = image()
    store.put(one)
    path = tmp_path / ImageStore.name(one.digest, one.format)
    path.write_bytes(b"")
    assert store.put(one) == len(one.data)
    assert path.read_bytes() == one.data


def test_lists_of_two_exports_do_not_hide_each_other(tmp_path: Path) -> None:
    one, two = image(1), image(2)
    first, second = ImageStore(tmp_path), ImageStore(tmp_path)
    for store, each in ((first, one), (second, two)):
        store.put(each)
        store.settle([each.digest])
    assert ImageStore(tmp_path).known == {one.digest, two.digest}


def test_what_is_gone_or_cut_is_not_known_and_is_written_again(tmp_path: Path) -> None:
    store = ImageStore(tmp_path)
    images = [image(number) for number in range(3)]
    for each in images:
        store.put(each)
    store.settle(each.digest for each in images)
    gone, cut, whole = (tmp_path / ImageStore.name(each.digest, each.format) for each in images)
    gone.unlink()
    cut.write_bytes(cut.read_bytes()[:-1])
    again = ImageStore(tmp_path)
    assert again.known == {images[2].digest}
    for each in images:
        again.put(each)
    again.settle(each.digest for each in images)
    assert all(path.is_file() for path in (gone, cut, whole))
    assert ImageStore(tmp_path).known == {each.digest for each in images}


_WRITE = """
import sys
from pathlib import Path
import xxhash
from mico_150k.export.image_store import ImageStore
from mico_150k.core.sample import Image

store = ImageStore(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
for data in (bytes([number]) * 100_000 for number in range(200)):
    image = Image(data, "PNG", 64, 48, xxhash.xxh3_128_hexdigest(data))
    store.put(image)
    store.settle([image.digest])
"""


def test_two_exports_write_the_same_images_at_once(tmp_path: Path) -> None:
    exports = [
        subprocess.Popen(
            [sys.executable, "-c", _WRITE, str(tmp_path)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for _ in range(3)
    ]  # fmt: skip
    for export in exports:
        assert export.stdout
        assert export.stdout.readline() == "ready\n"
    for export in exports:
        assert export.stdin
        export.stdin.write("\n")
        export.stdin.flush()
    for export in exports:
        _, errors = export.communicate(timeout=120)
        assert not export.returncode, errors
    assert len(ImageStore(tmp_path).known) == 200
    assert not list(tmp_path.rglob("*.partial"))


def test_an_image_that_cannot_be_written_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Path.write_bytes

    def fill(self: Path, data: bytes) -> int:
        write(self, data[:10])
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(Path, "write_bytes", fill)
    with pytest.raises(DiskTooSmall):
        ImageStore(tmp_path).put(image())
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_what_a_killed_export_was_writing_is_removed_and_what_another_writes_is_not(
    tmp_path: Path,
) -> None:
    ended = subprocess.run(
        [
            sys.executable,
            "-c",
            "from mico_150k.io.temporary import process_mark; print(process_mark())",
        ],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    path = tmp_path / "0a" / "0abc.png"
    path.parent.mkdir()
    killed, running = partial(path, f"{ended.stdout.strip()}-1"), partial(path, process_mark())
    for each in (killed, running):
        each.write_bytes(b"half")
    assert ImageStore(tmp_path).known == set()
    assert list(path.parent.iterdir()) == [running]
