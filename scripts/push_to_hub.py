#!/usr/bin/env python3
"""From a release to a dataset on the Hub, in one go: build, check, push, verify.

    scripts/push_to_hub.py RELEASE USER/mico-150k --license cc-by-nc-4.0

The account, the license and the repository are looked at first: a build takes hours. Re-run the
same line after any interruption: it resumes. Each step is a function of the package; copy this
script to give one of them more arguments.
"""

import argparse
import sys
from collections.abc import Iterable

import mico_150k
from mico_150k.build.build import CONFIGS
from mico_150k.card.file import License
from mico_150k.hub.remote_state import RemoteState
from mico_150k.hub.repository import DEFAULT_BRANCH, Repository
from mico_150k.inspection.check import Finding

STOPPED = 130
"""What a shell says of Ctrl-C."""


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("release", help="a folder or file, `USER/NAME` on the Hub, or a URL")
    parser.add_argument("repository", metavar="USER/NAME")
    parser.add_argument("--out", default="mico-150k", help="the dataset folder")
    parser.add_argument("--license", required=True, help="such as cc-by-nc-4.0")
    parser.add_argument("--license-name", default="", help="the name of one that is `other`")
    parser.add_argument("--license-link", default="", help="where its text is")
    parser.add_argument("--config", action="append", help="build only this one; repeatable")
    parser.add_argument("--workers", type=int, help="processes; by default as many as fit")
    parser.add_argument("--private", action="store_true", help="make the repository private")
    parser.add_argument("--tag", default="", help="a tag for the resulting commit")
    return parser.parse_args()


def main() -> None:
    """Build, check, push, and compare the Hub with the folder."""
    asked = parse()
    try:
        stated = License(asked.license, asked.license_name, asked.license_link)
        RemoteState.look(Repository(asked.repository), DEFAULT_BRANCH, private=asked.private)
        print(
            mico_150k.build_dataset(
                asked.release, asked.out, configs=asked.config or CONFIGS, workers=asked.workers
            )
        )
        stop_at_faults(mico_150k.check_dataset(asked.out))
        pushed = mico_150k.push_dataset(
            asked.out, asked.repository, private=asked.private, license=stated, tag=asked.tag
        )
        print(pushed)
        stop_at_faults(mico_150k.check_dataset(asked.out, remote=asked.repository))
    except mico_150k.MicoError as error:
        sys.exit(f"push_to_hub: {error}")
    except KeyboardInterrupt:
        print("stopped; re-run the same line to resume", file=sys.stderr)
        sys.exit(STOPPED)


def stop_at_faults(findings: Iterable[Finding]) -> None:
    """Print what was looked at, and end where something is wrong."""
    found = list(findings)
    print(*found, sep="\n")
    if any(finding.fault for finding in found):
        sys.exit(1)


if __name__ == "__main__":
    main()
