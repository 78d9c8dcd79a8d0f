"""START.md: what an export contains, which rows it skips and why, and how to start training."""

import re
import shlex

from mico_150k.card.markdown import markdown_template
from mico_150k.core.trainer import Exported, Trainer
from mico_150k.export.limits import DANGLING, MORE_THAN_ASKED, TOO_MANY_INPUTS

_ROOT = re.compile(r"\{root\}([\w./-]*)")


def render_start(trainer: Trainer, exported: Exported) -> str:
    """Render the file. It has counts and fixed texts only, and no text from the dataset."""
    return markdown_template("mico_150k.export", "START.md").render(
        trainer=trainer,
        exported=exported,
        root=shlex.quote(exported.root),
        skipped=[
            (rows, *_reason(trainer, exported, name)) for name, rows in exported.skipped.items()
        ],
        remarks=[
            (exported.remarks[remark.name], remark.why, remark.source)
            # Limits too: an export in place has every row.
            for remark in (*trainer.remarks, *trainer.limits)
            if remark.name in exported.remarks
        ],
        steps=[
            (
                text.replace("{token}", exported.token),
                _ROOT.sub(lambda place: shlex.quote(exported.root + place[1]), commands),
            )
            for text, commands in trainer.steps
        ],
        tables=trainer.tables(exported),
    )


def _reason(trainer: Trainer, exported: Exported, name: str) -> tuple[str, str]:
    if name == TOO_MANY_INPUTS:
        return f"more than {trainer.max_inputs} inputs", trainer.max_inputs_source
    if name == MORE_THAN_ASKED:
        return f"more than {exported.identity['max_inputs']} inputs", "`--max-inputs` asked for it"
    if name == DANGLING:
        return "truncated, its instruction would name an input that is gone", ""
    limit = next(limit for limit in trainer.limits if limit.name == name)
    return limit.why, limit.source
