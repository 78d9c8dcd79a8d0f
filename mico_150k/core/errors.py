"""Every error this package raises on purpose.

MicoError                      the message says what is wrong, where, and the way out
├── UsageError                 what was asked for cannot be (exit status 2)
│   ├── UnknownConfig          no configuration of that name
│   ├── BadSelection           a `--where` that is no SQL over the index, or that finds nothing
│   ├── BuilderRefused         a class in builders/ that lacks something, or has another's name
│   ├── CloneRefused           a trainer's clone that is not as `mico patch` knows it
│   ├── MissingPackage         a package that only this needs is not installed
│   ├── OutputRefused          the output folder is somebody else's, or another build's
│   ├── NoLicense              a card is to be published, and states no license
│   └── ExecutorMissing        the executor asked for is not installed, or does not answer
├── SourceError                the source cannot be read as it is
│   ├── SourceNotFound         no such file, folder or repository
│   ├── SourceLost             a file that was there at the start, and cannot be read any more
│   ├── SourceChanged          a file that is no longer what was planned
│   ├── EmptySource            nothing in it that a source is made of
│   ├── BrokenFile             a file that is damaged, or not what its name says
│   ├── UnknownShape           a file whose columns fit nothing that is known
│   ├── UnknownTask            a file that belongs to none of the tasks
│   ├── DuplicateIds           two rows with one id
│   └── PathOutsideSource      a path that leaves the folder it may point into
├── BuildError                 a build had to stop; what is finished is kept
│   ├── TooManyLeftOut         more rows are unusable than is tolerated
│   ├── TooManyLost            a validation split would cost more training rows than is allowed
│   ├── DiskTooSmall           the forecast does not fit, or the disk has filled up
│   ├── WorkerLost             a process that did a part of the work has ended
│   ├── MemoryTooSmall         what was asked for needs more than there is, or than is allowed
│   ├── NodesFailed            nodes of a cluster that tried a part of a build lack something
│   ├── ShardsMissing          a build on many machines is not complete yet
│   ├── RemoteError            the storage that a build writes to did not do what was asked
│   └── CountMismatch          rows read are not rows written plus rows left out
├── NotADataset                no dataset folder, or a damaged one
│   ├── DamagedDataset         one of ours, of which something cannot be relied on
│   └── OtherFormat            one of ours that another version of mico-150k has written
├── UnsafeFile                 a file that must not be read
│   ├── NotRegular             a FIFO, socket, device or folder in a file's place, or far too large
│   └── OutsideRoot            a path that leads out of the folder that it belongs to
├── RowUnreadable              `load_dataset` gives no row of what was built or pushed
│   └── RowUnreadableNow       the same, where another moment may cure it
├── OverLimit                  rows that a trainer cannot take, where none may be left out
├── NotAnExport                no folder that `mico export` has finished
├── ExportRefused              inside a trainer: an export that it would misread, or none
├── HubError                   the Hub did not do what was asked; what it has is kept
│   ├── NoAccess               no token, or one that may not do this
│   ├── NoRepository           no such repository, or one that the token cannot see
│   ├── PushRefused            what lies here or there is not fit to be pushed
│   └── NotSent                the Hub failed too often in a row
└── UnusableImage              one image; caught, and its row is left out
"""

from mico_150k.core.reasons import Reason


class MicoError(Exception):
    """The base of all; its text is meant for a person and stands alone."""


class UsageError(MicoError):
    """What was asked for cannot be."""


class UnknownConfig(UsageError):
    """No configuration of that name."""


class BadSelection(UsageError):
    """A `--where` that is no SQL over the index, or that finds nothing."""


class MissingPackage(UsageError):
    """A package that only this needs is not installed."""


class ExecutorMissing(UsageError):
    """The executor asked for is not installed, or does not answer."""


class OutputRefused(UsageError):
    """The output folder is somebody else's, or another build's."""


class BuilderRefused(UsageError):
    """A class in builders/ that lacks something, or has another's name."""


class CloneRefused(UsageError):
    """A trainer's clone that is not as `mico patch` knows it."""


class NoLicense(UsageError):
    """A card is to be published, and states no license."""


class SourceError(MicoError):
    """The source cannot be read as it is."""


class SourceNotFound(SourceError):
    """No such file, folder or repository."""


class SourceLost(SourceError):
    """A file that was there at the start, and cannot be read any more."""


class SourceChanged(SourceError):
    """A file that is no longer what the work was planned with."""


class EmptySource(SourceError):
    """Nothing in it that a source is made of."""


class BrokenFile(SourceError):
    """A file that is damaged, or not what its name says."""


class UnknownShape(SourceError):
    """A file whose columns fit nothing that is known."""


class UnknownTask(SourceError):
    """A file that belongs to none of the tasks."""


class DuplicateIds(SourceError):
    """Two rows with one id."""


class PathOutsideSource(SourceError):
    """A path that leaves the folder it may point into."""


class BuildError(MicoError):
    """A build had to stop; what is finished is kept."""


class TooManyLeftOut(BuildError):
    """More rows are unusable than is tolerated."""


class TooManyLost(BuildError):
    """A validation split would cost more training rows than is allowed."""


class DiskTooSmall(BuildError):
    """The forecast does not fit, or the disk has filled up."""


class WorkerLost(BuildError):
    """A process that did a part of the work has ended."""


class MemoryTooSmall(BuildError):
    """What was asked for needs more memory than there is, or than is allowed."""


class NodesFailed(BuildError):
    """The nodes of a cluster that tried a part of a build lack something for it."""


class ShardsMissing(BuildError):
    """A build on many machines is not complete yet."""


class RemoteError(BuildError):
    """The storage that a build writes to did not do what was asked."""


class CountMismatch(BuildError):
    """Rows read are not rows written plus rows left out."""


class NotADataset(MicoError):
    """No dataset folder, or a damaged one."""


class DamagedDataset(NotADataset):
    """One of ours, of which something cannot be relied on."""


class OtherFormat(NotADataset):
    """One of ours that another version of mico-150k has written, with other keys."""


class UnsafeFile(MicoError):
    """A file that must not be read."""


class NotRegular(UnsafeFile):
    """A FIFO, socket, device or folder in a file's place, or a file far too large for its kind."""


class OutsideRoot(UnsafeFile):
    """A path that leads out of the folder that it belongs to."""


class RowUnreadable(MicoError):
    """`load_dataset` gives no row of what was built or pushed."""

    def __init__(self, said: str, response: object = None) -> None:
        """`said` is what it said, and `response` the Hub's answer, if there was one."""
        super().__init__(said)
        self.response = response


class RowUnreadableNow(RowUnreadable, ConnectionError):
    """The same, where another moment may cure it."""


class OverLimit(MicoError):
    """Rows that a trainer cannot take, where none may be left out."""


class NotAnExport(MicoError):
    """No folder that `mico export` has finished."""


class ExportRefused(MicoError):
    """Inside a trainer: an export that it would misread, or none."""


class HubError(MicoError):
    """The Hub did not do what was asked; what it has is kept."""


class NoAccess(HubError):
    """No token, or one that may not do this."""


class NoRepository(HubError):
    """No such repository, or one that the token cannot see."""


class PushRefused(HubError):
    """What lies here or there is not fit to be pushed."""


class NotSent(HubError):
    """The Hub failed too often in a row."""


class UnusableImage(MicoError):
    """One image that no trainer could use; caught, and its row is left out."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        """`detail` says what is wrong in this very image."""
        super().__init__(f"{reason}: {detail}" if detail else str(reason))
        self.reason = reason
        self.detail = detail
