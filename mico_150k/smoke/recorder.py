"""What stands in the place of `torchrun`, `accelerate` and `python` while train.sh is tried.

It is run as a script: its name, then its arguments. It writes the command down and ends well,
except for a `python` that does not start the trainer's script: that one really runs.
"""

import json
import os
import sys


def main() -> None:
    """Record the command, or run it."""
    name, *arguments = sys.argv[1:]
    script = os.environ["MICO_SMOKE_SCRIPT"]
    if name.startswith("python") and not any(word.endswith(script) for word in arguments):
        python = os.environ["MICO_SMOKE_PYTHON"]
        os.execv(python, [python, *arguments])  # noqa: S606 - as train.sh asks for
    command = {
        "program": name,
        "arguments": arguments,
        "folder": os.getcwd(),  # noqa: PTH109 - needs no import
        "environment": dict(os.environ),
    }
    # The first is the training; whatever follows it would come after its end.
    with open(os.environ["MICO_SMOKE_LOG"], "x", encoding="utf-8") as log:  # noqa: PTH123
        json.dump(command, log)


if __name__ == "__main__":
    main()
