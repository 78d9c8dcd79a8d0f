"""A clone as it lies there: its commit, its patch, and what its code imports."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from mico_150k.core.errors import CloneRefused
from mico_150k.core.plural import counted
from mico_150k.smoke.facts import Facts
from mico_150k.smoke.finding import Finding, right, unknown, wrong
from mico_150k.smoke.imports import Import
from mico_150k.smoke.python_env import Told
from mico_150k.smoke.workspace import Workspace, commit_of
from mico_150k.trainers.patches import PATCHES
from mico_150k.trainers.patches.clone import plan_changes

_SHORT = 8


def check_clone(trainer: str, facts: Facts, clone: Path) -> Iterator[Finding]:
    """Compare a clone with what is known: files, commit, patch."""
    missing = [file for file in (facts.script, *facts.files) if not (clone / file).is_file()]
    if missing:
        yield wrong(
            "clone", f"{clone} has no {', '.join(missing)}",
            f"name a clone of the trainer's repository; {facts.commit[:_SHORT]} is known to work",
        )  # fmt: skip
        return
    yield _commit(facts, commit_of(clone))
    if facts.patch != "none":
        yield _patch(trainer, facts, clone)


def _commit(facts: Facts, commit: str) -> Finding:
    known = facts.commit[:_SHORT]
    if commit == facts.commit:
        return right("clone", f"at commit {known}, which is known to work")
    if commit:
        return right("clone", f"at commit {commit[:_SHORT]}; {known} is the one known to work")
    return right("clone", f"at a commit that git does not tell; {known} is known to work")


def _patch(trainer: str, facts: Facts, clone: Path) -> Finding:
    try:
        changes = plan_changes(PATCHES[trainer], clone)
    except CloneRefused as error:
        return wrong("patch", str(error), "check out the files that it names, then patch again")
    if not changes:
        return right("patch", "the clone is patched")
    if facts.patch == "optional":
        return right("patch", "the clone is not patched, and this export does not need it")
    files = ", ".join(change.file for change in changes)
    return wrong("patch", f"{files} not patched", f"mico patch {trainer} {clone}")


def check_imports(
    facts: Facts, imports: Sequence[Import], told: Told, workspace: Workspace
) -> Iterator[Finding]:
    """Judge the imports that the trainer's Python has done: a line for each package that fails."""
    has_gpu = told.last("gpus").get("count", 0) > 0
    failed = {result["package"] for result in told.steps("stand-in")}
    for result in told.steps("stand-in"):
        package = result["package"]
        yield unknown(
            package, f"without a GPU it cannot be imported ({result['error']}); a stand-in has its "
            "place below", f"run the command again on a machine with a GPU, after "
            f"{facts.install(package)}",
        )  # fmt: skip
    for result in told.steps("import"):
        found = imports[result["number"]]
        # The first import of a package that fails says enough.
        if found.package in failed:
            continue
        failed.add(found.package)
        if result["offline"]:
            yield unknown(
                found.package, f"{found} downloads something: {result['error']}",
                "download the models below, then run the command again",
            )  # fmt: skip
            continue
        yield wrong(found.package, f"{found} fails: {result['error']}", _todo(facts, result))
    if told.ending:
        number = told.last("importing").get("number")
        at = f"at {imports[number]}" if number is not None else "at its start"
        yield wrong("imports", f"Python stopped {at}: {told.ending}", "install START.md's versions")
        return
    packages = {found.package for found in imports}
    if good := packages - failed:
        gpu = "" if has_gpu or not facts.needs_gpu else ", without a GPU"
        yield right(
            "imports", f"{counted(len(good), 'package')} that its code imports can be imported{gpu}"
        )
    if facts.package:
        yield from _place(facts, told.steps("place"), workspace)


def _todo(facts: Facts, result: dict[str, object]) -> str:
    missing = str(result["missing"] or "")
    if not missing or "." in missing:  # a package that is there, in another version
        return "install the versions that START.md names"
    return facts.install(missing)


def _place(
    facts: Facts, places: Iterable[dict[str, list[str]]], workspace: Workspace
) -> Iterator[Finding]:
    """Whether the package that the clone has installed is this clone's."""
    for found in places:
        folders = [Path(place).resolve() for place in found["places"]]
        homes = (workspace.clone, workspace.real_clone)
        if not folders:
            yield wrong(
                facts.package, "it is not installed", f"pip install -e {workspace.real_clone}"
            )
        elif not any(folder.is_relative_to(home) for folder in folders for home in homes):
            yield wrong(
                facts.package, f"it is installed from {folders[0]}, and not from this clone",
                f"pip install -e {workspace.real_clone}",
            )  # fmt: skip
