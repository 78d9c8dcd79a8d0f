"""The command line: one module for each command. Data goes to stdout, talk to stderr."""

import sys

import typer

from mico_150k.cli.build import build
from mico_150k.cli.card import card
from mico_150k.cli.check import check
from mico_150k.cli.export import export, relocate
from mico_150k.cli.inspect import inspect
from mico_150k.cli.patch import patch
from mico_150k.cli.pretokenize import pretokenize
from mico_150k.cli.preview import preview
from mico_150k.cli.push import push
from mico_150k.cli.terminal import say
from mico_150k.errors import MicoError, UsageError

DONE, FAILED, WRONG_USAGE = 0, 1, 2

app = typer.Typer(
    name="mico",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help='From MICo-150K\'s release to `load_dataset("mico-150k", "bagel")`.',
)
app.command()(inspect)
app.command()(build)
app.command()(check)
app.command()(export)
app.command()(relocate)
app.command()(patch)
app.command()(pretokenize)
app.command()(push)
app.command()(card)
app.command()(preview)


def main() -> None:
    """Run `mico`; an error that is foreseen is a message, and no traceback."""
    try:
        app(args=_spread(sys.argv[1:]))
    except UsageError as error:
        say("[red]mico:[/red] {}", error)
        sys.exit(WRONG_USAGE)
    except MicoError as error:
        say("[red]mico:[/red] {}", error)
        sys.exit(FAILED)
    except KeyboardInterrupt:
        say("stopped; the same command goes on from here")
        sys.exit(FAILED)


def _spread(arguments: list[str]) -> list[str]:
    """`--map a=b c=d` as `--map a=b --map c=d`: to typer, an option takes one word."""
    spread: list[str] = []
    option = ""
    for argument in arguments:
        if argument.startswith("-"):
            option = argument if argument in {"--map", "--task-map"} else ""
        elif option and "=" in argument and spread[-1] != option:
            spread.append(option)
        spread.append(argument)
    return spread
