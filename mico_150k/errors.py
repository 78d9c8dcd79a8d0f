"""Every error this package raises on purpose.

MicoError                      the message says what is wrong, where, and the way out
├── UsageError                 what was asked for cannot be (exit status 2)
│   ├── UnknownConfig          no configuration of that name
│   └── OutputRefused          the output folder is somebody else's, or another build's
├── SourceError                the source cannot be read as it is
│   ├── SourceNotFound         no such file, folder or repository
│   ├── EmptySource            nothing in it that a source is made of
│   ├── BrokenFile             a file that is damaged, or not what its name says
│   ├── UnknownShape           a file whose columns fit nothing that is known
│   ├── UnknownTask            a file that belongs to none of the tasks
│   ├── DuplicateIds           two rows with one id
│   └── PathOutsideSource      a path that leaves the folder it may point into
├── BuildError                 a build had to stop; what is finished is kept
│   ├── TooManyLeftOut         more rows are unusable than is tolerated
│   ├── DiskTooSmall           the forecast does not fit, or the disk has filled up
│   └── CountMismatch          rows read are not rows written plus rows left out
├── NotADataset                no dataset folder, or a damaged one
└── UnusableImage              one image; caught, and its row is left out
"""

from mico_150k.reason import Reason


class MicoError(Exception):
    """The base of all; its text is meant for a person and stands alone."""


class UsageError(MicoError):
    """What was asked for cannot be."""


class UnknownConfig(UsageError):
    """No configuration of that name."""


class OutputRefused(UsageError):
    """The output folder is somebody else's, or another build's."""


class SourceError(MicoError):
    """The source cannot be read as it is."""


class SourceNotFound(SourceError):
    """No such file, folder or repository."""


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


class DiskTooSmall(BuildError):
    """The forecast does not fit, or the disk has filled up."""


class CountMismatch(BuildError):
    """Rows read are not rows written plus rows left out."""


class NotADataset(MicoError):
    """No dataset folder, or a damaged one."""


class UnusableImage(MicoError):
    """One image that no trainer could use; caught, and its row is left out."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        """`detail` says what is wrong in this very image."""
        super().__init__(f"{reason}: {detail}" if detail else str(reason))
        self.reason = reason
        self.detail = detail
