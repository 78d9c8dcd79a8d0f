"""`mico`, and `python -m mico_150k`: the command line, where what it needs is installed."""

import sys
import time

_STARTED = time.monotonic()


def main() -> None:
    """Run `mico`; in a trainer's environment, which lacks its packages, say so in a line."""
    try:
        from mico_150k.cli import main as run

        run(_STARTED)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("mico_150k"):
            raise
        sys.exit(
            f"mico: {error}. This environment lacks what the command line needs, as a trainer's "
            "does; run `mico` where mico-150k is installed with its dependencies."
        )


if __name__ == "__main__":
    main()
