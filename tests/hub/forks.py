"""Runs `mico` in fresh processes without importing everything each time: `python -m … forks`.

Reads arguments as JSON, one line a run. Writes the process's id, then its exit status.
"""

import gc
import importlib
import json
import os
import sys

from mico_150k.cli import main

# What a push imports on its way.
USED = ("mico_150k.cli.push", "mico_150k.cli.build", "datasets", "hf_xet")


def serve() -> None:
    """Fork for each line."""
    for name in USED:
        importlib.import_module(name)
    gc.freeze()  # or each process looks for garbage in all of that
    for line in sys.stdin:
        process = os.fork()
        if not process:
            sys.argv = ["mico", *json.loads(line)]
            sys.stdin.close()
            os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # stdout is for the answers
            main()
            os._exit(0)
        print(process, flush=True)  # noqa: T201 - it is the answer
        _, status = os.waitpid(process, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201


if __name__ == "__main__":
    serve()
