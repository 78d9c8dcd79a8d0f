#!/usr/bin/env python3
"""From a release to a dataset on the Hub, in one go: build, check, push, verify.

    scripts/push_to_hub.py RELEASE USER/mico-150k --licence cc-by-nc-4.0

Each step is a command of `mico`, and is printed before it runs. After any interruption, the same
line goes on with what is not finished. Options after `--` go to `mico build`.
"""

import argparse
import shlex
import subprocess
import sys

from mico_150k import names


def run(*words: str) -> None:
    """Run one command of `mico`; end as it does where it fails."""
    print(f"+ mico {shlex.join(words)}", file=sys.stderr, flush=True)
    done = subprocess.run([sys.executable, "-m", "mico_150k", *words], check=False)
    if done.returncode:
        sys.exit(done.returncode)


def main() -> None:
    """Run the four steps."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("release", help="a folder or file of samples, or `hf://…`")
    parser.add_argument("repository", metavar="USER/NAME")
    parser.add_argument("--out", default=names.DATASET, help="the dataset folder")
    parser.add_argument("--licence", required=True, help="such as cc-by-nc-4.0")
    parser.add_argument("--private", action="store_true", help="create it for the owner alone")
    parser.add_argument("--tag", default="", help="a name for the state that comes of it")
    words = sys.argv[1:]
    split = words.index("--") if "--" in words else len(words)
    asked = parser.parse_args(words[:split])
    run("build", asked.release, "--out", asked.out, *words[split + 1 :])
    run("check", asked.out)
    push = ["push", asked.out, asked.repository, "--licence", asked.licence]
    push += ["--private"] if asked.private else []
    push += ["--tag", asked.tag] if asked.tag else []
    run(*push)
    run("check", asked.out, "--remote", asked.repository)


if __name__ == "__main__":
    main()
