"""A digest of what makes two runs the same.

An identity outlives the code that wrote it: an interrupted run resumes by it. So it is a dictionary
that is written out key by key, with a version number. No class name and no order of fields enters.
"""

import hashlib
import json
from typing import Any


def json_sha256(plain: Any) -> str:  # noqa: ANN401 - any JSON value
    """SHA-256, in hex, of the canonical JSON of a value: sorted keys, no spaces, ASCII."""
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
