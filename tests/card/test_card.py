"""The card's YAML is what `datasets` and the Hub read; its text says what is true."""

import json
import re
import shlex
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from datasets import Features, load_dataset
from huggingface_hub import DatasetCard
from PIL.Image import Image

from mico_150k.api.build import build_dataset
from mico_150k.api.refine import refine_dataset
from mico_150k.build.build import Build, BuildOptions
from mico_150k.card.card import Card
from mico_150k.card.dictionary import MEANINGS
from mico_150k.card.file import License, read_card, write_card
from mico_150k.card.markdown import SHOWN, quoted
from mico_150k.card.text import CardText
from mico_150k.cli import main
from mico_150k.core.columns import features
from mico_150k.core.errors import NotADataset, OutputRefused, UsageError
from mico_150k.core.task import Task
from mico_150k.dataset import layout
from mico_150k.dataset.configurations import COLUMNS
from mico_150k.dataset.folder import DatasetFolder
from mico_150k.inspection.check import check_dataset
from mico_150k.io.files import write_json
from mico_150k.io.machine import gigabytes
from mico_150k.sources import DEMO, open_source

from ..factories import Case, encode, picture, write_release
from ..hub import Hub
from ..refine.refining import refine

EVIL = (
    "x`</code></pre><script>alert(1)</script>\n---\nlicense: mit\n---\n# I | am | a | table\n"
    "[click](javascript:alert(1)) ![](http://evil/x.png) <img src=x onerror=1> \u202egnp.exe\0"
    "<!-- by hand: about -->mine<!-- end: about --> {{ 7 * 7 }} {% raw %} http://evil.example"
)


@pytest.fixture(scope="module")
def card(dataset: Path) -> str:
    return (dataset / layout.CARD).read_text()


@pytest.fixture
def folder(dataset: Path, tmp_path: Path) -> DatasetFolder:
    return DatasetFolder(Path(shutil.copytree(dataset, tmp_path / "mico-150k")))


@pytest.mark.parametrize("refined", [False, True])
def test_the_demos_card_loads_the_demo(
    refined: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = build_dataset(configs=["dimoo"], workers=1).folder
    assert str(folder) == "mico-demo"
    if refined:
        folder = refine_dataset("mico-demo", "mico-demo-2", where="task = 'hoi'").folder
    card = (folder / layout.CARD).read_text()
    assert f"mico refine mico-demo --out {folder}" in card or not refined
    assert "mico build --out mico-demo --config dimoo" in card
    shown = re.search(r"```python\n(.*?)```", card, re.DOTALL)
    assert shown
    found: dict[str, Any] = {}
    exec(shown[1], found)
    assert next(iter(found["rows"]))


def section(card: str, title: str) -> str:
    """A part of the card, to the next heading."""
    return card.split(f"\n## {title}\n")[1].split("\n## ", 1)[0]


def body(card: str) -> str:
    return card.split("\n---\n", 1)[1]


def test_the_header_is_valid_and_names_every_configuration(card: str) -> None:
    data = DatasetCard(card).data
    assert [config["config_name"] for config in data["configs"]] == [
        "default", "bagel", "blip3o", "dimoo", "omnigen2", "sample", "index",
    ]  # fmt: skip
    assert [config.get("default", False) for config in data["configs"]] == [True] + [False] * 6
    assert "arxiv:2512.07348" in data["tags"]
    assert data["size_categories"] == ["n<1K"]


def test_the_hub_takes_the_card(folder: DatasetFolder, hub: Hub) -> None:
    pytest.importorskip("huggingface_hub", minversion="2.0", reason="others ask one Hub alone")
    for license in (None, License("cc-by-nc-4.0"), License("other", "Mixed", "https://x.example")):
        DatasetCard(write_card(folder, license).text).validate(repo_type="dataset")
    assert len(hub.asked("validate-yaml")) == 3
    header = read_card(folder).header
    assert header is not None
    assert (header["license"], header["license_name"]) == ("other", "Mixed")


def test_counts_and_sizes_are_those_of_the_files(dataset: Path, card: str) -> None:
    for info in DatasetCard(card).data["dataset_info"]:
        files = list((dataset / info["config_name"]).iterdir())
        assert info["splits"][0]["num_examples"] == 24
        assert info["download_size"] == sum(path.stat().st_size for path in files)
        assert info["dataset_size"] == info["splits"][0]["num_bytes"] > 0


def test_features_are_those_that_datasets_reads_of_the_same_yaml(card: str) -> None:
    for info in DatasetCard(card).data["dataset_info"]:
        if hasattr(Features, "_from_yaml_list"):
            read = Features._from_yaml_list(info["features"])
            expected = features(COLUMNS[info["config_name"]])
            assert read.arrow_schema.equals(expected.arrow_schema)


def test_without_default_the_first_configuration_is_it(release: Path, tmp_path: Path) -> None:
    options = BuildOptions(configs=("omnigen2", "bagel"))
    Build.prepare(open_source(str(release)), tmp_path, options).run()
    written = read_card(DatasetFolder(tmp_path)).header
    write_card(DatasetFolder(tmp_path))
    for header in (written, read_card(DatasetFolder(tmp_path)).header):
        assert header is not None
        names_ = [config["config_name"] for config in header["configs"]]
        assert names_ == ["bagel", "omnigen2", "index"]
        assert [config.get("default") for config in header["configs"]] == [True, None, None]


def test_the_text_counts_rows_inputs_and_images(dataset: Path, card: str) -> None:
    report = json.loads((dataset / layout.REPORT).read_text())
    assert "24 rows were read, 24 written and 0 skipped." in card
    (line,) = re.findall(r"^\| hoi \|.*$", card, re.MULTILINE)
    rows, *by_inputs, passed, changed = map(int, re.findall(r" (\d+) \|", line))
    images = report["images"]["hoi"]
    assert (rows, passed, changed) == (6, images["passed"], images["changed"])
    assert sum(by_inputs) == 6
    (header,) = re.findall(r"^\| task \|.*$", section(card, "Rows"), re.MULTILINE)
    inputs = [int(number) for number in re.findall(r" (\d+) inputs? \|", header)]
    pictures = sum(number * count for number, count in zip(inputs, by_inputs, strict=True)) + 6
    assert pictures == passed + changed


def test_code_in_the_text_runs(
    dataset: Path, card: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(dataset.parent)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path))
    blocks = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    assert blocks
    for block in blocks:
        scope: dict[str, object] = {}
        exec(block, scope)
        assert next(iter(scope["rows"]))  # type: ignore[call-overload]
    (line,) = re.findall(r"^rows = (load_dataset\(.*streaming=True\))$", card, re.MULTILINE)
    names = re.findall(r"^\| `([\w-]+)` \|.*\|$", section(card, "Configurations"), re.MULTILINE)
    assert len(names) == 7
    for name in names:
        given = line.replace('"default"', f'"{name}"')
        assert next(iter(eval(given, {"load_dataset": load_dataset})))


def test_one_shard_of_many_loads_with_its_images(
    release: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path / "cache"))
    made = tmp_path / "mico-150k"
    Build.prepare(open_source(str(release)), made, BuildOptions(shard_bytes=1)).run()
    shards = DatasetFolder(made).manifest["configs"]["bagel"]
    assert len(shards) > 1
    (recipe,) = re.findall(
        r"```python\n(.*?)```", section((made / layout.CARD).read_text(), "Load"), re.DOTALL
    )
    for config, column in (("bagel", "image_list"), ("omnigen2", "input_images")):
        scope: dict[str, Any] = {}
        exec(recipe.replace("bagel", config), scope)
        assert len(scope["rows"]) == shards["train-00000.parquet"]["rows"] < 24
        assert all(isinstance(image, Image) for image in scope["rows"][0][column])


def test_the_query_in_the_text_runs(
    dataset: Path, card: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(dataset.parent)
    (query,) = re.findall(r"```sql\n(.*?)```", card, re.DOTALL)
    found = duckdb.sql(query).fetchall()
    assert found
    for identifier, instruction, shard, row in found:
        file = dataset / "default" / layout.shard_name(shard)
        there = pq.read_table(file, columns=["id", "instruction"]).slice(row, 1).to_pylist()
        assert there == [{"id": identifier, "instruction": instruction}]


def test_on_the_hub_the_text_names_the_repository(folder: DatasetFolder, card: str) -> None:
    named = Card.of_folder(
        folder.path,
        folder.manifest,
        json.loads((folder.path / layout.REPORT).read_text()),
        before=CardText(card),
        name="some/data",
    )
    text = named.render().text
    assert "FROM 'hf://datasets/some/data/index/*.parquet'" in text
    assert 'file = "hf://datasets/some/data/bagel/train-00000.parquet"' in text


def test_every_column_is_in_the_dictionary(card: str) -> None:
    used = {name for columns in COLUMNS.values() for name in columns}
    assert MEANINGS.keys() == used
    lines = re.findall(
        r"^\| `(\w+)` \| ([\w ]+) \| (.*?) \| .+ \|$", section(card, "Columns"), re.MULTILINE
    )
    configs = ["default", "bagel", "blip3o", "dimoo", "omnigen2", "sample", "index"]
    told = {(config, name) for name, _, of in lines for config in re.findall(r"[\w-]+", of)}
    assert told == {(config, name) for config in configs for name in COLUMNS[config]}
    assert ("image_list", "list of images", "`bagel`") in lines


def test_every_task_is_explained(card: str) -> None:
    names = re.findall(r"^\| `(\w+)` \|", section(card, "Tasks"), re.MULTILINE)
    assert names == [task.value for task in Task if task is not Task.UNKNOWN]


def test_the_header_says_what_the_hub_filters_by_and_the_demo_has_no_source(
    card: str, tmp_path: Path
) -> None:
    header = CardText(card).header
    assert header is not None
    assert header["task_categories"] == ["image-text-to-image", "image-to-image"]
    assert header["annotations_creators"] == ["machine-generated"]
    assert header["source_datasets"] == ["kr-cen/MICo-150K"]
    Build.prepare(open_source(DEMO), tmp_path / "demo", BuildOptions(configs=("bagel",))).run()
    refine(tmp_path / "demo", tmp_path / "less", sample=9)
    for name in ("demo", "less"):
        text = (tmp_path / name / layout.CARD).read_text()
        assert "source_datasets" not in (CardText(text).header or {})
        assert "These rows are a demo" in text
    assert "demo" not in card


def mico(line: str, monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    """Run a line of a card."""
    program, *arguments = shlex.split(line)
    assert program == "mico"
    monkeypatch.setattr("sys.argv", [program, *arguments, *words])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 0


def commands(card: str) -> list[str]:
    """The lines that tell how it was built."""
    pattern = re.compile(r"^(```+)sh\n(mico (?:build|refine) .*?)\n\1$", re.DOTALL | re.MULTILINE)
    ((fence, block),) = pattern.findall(card)
    assert fence not in block
    return re.split(r"\n(?=mico (?:build|refine) )", block)


def test_the_command_in_the_text_builds_the_same(
    release: Path, dataset: Path, card: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (line,) = commands(card)
    mico(line.replace("RELEASE", str(release)), monkeypatch, "--json")
    built = DatasetFolder(tmp_path / "mico-150k")
    assert built.manifest == DatasetFolder(dataset).manifest
    assert (built.path / layout.CARD).read_text() == card


def test_the_command_that_trains_in_the_text_runs(
    dataset: Path, card: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mico-150k").symlink_to(dataset)
    (line,) = re.findall(r"^mico export .*$", card, re.MULTILINE)
    mico(line, monkeypatch)
    assert (tmp_path / "bagel-data" / "START.md").exists()


def test_the_demo_is_built_by_a_command_without_a_release(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    mico("mico build --out made --config bagel", monkeypatch)
    (line,) = commands((tmp_path / "made" / layout.CARD).read_text())
    mico(line, monkeypatch)
    assert DatasetFolder(tmp_path / "mico-demo").manifest == DatasetFolder(Path("made")).manifest


def test_the_commands_of_a_refinement_make_it_again_with_all_that_was_said_of_the_source(
    samples: list[Case], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    source = tmp_path / "elsewhere"
    for number, path in enumerate(write_release(tmp_path / "release", samples).rglob("*.parquet")):
        table = pq.read_table(path)
        words = ["said" if name == "instruction" else name for name in table.column_names]
        (source / f"a part, {number}").mkdir(parents=True)
        pq.write_table(table.rename_columns(words), source / f"a part, {number}" / "x.parquet")
    (source / "notes").mkdir()
    pq.write_table(pa.table({"x": [1]}), source / "notes" / "odd.parquet")
    rules = " ".join(f"'{folder.name}=hoi'" for folder in source.glob("a part*"))
    query = "instruction not like '```%' and\n  task = 'hoi' and  instruction <> 'a  b`'"
    mico(
        f"mico build {source} --out first --map instruction=said id=@row --task-map {rules} "
        "--exclude 'notes/*' --allow-outside --tolerance 0.5 --config bagel --config default "
        "--shard-mb 3 --seed 4 --verify header",
        monkeypatch,
    )
    mico(
        f"mico refine first --out second --where {shlex.quote(query)} --validation 3 "
        "--max-loss 0.9 --seed 7",
        monkeypatch,
    )
    mico("mico refine second --out third --sample 5", monkeypatch)
    card = (tmp_path / "third" / layout.CARD).read_text()
    lines = commands(card)
    assert [line.split("--out ")[1].split()[0] for line in lines] == [
        "mico-150k", "mico-150k-2", "mico-150k-3",
    ]  # fmt: skip
    assert str(tmp_path) not in card
    for line in lines:
        mico(line.replace("RELEASE", str(source)), monkeypatch)
    again = DatasetFolder(tmp_path / "mico-150k-3")
    assert again.manifest == DatasetFolder(tmp_path / "third").manifest
    assert CardText(card).is_untouched


def test_a_dataset_of_a_version_that_kept_no_commands_has_a_card_and_is_refined(
    folder: DatasetFolder, card: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = folder.manifest
    del manifest["commands"]
    write_json(folder.path / layout.MANIFEST, manifest)
    (line,) = commands(card)
    without = card.replace(f"```sh\n{line}\n```\n\n", "")
    assert write_card(folder).text == CardText(without).sign().text
    monkeypatch.chdir(tmp_path)
    mico(f"mico refine {folder.path} --out first --sample 9", monkeypatch)
    mico("mico refine first --out second --sample 5", monkeypatch)
    assert commands((tmp_path / "second" / layout.CARD).read_text()) == [
        "mico refine DATASET --out mico-150k --sample 9 --seed 0",
        "mico refine mico-150k --out mico-150k-2 --sample 5 --seed 0",
    ]


def test_tables_have_as_many_cells_in_every_row(card: str) -> None:
    tables = re.findall(r"(?:^\|.*\|\n)+", card, re.MULTILINE)
    assert len(tables) >= 3
    for table in tables:
        assert len({line.count("|") for line in table.splitlines()}) == 1


def test_the_header_is_written_by_a_yaml_library(card: str) -> None:
    header = card.split("---\n")[1]
    assert yaml.safe_load(header)["pretty_name"] == "MICo-150K"


# Strangers' words


def test_an_instruction_can_break_nothing(samples: list[Case], tmp_path: Path) -> None:
    evil = [replace(case, instruction=EVIL) for case in samples]
    source = write_release(tmp_path / "release", evil)
    Build.prepare(open_source(str(source)), tmp_path / "made", BuildOptions()).run()
    made = DatasetFolder(tmp_path / "made")
    text = (made.path / layout.CARD).read_text()
    assert CardText(text).is_untouched
    assert not CardText(text).sections
    assert "license" not in (CardText(text).header or {})
    assert not [finding for finding in check_dataset(made) if finding.fault]
    examples = [line for line in text.splitlines() if line.startswith("- `")]
    assert len(examples) == 4
    for line in examples:
        # Two code spans and nothing else; what is in them is text to every reader of Markdown.
        outside = re.sub(r"`[^`]+`", "", line)
        assert re.fullmatch(r"- , \d+ inputs: ", outside), line
        assert "\u202e" not in line
        assert "\0" not in line
    without = re.sub(r"`[^`]*`", "", body(text))
    assert "script" not in without
    assert "evil" not in without


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\tb\r\n\u2028c", "`a b c`"),
        ("```", "`ˋˋˋ`"),
        ("a|b", "`a¦b`"),
        ("\u200b\u202e\0", "(empty)"),
        ("", "(empty)"),
        ("ein Würfel 立方体", "`ein Würfel 立方体`"),
    ],
)
def test_words_are_shown_as_they_are_in_one_code_span(text: str, shown: str) -> None:
    assert quoted(text) == shown


def test_long_words_are_cut() -> None:
    assert len(quoted("word " * 1000)) <= SHOWN + 2
    assert quoted("word " * 1000).endswith("…`")


# What a person writes


def test_what_is_added_by_hand_stays_when_the_card_is_written_again(folder: DatasetFolder) -> None:
    path = folder.path / layout.CARD
    added = "Look at **this**.\n\n| a | b |\n|---|---|\n| 1 | 2 |\n"
    text = path.read_text().replace(
        "<!-- by hand: notes -->\n", f"<!-- by hand: notes -->\n{added}"
    )
    text = text.replace("---\n", "---\nviewer: false\nmultilinguality:\n- monolingual\n", 1)
    own = "<!-- by hand: mine -->\nA section of its own.\n<!-- end: mine -->\n"
    text = text.replace("<!-- end: about -->", f"<!-- end: about -->\n\n{own}")
    path.write_text(text)
    assert CardText(text).is_untouched
    again = write_card(folder, License("mit"))
    assert again.sections == {"notes": added, "mine": "A section of its own.\n"}
    assert again.header is not None
    assert again.header["viewer"] is False
    assert again.header["multilinguality"] == ["monolingual"]
    assert again.header["license"] == "mit"
    assert "Published here under `mit`" in again.text
    assert write_card(folder).text == again.text
    assert not [f for f in check_dataset(folder, hashes=False) if f.fault]


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("one composed image out", "one picture out"),
        ("num_examples: 24", "num_examples: 25"),
        ("- config_name: bagel", "- config_name: beagle"),
    ],
)
def test_a_card_that_was_changed_elsewhere_is_not_written_over(
    folder: DatasetFolder, ours: str, theirs: str
) -> None:
    path = folder.path / layout.CARD
    path.write_text(path.read_text().replace(ours, theirs, 1))
    with pytest.raises(OutputRefused, match="changed outside"):
        write_card(folder)
    assert theirs in path.read_text()


def test_what_the_refusal_says_to_do_keeps_what_was_written(folder: DatasetFolder) -> None:
    path = folder.path / layout.CARD
    path.write_text(path.read_text().replace("## Rows", "My own words.\n\n## Rows"))
    with pytest.raises(OutputRefused) as refused:
        write_card(folder)
    begin, end = re.findall(r"`(<!-- .*? -->)`", str(refused.value))
    section = "\n".join(line.replace("NAME", "mine") for line in (begin, "My own words.", end))
    for odd in (section, section.replace("\n", "\r\n"), f"\n\n{section}\n"):
        path.write_text(path.read_text().replace("My own words.", odd, 1), newline="")
        assert write_card(folder).sections == {"mine": "My own words.\n"}
        path.write_text(write_card(folder).text.replace(section, "My own words."))


def test_what_a_person_adds_to_our_keys_stays(folder: DatasetFolder) -> None:
    path = folder.path / layout.CARD
    text = path.read_text().replace("pretty_name: MICo-150K", "pretty_name: Ours")
    text = text.replace("- multi-image-composition", "- art\n- multi-image-composition")
    text = text.replace("- machine-generated", "- expert-generated")
    path.write_text(text.replace("language:\n- en", "language: de"))
    header = write_card(folder).header
    assert header is not None
    assert header["pretty_name"] == "Ours"
    assert header["tags"] == [
        "multi-image-composition", "image-editing", "image-generation", "arxiv:2512.07348", "art",
    ]  # fmt: skip
    assert header["language"] == ["en", "de"]
    assert header["annotations_creators"] == ["machine-generated", "expert-generated"]
    assert write_card(folder).header == header


def test_a_lost_card_is_written_anew(folder: DatasetFolder) -> None:
    path = folder.path / layout.CARD
    before = path.read_text()
    path.unlink()
    assert write_card(folder).text == before == path.read_text()


def test_pictures_in_assets_are_shown_and_odd_names_are_not(folder: DatasetFolder) -> None:
    assets = folder.path / layout.ASSETS
    assets.mkdir()
    for name in ("tasks_by-inputs.png", "a) ![x](y.png", "notes.txt", layout.COLLAGE):
        (assets / name).write_bytes(encode(picture()))
    text = write_card(folder).text
    assert "![tasks by inputs](assets/tasks_by-inputs.png)" in text
    caption = "Rows of the dataset: the inputs, the instruction and the composed image"
    assert f"![{caption}](assets/{layout.COLLAGE})\n\n*{caption}.*\n" in text
    assert text.count("](assets/") == 2


def test_the_sizes_of_all_configurations_together_are_said(dataset: Path, card: str) -> None:
    files = list(dataset.glob("*/*.parquet"))
    size = gigabytes(sum(file.stat().st_size for file in files))
    assert f"The configurations take {size} in {len(files)} files" in card


def test_without_a_report_there_is_no_card(folder: DatasetFolder) -> None:
    (folder.path / layout.REPORT).unlink()
    with pytest.raises(NotADataset, match=r"report.json"):
        write_card(folder)


@pytest.mark.parametrize("identifier", ["", "CC-BY", "mit\nviewer: false", "my license"])
def test_a_license_that_the_hub_would_not_know_is_wrong_usage(identifier: str) -> None:
    with pytest.raises(UsageError, match="not a license that the Hub knows"):
        License(identifier)
