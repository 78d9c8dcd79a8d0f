"""Runs in a trainer's own Python, as a script, with nothing but what that has.

`python driver.py JOB`: JOB is a file of JSON, and each result becomes a line of JSON in the file
that it names. Imports are done one after the other, or the trainer's parser and dataset class run.
"""

import contextlib
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import io
import json
import os
import sys
import types
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

Job = Mapping[str, Any]


class Results:
    """The file of results; what is known is there even if this process dies."""

    def __init__(self, path: str) -> None:
        """Begin to write to a file."""
        self._path = path

    def tell(self, step: str, **found: object) -> None:
        """Write a result."""
        with open(self._path, "a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, **found}, default=str) + "\n")


class _StandIn(types.ModuleType):
    """A package that needs a GPU's tools: it has every name, and each can be called."""

    __path__: list[str] = []

    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {"__init__": lambda *_, **__: None})


class _StandIns(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds a stand-in for some packages, and for all modules in them."""

    def __init__(self) -> None:
        self.packages: set[str] = set()

    def find_spec(
        self, name: str, path: object = None, target: object = None
    ) -> importlib.machinery.ModuleSpec | None:
        del path, target
        if name.partition(".")[0] in self.packages:
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        return _StandIn(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        pass


class Tokenizer:
    """Stands for a model's tokenizer: keeps the texts that it is given, and returns few numbers."""

    ids = (1, 2, 3)
    bos_token_id = eos_token_id = pad_token_id = unk_token_id = 0
    additional_special_tokens_ids = (4, 5)
    bos_token = eos_token = pad_token = ""
    padding_side = "right"
    model_max_length = 1 << 30

    def __init__(self) -> None:
        """Begin without a text."""
        self.texts: list[str] = []

    def __len__(self) -> int:
        return 1 << 20

    def _keep(self, text: Any) -> None:
        self.texts.extend([text] if isinstance(text, str) else text)

    def encode(self, text: Any, *_: Any, **__: Any) -> list[int]:
        """Keep a text."""
        self._keep(text)
        return list(self.ids)

    def __call__(self, text: Any, *_: Any, return_tensors: str = "", **__: Any) -> Any:
        self._keep(text)
        ids: Any = list(self.ids) if isinstance(text, str) else [list(self.ids) for _ in text]
        mask: Any = [1] * len(ids) if isinstance(text, str) else [[1] * len(row) for row in ids]
        if return_tensors == "pt":
            import torch

            ids, mask = (torch.tensor(each).reshape(-1, len(self.ids)) for each in (ids, mask))
        return types.SimpleNamespace(input_ids=ids, attention_mask=mask)

    def apply_chat_template(
        self, messages: Sequence[Mapping[str, Any]], *_: Any, tokenize: bool = True, **__: Any
    ) -> Any:
        """Keep the messages' texts."""
        text = "\n".join(str(message["content"]) for message in messages)
        self._keep(text)
        return list(self.ids) if tokenize else text

    def convert_tokens_to_ids(self, tokens: Any) -> Any:
        """Return a number for each."""
        return 1 if isinstance(tokens, str) else [1 for _ in tokens]

    def add_tokens(self, *_: Any, **__: Any) -> int:
        """Return that there is nothing new."""
        return 0


def said(error: BaseException) -> str:
    """An error's kind and its last line that says something."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[-1]}" if lines else type(error).__name__


def is_offline(error: BaseException | None) -> bool:
    """Whether it is for want of a download."""
    seen = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        names = {kind.__name__ for kind in type(error).__mro__}
        if names & {"LocalEntryNotFoundError", "OfflineModeIsEnabled"}:
            return True
        if "offline" in str(error).lower():
            return True
        error = error.__cause__ or error.__context__
    return False


def gpus() -> dict[str, Any]:
    """How many there are, and their names."""
    try:
        import torch

        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        return {"count": count, "names": [torch.cuda.get_device_name(n) for n in range(count)]}
    except Exception:  # noqa: BLE001 - its import is judged with all others
        return {"count": 0, "names": []}


def stand_in(packages: Sequence[str], results: Results) -> None:
    """Replace packages that cannot be imported without a GPU."""
    finder = _StandIns()
    sys.meta_path.insert(0, finder)
    for package in packages:
        try:
            importlib.import_module(package)
        except BaseException as error:  # noqa: BLE001, PERF203 - whatever its library raises
            for name in [name for name in sys.modules if name.partition(".")[0] == package]:
                del sys.modules[name]
            finder.packages.add(package)
            results.tell("stand-in", package=package, error=said(error))


def do_import(module: str, name: str) -> None:
    """Do what `from module import name` does. Raises whatever that raises."""
    found = importlib.import_module(module)
    if not name or hasattr(found, name):
        return
    try:
        importlib.import_module(f"{module}.{name}")
    except ModuleNotFoundError:
        msg = f"cannot import name {name!r} from {module!r}"
        raise ImportError(msg) from None


def do_imports(job: Job, results: Results) -> None:
    """Do each import, and tell of those that fail."""
    for number, (module, name) in enumerate(job["imports"]):
        results.tell("importing", number=number)
        try:
            do_import(module, name)
        except BaseException as error:  # noqa: BLE001 - whatever the trainer's packages raise
            missing = error.name if isinstance(error, ModuleNotFoundError) else ""
            offline = is_offline(error)
            results.tell(
                "import", number=number, error=said(error), missing=missing, offline=offline
            )
    for package in job["packages"]:
        spec = importlib.util.find_spec(package)
        places = list(spec.submodule_search_locations or ()) if spec else []
        results.tell("place", package=package, places=places)


def flat(options: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Nested options by names with dots."""
    found: dict[str, Any] = {}
    for name, value in options.items():
        if hasattr(value, "items"):
            found.update(flat(value, f"{before}{name}."))
        else:
            plain = isinstance(value, (str, int, float, list, tuple)) or value is None
            found[f"{before}{name}"] = value if plain else str(value)
    return found


def check_launcher(job: Job, results: Results) -> int:
    """Give the launcher's arguments to its own parser; how many processes they ask for."""
    program, arguments = job["program"], job["launcher"]
    processes = 1
    if program == "torchrun":
        from torch.distributed.run import get_args_parser

        parsed = get_args_parser().parse_args([*arguments, "script"])
        processes = int(parsed.nproc_per_node)
    elif program == "accelerate":
        from accelerate.commands.launch import launch_command_parser

        parsed = launch_command_parser().parse_args([*arguments[1:], "script"])
        processes = int(parsed.num_processes or 1)
    results.tell("launcher", processes=processes)
    return processes


def attempt(step: str, results: Results, work: Callable[[], Any]) -> Any:
    """Do a step; its result, or None where it has failed, which is told."""
    printed = io.StringIO()
    try:
        with contextlib.redirect_stderr(printed):
            return work()
    except SystemExit as error:  # argparse: it has said why
        lines = printed.getvalue().strip().splitlines()
        results.tell(step, error=lines[-1] if lines else f"exit {error.code}", refused=True)
    except BaseException as error:  # noqa: BLE001 - whatever the trainer raises
        is_refused = isinstance(error, ValueError)
        results.tell(step, error=said(error), refused=is_refused, offline=is_offline(error))
    return None


class Run(types.SimpleNamespace):
    """What a reader is told of the export and the launch."""

    export: str

    def records(self, name: str, lines: Collection[int]) -> dict[int, Any]:
        """Return records of a file of JSON lines by their lines, which count from 0."""
        with open(os.path.join(self.export, name), encoding="utf-8") as file:
            return {at: json.loads(line) for at, line in enumerate(file) if at in lines}


def load_reader(path: str) -> Any:
    """The trainer's reader, as a module."""
    spec = importlib.util.spec_from_file_location("mico_smoke_reader", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def do_training(job: Job, results: Results) -> None:
    """Run the trainer's parser, then its dataset class on the export's first rows."""
    processes = attempt("launcher", results, lambda: check_launcher(job, results)) or 1
    reader = load_reader(job["reader"])
    sys.argv = [job["script"], *job["arguments"]]
    options = attempt("options", results, lambda: reader.parse(list(job["arguments"])))
    if options is None:
        return
    results.tell("options", options=flat(options))
    tokenizer = Tokenizer()
    run = Run(
        export=job["export"],
        rows=job["rows"],
        processes=processes,
        token=job["token"],
        tokenizer=tokenizer,
    )
    rows: list[dict[str, Any]] = []

    def read() -> bool:
        for row in reader.read(options, run):
            rows.append(row)
            results.tell("row", number=len(rows))
            if len(rows) >= run.rows:
                break
        return True

    if not attempt("rows", results, read):
        return
    records = attempt("rows", results, lambda: list(reader.records(run, rows)))
    if records is not None:
        results.tell(
            "rows",
            rows=len(rows),
            differ=differences(rows, records),
            stand_in=bool(tokenizer.texts),
        )


def differences(
    rows: Sequence[Mapping[str, Any]], records: Sequence[Mapping[str, Any]]
) -> list[str]:
    """What each row that was read has other than its record."""
    if len(rows) != len(records):
        return [f"rows that were read: {len(rows)}; records found: {len(records)}"]
    found = []
    for number, (row, record) in enumerate(zip(rows, records)):  # noqa: B905 - equally many
        if record["text"] not in row["text"]:
            found.append(f"row {number}: another text, {row['text'][:80]!r}")
        if row["inputs"] != record["inputs"]:
            found.append(f"row {number}: inputs {row['inputs']} of {record['inputs']}")
        if not row["output"]:
            found.append(f"row {number}: no output image")
    return found


def main() -> None:
    """Do the job."""
    with open(sys.argv[1], encoding="utf-8") as file:
        job = json.load(file)
    sys.path[0] = job["script_folder"]  # as Python has it for the trainer's script
    results = Results(job["results"])
    found = gpus()
    results.tell("gpus", **found)
    if not found["count"]:
        stand_in(job["needs_gpu"], results)
    if "imports" in job:
        do_imports(job, results)
    else:
        do_training(job, results)
    results.tell("end")


if __name__ == "__main__":
    main()
