"""Where the units of a plan are built: in this process, in several, or on a cluster.

Units share no state, so neither the place nor the order changes a byte.
"""

from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import Protocol

from mico_150k.build.plan import Unit
from mico_150k.build.worker import OnGroup, UnitBuilder
from mico_150k.dataset.records import ShardRecord
from mico_150k.io.prefetch import one_at_a_time

SHARDS_AT_ONCE = 2
"""Of each worker, on the disk: one is written, and one hashed or waiting to be taken."""


class Executor(Protocol):
    """Builds units, in this process or elsewhere."""

    @property
    def workers(self) -> int:
        """The most units that are built at once with shards on this machine's disk."""

    def build(
        self, builder: UnitBuilder, units: Sequence[Unit], finished: set[int], on_group: OnGroup
    ) -> Generator[ShardRecord, None, None]:
        """Build the unfinished shards of the units; yields each shard when it is finished.

        A caller that stops early closes the iterator.

        Args:
            builder: Builds one unit.
            units: The units.
            finished: The numbers of shards that are finished.
            on_group: Called in this process for each row group; an error from it stops all work.
        """


class InProcess:
    """Builds one unit after the other in this process; threads read, validate and hash."""

    def __init__(self, image_room: int | None = None) -> None:
        """Set `image_room`, the bytes that decoding one image may take; None for no limit."""
        self._image_room = image_room

    @property
    def workers(self) -> int:
        """As `Executor` says."""
        return 1

    def build(
        self, builder: UnitBuilder, units: Sequence[Unit], finished: set[int], on_group: OnGroup
    ) -> Generator[ShardRecord, None, None]:
        """As `Executor` says."""
        builder = replace(builder, threaded=True, image_room=self._image_room)
        yield from builder.build_all(units, finished, one_at_a_time(on_group))


class ShardSink(Protocol):
    """Takes finished shards away at once, so that a disk may be smaller than the data."""

    holds_parts: bool
    """Whether it keeps the parts of a shard's small configurations as well as its files."""

    @property
    def shards_here(self) -> int | None:
        """The most shards that stay here at once during the build; None if all stay."""

    def holds(self, record: ShardRecord) -> bool:
        """Whether it has all files of a shard, and its parts if it `holds_parts`."""

    def take(self, record: ShardRecord) -> None:
        """Take a finished shard; its files may be here or in the sink, and may wait here."""

    def deliver(self) -> None:
        """Send the shards that wait."""


class KeepHere:
    """The sink of a build whose shards stay where they were written."""

    holds_parts = False
    shards_here = None

    def holds(self, record: ShardRecord) -> bool:  # noqa: ARG002 - as `ShardSink` says
        """Return False: no other place has shards."""
        return False

    def take(self, record: ShardRecord) -> None:
        """Do nothing: the shard stays where it was written."""

    def deliver(self) -> None:
        """Do nothing: no shard waits."""


def shards_at_once(workers: int) -> int:
    """Return how many shards need disk space at once if a sink takes finished ones away.

    That is some for each worker, and the one that is being sent.
    """
    return SHARDS_AT_ONCE * workers + 1


KEEP_HERE: ShardSink = KeepHere()
