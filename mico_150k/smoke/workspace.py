"""A temporary copy of a clone, in which all of a smoke test runs: it may write there."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mico_150k.core.errors import CloneRefused

MOST_BYTES = 4 << 20
"""Of a file that is copied: code is smaller, and what is larger is a model or data."""
MOST_FILES = 20_000
_NOT_CODE = frozenset(
    (
        ".bin", ".gif", ".ipynb", ".jpeg", ".jpg", ".mp4", ".parquet", ".pdf", ".pkl", ".png",
        ".pt", ".pth", ".safetensors", ".webp",
    )
)  # fmt: skip
_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Workspace:
    """Folders below one temporary folder, and what they stand for.

    `clone` is the copy of the trainer's clone, `start` where train.sh is started, `output` its
    `OUTPUT`, `tools` the launchers that record, and `caches` where libraries may write.
    """

    root: Path
    real_clone: Path
    real_output: Path | None

    @classmethod
    def make(cls, root: Path, clone: Path, output: str | None) -> "Workspace":
        """Copy a clone into an empty folder. Raises `CloneRefused`."""
        made = cls(root.resolve(), clone.resolve(), Path(output).absolute() if output else None)
        for folder in (made.start, made.tools, made.caches):
            folder.mkdir()
        _copy(made.real_clone, made.clone)
        return made

    @property
    def clone(self) -> Path:
        """The copy of the clone."""
        return self.root / "clone"

    @property
    def start(self) -> Path:
        """The folder in which train.sh starts."""
        return self.root / "start"

    @property
    def output(self) -> Path:
        """The folder that stands for the `OUTPUT` that the user has set."""
        return self.root / "output"

    @property
    def tools(self) -> Path:
        """The folder of launchers that record their arguments."""
        return self.root / "tools"

    @property
    def caches(self) -> Path:
        """The folder for caches."""
        return self.root / "caches"

    def real(self, path: str, folder: str) -> Path:
        """Return the path that one in here stands for; a relative one is relative to `folder`."""
        found = Path(os.path.normpath(Path(folder, path)))
        stands_for = [(self.clone, self.real_clone), (self.start, Path.cwd())]
        if self.real_output:
            stands_for.append((self.output, self.real_output))
        for mine, real in stands_for:
            if found.is_relative_to(mine):
                return real / found.relative_to(mine)
        return found

    def environment(self, given: Mapping[str, str]) -> dict[str, str]:
        """Return these variables, so that nothing is downloaded, and caches are kept in here."""
        home = Path(given.get("HF_HOME") or Path.home() / ".cache" / "huggingface")
        return {
            **given,
            "HF_HUB_CACHE": given.get("HF_HUB_CACHE") or str(home / "hub"),  # only read, offline
            "HF_HOME": str(self.caches / "huggingface"),
            "HF_DATASETS_CACHE": str(self.caches / "datasets"),
            "HF_HUB_OFFLINE": "1",
            "TRANSFORMERS_OFFLINE": "1",
            "MPLCONFIGDIR": str(self.caches / "matplotlib"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
            "TMPDIR": str(self.caches),
            "TRITON_CACHE_DIR": str(self.caches / "triton"),
            "WANDB_DIR": str(self.caches),
            "WANDB_MODE": "offline",
            "XDG_CACHE_HOME": str(self.caches),
            "XDG_CONFIG_HOME": str(self.caches),
        }


def commit_of(clone: Path) -> str:
    """Return the commit of a clone, "" where git does not know it."""
    if not (clone / ".git").exists():
        return ""
    try:
        done = subprocess.run(  # noqa: S603 - fixed words and a path
            ["git", "-c", "safe.directory=*", "-C", str(clone), "rev-parse", "HEAD"],  # noqa: S607
            capture_output=True, text=True, check=False, timeout=_SECONDS,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if not done.returncode else ""


def _copy(clone: Path, to: Path) -> None:
    """Copy a clone's code. Raises `CloneRefused`."""
    to.mkdir()
    for number, file in enumerate(_code(clone)):
        if number >= MOST_FILES:
            msg = (
                f"{clone} has more than {MOST_FILES:,} files, which is too many for a clone. "
                "Move data and outputs out of it, or name a fresh clone."
            )
            raise CloneRefused(msg)
        place = to / file.relative_to(clone)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, place)
        shutil.copymode(file, place)


def _code(clone: Path) -> Iterator[Path]:
    """The files that may be code; a link to a folder is not followed."""
    for folder, below, names in os.walk(clone):
        below[:] = [name for name in below if not name.startswith(".") and name != "__pycache__"]
        for name in names:
            file = Path(folder, name)
            if file.suffix.lower() in _NOT_CODE or not file.is_file():
                continue
            if file.stat().st_size <= MOST_BYTES:
                yield file
