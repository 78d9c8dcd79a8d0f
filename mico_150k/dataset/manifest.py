"""`manifest.json`: the files of a dataset folder, and what they were made from."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from mico_150k.dataset import layout
from mico_150k.dataset.records import FileRecord
from mico_150k.dataset.report import Report


def make_manifest(
    made: dict[str, Any],
    source: list[dict[str, Any]],
    shards: list[dict[str, Any]],
    configs: Mapping[str, Mapping[str, FileRecord]],
    report: Report,
) -> dict[str, Any]:
    """Return the manifest of a folder; `made` holds its keys `build` (identity) and `commands`."""
    return {
        "format": layout.MANIFEST_FORMAT,
        **made,
        "rows_read": report.rows_read,
        "rows": report.rows,
        "skipped": report.reasons,
        "source": source,
        "shards": shards,
        "configs": {
            config: {name: asdict(file) for name, file in sorted(files.items())}
            for config, files in configs.items()
        },
    }
