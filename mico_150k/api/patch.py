"""`patch_clone`: the code changes that a trainer needs, as `mico patch` makes them."""

from pathlib import Path

from mico_150k.trainers.patches import get_patch
from mico_150k.trainers.patches.clone import Change, make_changes, plan_changes


def patch_clone(trainer: str, clone: str | Path, *, dry_run: bool = False) -> list[Change]:
    """Change a few lines in a clone of a trainer's repository, so that they call this package.

    Args:
        trainer: Whose code it is, such as `bagel`.
        clone: The clone's folder.
        dry_run: Change nothing.

    Returns:
        The changes that were made, or would be; none where the clone has them all.

    Raises:
        UsageError: No such trainer.
        CloneRefused: The clone is not as expected; it is left as it is.
    """
    changes = plan_changes(get_patch(trainer), Path(clone))
    if not dry_run:
        make_changes(changes)
    return changes
