"""Who does a plan's units: this process, several on this machine, or a cluster.

The units share no state, so that who does them, and in which order, changes no byte.
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
    """Has units built."""

    @property
    def workers(self) -> int:
        """How many units are built at once, at most, of which this machine's disk holds shards."""

    def build(
        self, builder: UnitBuilder, units: Sequence[Unit], finished: set[int], on_group: OnGroup
    ) -> Generator[ShardRecord, None, None]:
        """Build what is not `finished` of the units; yields each shard when it is.

        `on_group` is called in this process; what it raises stops all that has begun. Who stops
        early closes the iterator.
        """


class InProcess:
    """One unit after the other, here; threads read, examine and hash beside."""

    def __init__(self, image_room: int | None = None) -> None:
        """`image_room` are the bytes that decoding one image may take; None is without a limit."""
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
    """Where finished shards go at once, so that a disk may be smaller than the data."""

    @property
    def shards_here(self) -> int | None:
        """How many may lie here at once while the build goes on; None where all stay."""

    def holds(self, record: ShardRecord) -> bool:
        """Whether it has all files of a shard."""

    def take(self, record: ShardRecord) -> None:
        """Take a finished shard, whose files are here or there; they may wait here for others."""

    def deliver(self) -> None:
        """Send what waits."""


class KeepHere:
    """The sink of a build whose shards stay where they were written."""

    shards_here = None

    def holds(self, record: ShardRecord) -> bool:  # noqa: ARG002 - as `ShardSink` says
        """No other place has a shard."""
        return False

    def take(self, record: ShardRecord) -> None:
        """It is where it belongs."""

    def deliver(self) -> None:
        """Nothing waits."""


def shards_at_once(workers: int) -> int:
    """How many shards so many workers need the disk for where a sink takes them away.

    One is being sent besides.
    """
    return SHARDS_AT_ONCE * workers + 1


KEEP_HERE: ShardSink = KeepHere()
