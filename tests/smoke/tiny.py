"""A trainer of few lines, as `mico smoke` meets it: its export, clone, environment and facts.

Its Python has the standard library and one package, so that a run takes a fraction of a second.
"""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mico_150k.core.trainer import LAUNCH, Exported, PathTrainer
from mico_150k.smoke import facts
from mico_150k.smoke.finding import Finding, Outcome
from mico_150k.smoke.run import SmokeTest

from ..builders.exporting import export

FACTS = """\
commit: "0000000000000000000000000000000000000000"
variable: TINY
script: train/run.py
roots: [train, "."]
files: [lib/data.py]
imports: {needed: needed==1.2, cuda_only: cuda-only}
needs_gpu: [cuda_only]
flags: {files: [train/run.py]}
step: {unit: records, factors: [batch, processes]}
checkpoint: {option: out, found: ["step-*"], gigabytes: 0.001}
models:
  - name: the model
    variable: MODEL
    required: true
    kind: folder
    option: model
    files: ["*.bin"]
  - {name: the VAE, kind: hub, repo: some/vae, subfolder: vae, files: [config.json], gated: true}
"""
READER = """
import json

def parse(argv):
    import run as script
    return vars(script.parser().parse_args(argv))

def read(options, run):
    from lib.data import Rows
    for number, (inputs, output, text) in enumerate(Rows(options["data"])):
        run.tokenizer.encode(text)
        yield {"text": f"Do this: {text}", "inputs": len(inputs), "output": bool(output), "row": number}

def records(run, rows):
    found = run.records("tiny.jsonl", {row["row"] for row in rows})
    return [{"text": found[row["row"]]["text"], "inputs": len(found[row["row"]]["sources"])} for row in rows]
"""  # noqa: E501 - as a reader that nobody formats
CLONE = {
    "train/run.py": """\
import argparse
import needed
from lib.data import Rows

def parser():
    found = argparse.ArgumentParser(allow_abbrev=False)
    found.add_argument("--data")
    found.add_argument("--model")
    found.add_argument("--out")
    found.add_argument("--batch", type=int, default=1)
    return found
""",
    "train/accelerate/__init__.py": "",
    "train/accelerate/commands/__init__.py": "",
    "train/accelerate/commands/launch.py": """\
import argparse

def launch_command_parser():
    found = argparse.ArgumentParser()
    found.add_argument("--num_processes", type=int)
    found.add_argument("script")
    return found
""",
    "lib/data.py": """\
import json
import os

class Rows:
    def __init__(self, path):
        self.rows = [json.loads(line) for line in open(path)]
        os.makedirs("cache", exist_ok=True)  # where it runs: in the clone, were that not a copy
        json.dump(self.rows, open("cache/rows.json", "w"))

    def __iter__(self):
        for row in self.rows:
            yield [open(path, "rb").read() for path in row["sources"]], open(row["target"]), row["text"]
""",  # noqa: E501 - the clone's own
    "options.json": "{}",
}


class TinyTrainer(PathTrainer):
    """Reads JSON lines."""

    name = "tiny"
    title = "Tiny"
    url = "https://github.com/me/tiny"
    records = "tiny.jsonl"
    steps = (("Start:", "bash {root}/train.sh"),)

    def record(self, inputs: list[str], output: str, instruction: str) -> dict[str, Any]:
        return {"sources": inputs, "target": output, "text": instruction}

    def files(self, exported: Exported) -> Mapping[str, str]:
        return {LAUNCH: _LAUNCH.replace("@token@", exported.token)}


_LAUNCH = """\
#!/usr/bin/env bash
set -euo pipefail
: "${TINY:?set TINY to a clone}"
: "${MODEL:?set MODEL to the model}"
MICO_150K_DATA=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
MODEL=$(cd "$MODEL" && pwd)
if [ -n "${OUTPUT:-}" ]; then mkdir -p "$OUTPUT" && OUTPUT=$(realpath "$OUTPUT"); fi
cd "$TINY"
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"
python - options.json <<'PYTHON'
import sys
open(sys.argv[1], "a").write(" ")
PYTHON
accelerate launch --num_processes="${GPUS:-2}" train/run.py \\
    --data "$MICO_150K_DATA/tiny.jsonl" --model "$MODEL" --out "${OUTPUT:-out/mico-@token@}" \\
    --batch 2
"""


@dataclass(frozen=True)
class Tiny:
    """Where the parts of it are."""

    root: Path
    export: Path
    exported: Exported

    @property
    def clone(self) -> Path:
        return self.root / "clone"

    @property
    def python(self) -> Path:
        return self.root / "env" / "bin" / "python"

    @property
    def package(self) -> Path:
        """The file of the one package that it needs."""
        return self.root / "env" / "packages" / "needed.py"

    def edit(self, path: Path, old: str, new: str) -> None:
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def run(self) -> list[Finding]:
        return list(SmokeTest.prepare("tiny", self.clone, self.export, self.python).run())

    def find(self, subject: str) -> Finding:
        """The one line on a subject."""
        (found,) = (finding for finding in self.run() if finding.subject == subject)
        return found

    def wrong(self) -> dict[str, Finding]:
        return {finding.subject: finding for finding in self.run() if finding.is_wrong}


def make_tiny(root: Path, dataset: Path, monkeypatch: pytest.MonkeyPatch) -> Tiny:
    """All of it, with nothing wrong, and the model not given."""
    for name in ("OUTPUT", "MODEL", "GPUS", "HF_HOME", "HF_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(root / "huggingface"))
    monkeypatch.chdir(root)
    exported = export(TinyTrainer(), dataset, root / "export")
    tiny = Tiny(root, root / "export", exported)
    for name, text in CLONE.items():
        path = tiny.clone / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for path in (tiny.python, tiny.package):
        path.parent.mkdir(parents=True)
    tiny.package.write_text("")
    tiny.python.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "$@"\n')
    tiny.python.chmod(0o755)
    launcher = tiny.python.with_name("accelerate")
    launcher.write_text("#!/bin/sh\nexit 1\n")
    launcher.chmod(0o755)
    monkeypatch.setenv("PYTHONPATH", str(tiny.package.parent))
    known = root / "known"
    (known / "facts").mkdir(parents=True)
    (known / "readers").mkdir()
    (known / "facts" / "tiny.yaml").write_text(FACTS)
    (known / "readers" / "tiny.py").write_text(READER)
    monkeypatch.setattr(facts, "_HERE", known)
    return tiny


def give_model(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a model there, as a folder that is named relative to the current one."""
    folder = tiny.root / "model"
    folder.mkdir()
    (folder / "weights.bin").write_bytes(b"x")
    monkeypatch.setenv("MODEL", "model")
    return folder


def give_vae(tiny: Tiny) -> None:
    """Put the gated model into the Hub's cache, as a download does."""
    snapshot = tiny.root / "huggingface/hub/models--some--vae/snapshots/abc/vae"
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text("{}")


def outcomes(findings: list[Finding]) -> set[Outcome]:
    return {finding.outcome for finding in findings}


def tree(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every file and folder, with its time of change and content."""
    return {
        os.path.relpath(path, folder): (
            path.stat().st_mtime_ns,
            path.read_bytes() if path.is_file() else b"",
        )
        for path in [folder, *folder.rglob("*")]
    }
