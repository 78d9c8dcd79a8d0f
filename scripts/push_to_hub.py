#!/usr/bin/env python3
"""From a release to a dataset on the Hub, in one go: build, check, push, verify.

    scripts/push_to_hub.py RELEASE USER/mico-150k --licence cc-by-nc-4.0

The account, the licence and the repository are looked at first: a build takes hours. Each step is
a command of `mico`, and is printed before it runs. After any interruption, the same line goes on
with what is not finished. Options after `--` go to `mico build`.
"""

import argparse
import shlex
import subprocess
import sys

from mico_150k.card.file import License
from mico_150k.cli import STOPPED
from mico_150k.cli.hub import open_repository
from mico_150k.core.errors import MicoError
from mico_150k.dataset import layout
from mico_150k.hub.remote_state import RemoteState
from mico_150k.hub.repository import DEFAULT_BRANCH


def look_first(asked: argparse.Namespace) -> list[str]:
    """The options of `mico push`. Ends where it would be refused."""
    try:
        licence = License(asked.licence, asked.licence_name, asked.licence_link)
        RemoteState.look(open_repository(asked.repository), DEFAULT_BRANCH, private=asked.private)
    except MicoError as error:
        sys.exit(f"push_to_hub: {error}")
    options = {
        "--licence": licence.identifier,
        "--licence-name": licence.name,
        "--licence-link": licence.link,
        "--tag": asked.tag,
    }
    words = [word for option, value in options.items() if value for word in (option, value)]
    return [*words, "--private"] if asked.private else words


def run(*words: str) -> None:
    """Run one command of `mico`; end as it does where it fails."""
    print(f"+ mico {shlex.join(words)}", file=sys.stderr, flush=True)
    with subprocess.Popen([sys.executable, "-m", "mico_150k", *words]) as step:
        try:
            status = step.wait()
        except KeyboardInterrupt:  # Ctrl-C reaches the command as well, which says so
            status = step.wait() or STOPPED
    if status:
        sys.exit(status)


def main() -> None:
    """Run the four steps."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("release", help="a folder or file of samples, or `hf://…`")
    parser.add_argument("repository", metavar="USER/NAME")
    parser.add_argument("--out", default=layout.DATASET, help="the dataset folder")
    parser.add_argument("--licence", required=True, help="such as cc-by-nc-4.0")
    parser.add_argument("--licence-name", default="", help="the name of one that is `other`")
    parser.add_argument("--licence-link", default="", help="where its text is")
    parser.add_argument("--private", action="store_true", help="for the owner's eyes alone")
    parser.add_argument("--tag", default="", help="a name for the state that comes of it")
    words = sys.argv[1:]
    split = words.index("--") if "--" in words else len(words)
    asked = parser.parse_args(words[:split])
    options = look_first(asked)
    run("build", asked.release, "--out", asked.out, *words[split + 1 :])
    run("check", asked.out)
    run("push", asked.out, asked.repository, *options)
    run("check", asked.out, "--remote", asked.repository)


if __name__ == "__main__":
    main()
