"""The commands of `mico`. Each is imported only when it runs, so that startup is fast."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Annotated, Any

import typer

from mico_150k.cli.command import Command, Group, make_typer
from mico_150k.cli.terminal import show_text
from mico_150k.version import __version__

SUMMARIES = {
    "inspect": "Show what is in a source and what a build of it needs, or what is in a dataset.",
    "build": "Build a dataset that `load_dataset`, the Hub's viewer and the trainers read.",
    "refine": "Derive a dataset from an existing one: decontaminated, split, filtered, or rows "
    "taken down.",
    "check": "Check that a dataset is whole, loads, and shows in the Hub's viewer.",
    "preview": "Write one HTML page that shows inputs, instruction and output of some rows of "
    "each task.",
    "export": "Write what a trainer reads: its files, configs and a launch script.",
    "patch": "Make the code changes that a trainer needs: a few lines that call this package.",
    "smoke": "Check that a training would start, before a GPU is needed.",
    "pretokenize": "Add to a dataset what Lumina-DiMOO trains on: every image as VQ codes.",
    "push": "Push a dataset folder to the Hub, whose readers see a complete dataset at every "
    "moment.",
    "card": "Write the card (`README.md`) again: header, tables, and the images of `assets/`.",
    "relocate": "Rewrite the absolute paths of an export that was moved.",
}
"""The commands in the order in which people need them, each with the first line of its help."""

_MODULES = {"relocate": "export"}
"""The modules of commands whose name differs from the module's."""


class _Commands(Mapping[str, Any]):
    """The commands by name, each imported on first use."""

    def __init__(self) -> None:
        self._loaded: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401 - click's command, or a copy
        if name not in SUMMARIES:
            raise KeyError(name)
        if name not in self._loaded:
            module = import_module(f"mico_150k.cli.{_MODULES.get(name, name)}")
            found = getattr(module, name)
            if not isinstance(found, typer.Typer):
                alone = make_typer()
                alone.command(name, cls=Command)(found)
                found = alone
            self._loaded[name] = typer.main.get_command(found)
            self._loaded[name].name = name
        return self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(SUMMARIES)

    def __len__(self) -> int:
        return len(SUMMARIES)


class _Mico(Group):
    """`mico` itself."""

    def __init__(self, **attributes: Any) -> None:  # noqa: ANN401 - click's
        super().__init__(**attributes)
        self.commands: Any = _Commands()

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401 - click's, or a copy
        """Return the names for the help, in the order in which people need them."""
        del ctx
        return list(SUMMARIES)

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401 - the same
        """Write the help from the summaries, without importing a command."""
        loaded = self.commands
        self.commands = {name: Command(name, help=text) for name, text in SUMMARIES.items()}
        try:
            super().format_help(ctx, formatter)
        finally:
            self.commands = loaded


app = make_typer(
    name="mico",
    cls=_Mico,
    no_args_is_help=True,
    add_completion=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    help='Build, check, publish and train on MICo-150K: `load_dataset("mico-150k", "bagel")`.',
)


def _show_version(asked: bool) -> None:
    if asked:
        show_text(f"mico-150k {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", is_eager=True, callback=_show_version),
    ] = False,
) -> None:
    """The options of `mico` itself."""
    del version
