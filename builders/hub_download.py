"""What a training downloads from the Hub, as a step of START.md."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HubDownload:
    """A repository that a trainer downloads: all of it, or some files.

    `is_gated` where its license has to be accepted; `remark` is another thing to know.
    """

    repository: str
    files: tuple[str, ...] = ()
    is_gated: bool = False
    remark: str = ""

    @property
    def command(self) -> str:
        """The command that downloads it into the Hub's cache."""
        return " ".join(("hf download", self.repository, *self.files))


def download_step(downloads: Sequence[HubDownload]) -> tuple[str, str]:
    """Return a step that names every download with its command, and the license of a gated one."""
    *first, last = (f"`{each.repository}`" for each in downloads)
    names = f"{', '.join(first)} and {last}" if first else last
    said = [f"The first start downloads {names} from the Hub."]
    gated = [each.repository for each in downloads if each.is_gated]
    said += [
        f"{repository} is gated: accept its license at huggingface.co/{repository}."
        for repository in gated
    ]
    said += [each.remark for each in downloads if each.remark]
    said.append(
        "Where the GPUs have no internet, run these commands on a node that has it, with `HF_HOME` "
        "on a disk that both see, and set `HF_HOME` and `HF_HUB_OFFLINE=1` for the training."
    )
    login = ["hf auth login"] if gated else []
    return " ".join(said), "\n".join([*login, *(each.command for each in downloads)])


MISTRAL = HubDownload(
    "mistralai/Mistral-Small-3.1-24B-Instruct-2503",
    remark="Mistral's page may ask you to share contact details before you can download.",
)
"""The text encoder of FLUX.2-dev."""
