"""The command line: one module for each command. Data goes to stdout, talk to stderr."""

import sys

import pyarrow as pa

from mico_150k.cli.terminal import say
from mico_150k.errors import MicoError, UsageError

DONE, FAILED, WRONG_USAGE = 0, 1, 2
STOPPED = 130
"""What a shell and typer say of Ctrl-C."""


def main() -> None:
    """Run `mico`; an error that is foreseen is a message, and no traceback."""
    try:
        # Here, so that an error in what somebody has added to builders/ is a message as well.
        from mico_150k.cli.app import app

        app(args=_spread(sys.argv[1:]))
    except UsageError as error:
        say("[red]mico:[/red] {}", error)
        sys.exit(WRONG_USAGE)
    except MicoError as error:
        say("[red]mico:[/red] {}", error)
        sys.exit(FAILED)
    except (OSError, pa.ArrowException) as error:
        # What a disk, a network or a file may do at any place; they name what it was done to.
        say("[red]mico:[/red] {}: {}", type(error).__name__, str(error).partition("\n")[0])
        sys.exit(FAILED)
    except KeyboardInterrupt:
        _say_stopped()
        sys.exit(STOPPED)
    except SystemExit as end:
        if end.code == STOPPED:  # typer says nothing
            _say_stopped()
        raise


def _say_stopped() -> None:
    say("stopped; the same command goes on from here")


def _spread(arguments: list[str]) -> list[str]:
    """`--map a=b c=d` as `--map a=b --map c=d`: to typer, an option takes one word."""
    spread: list[str] = []
    option = ""
    for argument in arguments:
        if argument.startswith("-"):
            named = argument.partition("=")[0]
            option = named if named in {"--map", "--task-map"} else ""
        elif option and "=" in argument and spread[-1] != option:
            spread.append(option)
        spread.append(argument)
    return spread
