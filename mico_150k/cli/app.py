"""The commands of `mico`."""

import typer

from mico_150k.cli.build import build
from mico_150k.cli.card import card
from mico_150k.cli.check import check
from mico_150k.cli.export import export, relocate
from mico_150k.cli.inspect import inspect
from mico_150k.cli.patch import patch
from mico_150k.cli.pretokenize import pretokenize
from mico_150k.cli.preview import preview
from mico_150k.cli.push import push

app = typer.Typer(
    name="mico",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help='From MICo-150K\'s release to `load_dataset("mico-150k", "bagel")`.',
)
app.command()(inspect)
app.command()(build)
app.command()(check)
app.command()(export)
app.command()(relocate)
app.command()(patch)
app.command()(pretokenize)
app.command()(push)
app.command()(card)
app.command()(preview)
