"""`write_card`: the dataset's card, as `mico card` writes it."""

from mico_150k.api.locations import AnyDataset, as_folder
from mico_150k.card import file
from mico_150k.card.file import License
from mico_150k.card.text import CardText
from mico_150k.core.errors import UsageError


def write_card(
    dataset: AnyDataset,
    *,
    license: str | License | None = None,
    license_name: str = "",
    license_link: str = "",
    overwrite: bool = False,
) -> CardText:
    """Write `README.md` of a dataset folder again; sections and keys added by hand stay.

    Args:
        dataset: A dataset folder on this machine.
        license: The Hub's identifier, such as `cc-by-nc-4.0`; by default the one it states.
        license_name: The name of a license `other`.
        license_link: Where the text of a license `other` is.
        overwrite: Lose what was changed outside of the sections that are kept.

    Returns:
        The card's text.

    Raises:
        NotADataset: There is no dataset of this format.
        OutputRefused: What a person has changed would be lost.
        UsageError: The license is none that the Hub knows.
    """
    stated = make_license(license, license_name, license_link)
    return file.write_card(as_folder(dataset, "mico card"), stated, overwrite=overwrite)


def make_license(
    license: str | License | None, name: str | None, link: str | None
) -> License | None:
    """The license that was given, if any. Raises `UsageError`."""
    if isinstance(license, License):
        return license
    if license is None:
        if name or link:
            msg = "--license-name and --license-link belong to `--license other`."
            raise UsageError(msg)
        return None
    return License(license, name or "", link or "")
