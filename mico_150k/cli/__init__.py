"""The command line: one module for each command; data goes to stdout, messages to stderr."""

import sys

from mico_150k.cli import clock
from mico_150k.cli.streams import close_streams, prepare_streams
from mico_150k.cli.terminal import say, told
from mico_150k.cli.unused import refuse_old
from mico_150k.core.errors import MicoError, UsageError
from mico_150k.hub.token import token_fault

DONE, FAILED, WRONG_USAGE = 0, 1, 2
STOPPED = 130
"""The exit status of shells and typer after Ctrl-C."""


def main(started: float | None = None) -> None:
    """Run `mico`; an expected error prints a message without a traceback.

    `started` is when the process began, by `time.monotonic`.
    """
    clock.start(started)
    prepare_streams()
    try:
        status = _run()
        close_streams()
    except _foreseen() as error:
        status = _failed(error)
    except KeyboardInterrupt:
        status = STOPPED
    if status == STOPPED:  # typer prints nothing
        say("stopped; re-run the command to resume")
    sys.exit(status)


def _foreseen() -> tuple[type[Exception], ...]:
    """Return the error types that become messages, with pyarrow's if it is imported."""
    arrow = sys.modules.get("pyarrow")
    errors = (MicoError, OSError, UnicodeEncodeError)
    return (*errors, arrow.ArrowException) if arrow else errors


def _run() -> int | str | None:
    """Run the command, and return its exit status."""
    try:
        # Imported here, so that an error in a file added to builders/ becomes a message as well.
        from mico_150k.cli.app import app

        refuse_old(sys.argv[1:])
        app(args=_spread(sys.argv[1:]))
    except SystemExit as end:
        return end.code
    return DONE


def _failed(error: Exception) -> int:
    """Report the error in a line or two, and return the exit status."""
    if isinstance(error, UnicodeEncodeError) and not token_fault():
        raise error
    # What a disk, a network or a file may do at any place names what it was done to.
    say("[red]mico:[/red] {}", error if isinstance(error, MicoError) else told(error))
    # Whatever has asked the Hub may take what its client says of the token for something else.
    if "huggingface_hub" in sys.modules and (fault := token_fault()):
        say("[red]mico:[/red] {}", fault)
    return WRONG_USAGE if isinstance(error, UsageError) else FAILED


def _spread(arguments: list[str]) -> list[str]:
    """Turn `--map a=b c=d` into `--map a=b --map c=d`: a typer option takes one word."""
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
