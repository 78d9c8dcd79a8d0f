"""Every error this package raises on purpose.

MicoError                      the message says what is wrong, where, and how to fix it
├── UsageError                 the command asks for something impossible (exit status 2)
│   ├── UnknownConfig          no configuration or trainer has that name
│   ├── BadSelection           `--where` is not SQL over the index, or matches no row
│   ├── BuilderRefused         a class in builders/ is incomplete, or its name is taken
│   ├── CloneRefused           a trainer's clone is not in a state that `mico patch` knows
│   ├── MissingPackage         an optional package is not installed
│   ├── OutputRefused          the output folder holds other files, or another build
│   ├── NoLicense              a card without a license cannot be published
│   └── ExecutorMissing        the executor is not installed, or does not respond
├── SourceError                the source cannot be read
│   ├── SourceNotFound         the file, folder or repository does not exist
│   ├── SourceLost             a file can no longer be read
│   ├── SourceChanged          a file has changed since the work was planned
│   ├── EmptySource            it has no file that a source consists of
│   ├── BrokenFile             a file is damaged, or not what its name says
│   ├── UnknownShape           the columns of a file match no known layout
│   ├── UnknownTask            the task of a file cannot be detected
│   ├── DuplicateIds           two rows have the same id
│   └── PathOutsideSource      a path leads out of the source
├── BuildError                 a build had to stop; finished shards are kept
│   ├── TooManySkipped         more rows are unusable than `--tolerance` allows
│   ├── TooManyLost            a validation split costs more training rows than `--max-loss` allows
│   ├── DiskTooSmall           the disk is full, or too small for the forecast
│   ├── WorkerLost             a worker process has died
│   ├── MemoryTooSmall         the work needs more memory than is free or allowed
│   ├── NodesFailed            nodes of a cluster could not build a part
│   ├── ShardsMissing          a partitioned build is not complete yet
│   ├── RemoteError            the storage that a build writes to has failed
│   └── CountMismatch          rows written and skipped do not add up to the rows read
├── NotADataset                not a dataset folder, or a damaged one
│   ├── DamagedDataset         a file of a dataset is damaged
│   └── OtherFormat            another version of mico-150k has written the dataset
├── UnsafeFile                 a file must not be read
│   ├── NotRegular             a FIFO, socket, device or folder, or a file far too large
│   └── OutsideRoot            a path leads out of its folder
├── RowUnreadable              `load_dataset` cannot read a row of the dataset
│   └── RowUnreadableNow       the same, for a reason that may pass
├── OverLimit                  rows are over a trainer's limits, and none may be skipped
├── NotAnExport                not a folder that `mico export` has finished
├── ExportRefused              in a trainer: an export is missing, or would be misread
├── HubError                   a request to the Hub failed; what is uploaded is kept
│   ├── NoAccess               no token, or one without permission
│   ├── NoRepository           the repository does not exist, or the token cannot see it
│   ├── PushRefused            the dataset or the repository is not in a state to push
│   └── NotSent                a request failed too often in a row
└── UnusableImage              an image is unusable; caught, and its row is skipped
"""

from mico_150k.core.reasons import Reason


class MicoError(Exception):
    """The base of all errors; its text is written for users and is complete."""


class UsageError(MicoError):
    """The command asks for something impossible."""


class UnknownConfig(UsageError):
    """No configuration or trainer has that name."""


class BadSelection(UsageError):
    """`--where` is not SQL over the index, or matches no row."""


class MissingPackage(UsageError):
    """An optional package is not installed."""


class ExecutorMissing(UsageError):
    """The executor is not installed, or does not respond."""


class OutputRefused(UsageError):
    """The output folder holds other files, or another build."""


class BuilderRefused(UsageError):
    """A class in builders/ is incomplete, or its name is taken."""


class CloneRefused(UsageError):
    """A trainer's clone is not in a state that `mico patch` knows."""


class NoLicense(UsageError):
    """A card without a license cannot be published."""


class SourceError(MicoError):
    """The source cannot be read."""


class SourceNotFound(SourceError):
    """The file, folder or repository does not exist."""


class SourceLost(SourceError):
    """A file can no longer be read."""


class SourceChanged(SourceError):
    """A file has changed since the work was planned."""


class EmptySource(SourceError):
    """The place has no file that a source consists of."""


class BrokenFile(SourceError):
    """A file is damaged, or not what its name says."""


class UnknownShape(SourceError):
    """The columns of a file match no known layout."""


class UnknownTask(SourceError):
    """The task of a file cannot be detected."""


class DuplicateIds(SourceError):
    """Two rows have the same id."""


class PathOutsideSource(SourceError):
    """A path leads out of the source."""


class BuildError(MicoError):
    """A build had to stop; finished shards are kept."""


class TooManySkipped(BuildError):
    """More rows are unusable than `--tolerance` allows."""


class TooManyLost(BuildError):
    """A validation split costs more training rows than `--max-loss` allows."""


class DiskTooSmall(BuildError):
    """The disk is full, or too small for the forecast."""


class WorkerLost(BuildError):
    """A worker process has died."""


class MemoryTooSmall(BuildError):
    """The work needs more memory than is free or allowed."""


class NodesFailed(BuildError):
    """Nodes of a cluster could not build a part."""


class ShardsMissing(BuildError):
    """A partitioned build is not complete yet."""


class RemoteError(BuildError):
    """The storage that a build writes to has failed."""


class CountMismatch(BuildError):
    """Rows written and skipped do not add up to the rows read."""


class NotADataset(MicoError):
    """Not a dataset folder, or a damaged one."""


class DamagedDataset(NotADataset):
    """A file of a dataset is damaged."""


class OtherFormat(NotADataset):
    """Another version of mico-150k has written the dataset, with other keys."""


class UnsafeFile(MicoError):
    """A file must not be read."""


class NotRegular(UnsafeFile):
    """A FIFO, socket, device or folder, or a file far too large for its kind."""


class OutsideRoot(UnsafeFile):
    """A path leads out of its folder."""


class RowUnreadable(MicoError):
    """`load_dataset` cannot read a row of the dataset."""

    def __init__(self, said: str, response: object = None) -> None:
        """Keep the message.

        Args:
            said: The message.
            response: The Hub's HTTP response, if there was one.
        """
        super().__init__(said)
        self.response = response


class RowUnreadableNow(RowUnreadable, ConnectionError):
    """`load_dataset` cannot read a row, for a reason that may pass."""


class OverLimit(MicoError):
    """Rows are over a trainer's limits, and none may be skipped."""


class NotAnExport(MicoError):
    """Not a folder that `mico export` has finished."""


class ExportRefused(MicoError):
    """In a trainer: an export is missing, or would be misread."""


class HubError(MicoError):
    """A request to the Hub failed; what is uploaded is kept."""


class NoAccess(HubError):
    """No token, or one without permission."""


class NoRepository(HubError):
    """The repository does not exist, or the token cannot see it."""


class PushRefused(HubError):
    """The dataset or the repository is not in a state to push."""


class NotSent(HubError):
    """A request failed too often in a row."""


class UnusableImage(MicoError):
    """An image is unusable; caught, and its row is skipped."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        """Keep the reason.

        Args:
            reason: Why the row is skipped.
            detail: What is wrong with this image.
        """
        super().__init__(f"{reason}: {detail}" if detail else str(reason))
        self.reason = reason
        self.detail = detail
