"""The digest of an identity, by which an interrupted run recognizes its own work.

An identity outlives the code that wrote it. So it is a dictionary that is written out key by key,
with a version number; class names and the order of fields do not matter.
"""

import hashlib
import json
from typing import Any


def json_sha256(plain: Any) -> str:  # noqa: ANN401 - any JSON value
    """Return the SHA-256, in hex, of a value's canonical JSON: sorted keys, no spaces, ASCII."""
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
