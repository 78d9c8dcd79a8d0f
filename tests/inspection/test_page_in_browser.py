"""The page of `mico preview`, opened in a browser: what a person sees and does."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mico_150k.builders import TRAINERS

from mico_150k.build.build import Build, BuildOptions
from mico_150k.dataset.reader import open_dataset
from mico_150k.inspection.page import write_preview
from mico_150k.inspection.page_rows import Choice
from mico_150k.sources import open_source

from ..browser import chromium
from ..factories import cases, encode, picture, write_release
from ..web import serve

EVIL = (
    "<script>document.title = 'owned'</script>"
    "<img src=x onerror=\"document.title = 'owned'\">"
    '"><svg onload="document.title=\'owned\'"> Put image 1 on the second image; image 9 stays.'
)
PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 900}


@pytest.fixture(scope="module")
def odd_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows of all tasks: one with evil words, one with six inputs and alpha, one skipped."""
    folder = tmp_path_factory.mktemp("odd")
    samples = cases(3)
    samples[0] = replace(samples[0], instruction=EVIL)
    clear = encode(picture(7, mode="RGBA"))
    samples[4] = replace(
        samples[4], instruction="Mix image 6 with images 2 to 4.", inputs=(clear,) * 6
    )
    flat = encode(picture(3, (1200, 40)))
    samples[6] = replace(samples[6], instruction="A very long text. " * 500, inputs=(flat, flat))
    samples[8] = replace(samples[8], output=b"no <b>image</b>")
    release = write_release(folder / "release", samples)
    Build.prepare(open_source(str(release)), folder / "made", BuildOptions()).run(tolerance=0.5)
    return folder / "made"


@pytest.fixture(scope="module")
def page_file(odd_dataset: Path) -> Path:
    path = odd_dataset.parent / "page.html"
    write_preview(open_dataset(odd_dataset), path, Choice(60))
    return path


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as found:
        yield found


@pytest.fixture
def page(browser: Any, page_file: Path) -> Iterator[Any]:
    """The page on a desktop; whatever it asks of the network, and every error, fails the test."""
    context = browser.new_context(viewport=DESKTOP, reduced_motion="reduce")
    page = context.new_page()
    left: list[str] = []
    page.on("request", lambda request: left.append(request.url))
    page.on("pageerror", lambda error: left.append(str(error)))
    page.on("console", lambda message: left.append(message.text))
    page.goto(page_file.as_uri())
    yield page
    context.close()
    others = [url for url in left if not url.startswith(("file:", "data:image/webp"))]
    assert not others


def shown(page: Any) -> int:
    return int(page.locator(".row:visible").count())


def of_task(page: Any, task: str) -> int:
    return int(page.locator(f".row[data-task={task}]").count())


def test_every_row_is_shown_with_all_its_pictures(page: Any) -> None:
    assert shown(page) == 11
    for number in range(11):
        row = page.locator(".row").nth(number)
        row.scroll_into_view_if_needed()
        for picture_ in row.locator("img").all():
            assert picture_.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
    assert page.locator(".row img:not([loading=lazy][decoding=async])").count() == 0
    assert page.locator(".charts svg").count() == 6


def test_axes_have_units_and_every_trainer_is_in_the_chart(page: Any) -> None:
    charts = {
        figure.locator("b").inner_text(): figure.locator("svg").text_content()
        for figure in page.locator(".charts figure").all()
    }
    for title, units in {
        "Tasks": ["rows"],
        "Inputs": ["rows", "input images of a row"],
        "What trainers take": ["rows", *(trainer.title for trainer in TRAINERS.values())],
        "Instructions": ["rows", "characters of the instruction"],
        "Reuse": ["different images", "occurrences of an input image"],
        "Sizes": ["width in pixels", "height in pixels"],
    }.items():
        assert all(unit in charts[title] for unit in units), title
    key = page.locator(".charts figure", has_text="Rows by number").locator(".keys")
    assert "human–object interaction" in key.inner_text()


def test_the_instruction_stands_between_two_inputs_and_the_output(page: Any) -> None:
    rows = page.locator(".row.two")
    assert rows.count() > 2
    for row in rows.all():
        row.scroll_into_view_if_needed()
        tiles = [tile.bounding_box() for tile in row.locator(".inputs .tile").all()]
        text = row.locator(".instruction").bounding_box()
        output = row.locator(".output").bounding_box()
        right = max(tile["x"] + tile["width"] for tile in tiles)
        assert abs(tiles[0]["y"] - tiles[-1]["y"]) < 4
        assert right < text["x"] < right + 60
        assert text["x"] + text["width"] < output["x"] < text["x"] + text["width"] + 60


def test_tasks_and_oddities_filter(page: Any) -> None:
    hoi = of_task(page, "hoi")
    assert 0 < hoi < 11
    page.click(".chip[data-task=hoi]")
    assert shown(page) == hoi
    assert page.inner_text("#count") == f"{hoi} of 11 rows"
    page.click(".chip[data-task=de_re]")
    assert shown(page) == hoi + of_task(page, "de_re")
    page.click(".chip[data-task=hoi]")
    page.click(".chip[data-task=de_re]")
    assert shown(page) == 11
    page.click(".chip[data-kind=re-encoded]")
    assert shown(page) == 1
    marks = page.locator(".row:visible .marks").text_content()  # also of what is not drawn yet
    assert "BLIP3o-Next: 6 inputs, at most 4" in marks
    assert "OmniGen2: 6 inputs, at most 5" in marks
    assert "image 6 re-encoded: alpha → on white" in marks


def test_search_finds_words_in_any_order_and_ids_and_marks_them(page: Any) -> None:
    page.keyboard.press("/")
    page.keyboard.type("SECOND put")
    assert shown(page) == 1
    assert page.locator(".row:visible").get_attribute("id") == page.evaluate(
        "document.querySelector('.ref.missing').closest('.row').id"
    )
    assert page.evaluate("[...CSS.highlights.get('found')].map(String).sort()")[0] == "Put"
    page.fill("#search", "no such words at all")
    assert shown(page) == 0
    assert page.locator("#nothing").is_visible()
    page.click("#reset")
    assert shown(page) == 11
    page.fill("#search", "re-encoded")  # a mark's word and no row's
    assert shown(page) == 0
    page.fill("#search", "hoi/1")
    assert shown(page) == 1
    page.keyboard.press("Enter")
    assert page.locator(".row.current").inner_text().count("hoi/1") == 1
    page.keyboard.press("/")
    page.keyboard.press("Escape")
    assert shown(page) == 11


@pytest.mark.parametrize("words", ["image 1", "second image"])
def test_hovering_a_reference_lights_up_its_input_and_no_other(page: Any, words: str) -> None:
    row = page.locator(".row", has=page.locator(".ref.missing"))
    place = 1 if words == "image 1" else 2
    tile = row.locator(f".tile[data-image='{place}']")
    assert page.locator(".lit").count() == 0
    row.locator(".ref", has_text=words).hover()
    assert "lit" in tile.get_attribute("class").split()
    assert row.locator(".tile.lit").count() == 1
    others = row.locator(".tile[data-image]:not(.lit)").first
    assert float(others.evaluate("tile => getComputedStyle(tile).opacity")) < 0.4
    page.mouse.move(0, 0)
    assert page.locator(".lit").count() == 0
    tile.hover()  # and the other way round
    assert "lit" in row.locator(".ref", has_text=words).get_attribute("class").split()


def test_a_range_lights_up_all_its_inputs(page: Any) -> None:
    row = page.locator(".row", has_text="Mix image 6")
    row.locator(".ref", has_text="images 2 to 4").hover()
    assert [tile.get_attribute("data-image") for tile in row.locator(".tile.lit").all()] == [
        "2", "3", "4",
    ]  # fmt: skip
    row.locator(".tile[data-image='3']").hover()
    assert row.locator(".ref.lit").all_inner_texts() == ["images 2 to 4"]


def test_focus_and_number_keys_light_up_as_well(page: Any) -> None:
    row = page.locator(".row", has=page.locator(".ref.missing"))
    row.locator(".ref", has_text="second image").focus()
    assert row.locator(".tile.lit").get_attribute("data-image") == "2"
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("j")
    page.keyboard.press("1")
    assert page.locator(".row.current .tile.lit").get_attribute("data-image") == "1"
    page.keyboard.press("Escape")
    assert page.locator(".lit").count() == 0


def test_a_tap_on_a_phone_lights_up_and_brings_the_input_into_view(
    browser: Any, page_file: Path
) -> None:
    context = browser.new_context(
        viewport=PHONE, has_touch=True, is_mobile=True, reduced_motion="reduce"
    )
    page = context.new_page()
    page.goto(page_file.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert not page.locator(".charts").is_visible()  # the rows come first
    row = page.locator(".row", has_text="Mix image 6")
    reference = row.locator(".ref").first
    reference.scroll_into_view_if_needed()
    reference.tap()
    tile = row.locator(".tile[data-image='6']")
    assert tile.evaluate(
        "tile => tile.getBoundingClientRect().left >= 0"
        " && tile.getBoundingClientRect().right <= innerWidth"
    )
    assert row.locator(".tile.lit").get_attribute("data-image") == "6"
    context.close()


def test_words_of_strangers_are_shown_and_never_run(page: Any) -> None:
    row = page.locator(".row", has=page.locator(".ref.missing"))
    assert row.locator(".instruction").text_content() == EVIL
    assert "owned" not in page.title()
    assert page.locator("script").count() == 1
    assert "starts with b'no <b>im'" in page.inner_text("#skipped")
    assert page.locator("#skipped td b").count() == 0


def test_what_got_in_all_the_same_would_neither_run_nor_load(
    browser: Any, page_file: Path, tmp_path: Path
) -> None:
    (tmp_path / "x.png").write_bytes(encode(picture()))
    context = browser.new_context()
    page = context.new_page()
    page.goto(page_file.as_uri())
    with serve(tmp_path) as web:
        blocked = page.evaluate(
            """async (address) => {
                const blocked = [];
                document.addEventListener("securitypolicyviolation",
                    (event) => blocked.push(event.effectiveDirective));
                const script = document.createElement("script");
                script.textContent = "document.title = 'owned'";
                const image = document.createElement("img");
                image.src = address;
                document.body.append(script, image);
                await fetch(address).catch(() => {});
                await new Promise((done) => setTimeout(done, 200));
                return blocked.sort();
            }""",
            f"{web.address}/x.png",
        )
        assert not web.sent
    assert blocked == ["connect-src", "img-src", "script-src-elem"]
    assert "owned" not in page.title()
    context.close()


def test_skipped_rows_are_listed_with_their_reason(page: Any) -> None:
    table = page.locator("#skipped")
    assert "1 skipped row" in table.inner_text().splitlines()
    assert table.locator(".reasons li").all_inner_texts() == ["1 bytes that are not an image"]
    assert table.locator("tbody tr").count() == 1
    assert "bytes that are not an image" in table.locator("tbody").inner_text()


def test_keys_go_from_row_to_row_and_open_the_output(page: Any) -> None:
    page.keyboard.press("j")
    page.keyboard.press("ArrowRight")
    assert page.locator(".row.current").get_attribute("id") == "row-2"
    page.keyboard.press("k")
    assert page.locator(".row.current").get_attribute("id") == "row-1"
    page.keyboard.press("Enter")
    assert page.locator("#viewer").is_visible()
    assert "output" in page.inner_text("#viewer figcaption")
    page.keyboard.press("ArrowRight")
    assert "image 1" in page.inner_text("#viewer figcaption")
    page.keyboard.press("Escape")
    assert not page.locator("#viewer").is_visible()
    page.keyboard.press("?")
    assert page.locator("#help").is_visible()


def test_keys_begin_at_what_is_on_the_screen_and_at_what_was_clicked(page: Any) -> None:
    page.locator("#row-5").evaluate("row => row.scrollIntoView()")
    page.keyboard.press("j")
    assert page.locator(".row.current").get_attribute("id") == "row-5"
    page.locator("#row-8 .id").click()
    page.keyboard.press("j")
    assert page.locator(".row.current").get_attribute("id") == "row-9"


def test_a_very_long_text_and_a_very_flat_picture_stay_small_and_whole(page: Any) -> None:
    row = page.locator(".row", has_text="A very long text")
    box = row.bounding_box()
    assert box["height"] < DESKTOP["height"]
    text = row.locator(".instruction")
    assert text.evaluate("text => text.scrollHeight > 2 * text.clientHeight")
    flat = row.locator(".tile[data-image='1'] img")
    assert flat.evaluate("image => getComputedStyle(image).objectFit") == "contain"
    assert text.evaluate("text => text.scrollWidth <= text.clientWidth")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_in_light_and_dark(browser: Any, page_file: Path, scheme: str) -> None:
    context = browser.new_context(viewport=DESKTOP, color_scheme=scheme)
    page = context.new_page()
    page.goto(page_file.as_uri())
    for text in (".instruction", ".caption", ".marks li", ".facts dt"):
        assert page.locator(text).first.evaluate(_CONTRAST) >= 4.5, text
    context.close()


# WCAG's contrast of an element's text with the first opaque ground behind it.
_CONTRAST = """element => {
    const channels = (colour) => {
        const canvas = new OffscreenCanvas(1, 1).getContext("2d");
        canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
        return canvas.getImageData(0, 0, 1, 1).data;
    };
    const light = (colour) => {
        const [red, green, blue] = [...channels(colour)].map((byte) => {
            const share = byte / 255;
            return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    };
    let behind = element;
    const ground = () => getComputedStyle(behind).backgroundColor;
    while (channels(ground())[3] === 0) behind = behind.parentElement;
    const [one, other] = [getComputedStyle(element).color, ground()]
        .map(light).sort((a, b) => b - a);
    return (one + 0.05) / (other + 0.05);
}"""
