"""Which failures of a network, or of the Hub behind it, another moment may cure."""

import json
import re
import sys

TRANSIENT = frozenset({408, 409, 412, 425, 429, 500, 502, 503, 504})
"""Statuses that another moment may cure. 409 and 412 are another's commit at the same time."""
UNAUTHORISED, PAYMENT, FORBIDDEN, NOT_FOUND = 401, 402, 403, 404
XET_STATUS = re.compile(r"HTTP status \w+ error \((\d{3}) ([\w ]+)\)")
"""In the text of hf_xet's errors, which are ConnectionErrors whatever the status."""


def is_transient(error: BaseException) -> bool:
    """Whether the same request may succeed in another moment."""
    from huggingface_hub.errors import LocalEntryNotFoundError, OfflineModeIsEnabled

    status = status_of(error)
    if status:
        return status in TRANSIENT
    if isinstance(error, OfflineModeIsEnabled):
        return False
    if isinstance(error, LocalEntryNotFoundError):
        # A download's word for any failure to ask.
        return error.__cause__ is not None and is_transient(error.__cause__)
    # An answer that is no JSON is a proxy's page of error.
    return isinstance(error, (ConnectionError, TimeoutError, json.JSONDecodeError, *_transport()))


def status_of(error: BaseException) -> int:
    """The status of the answer that an error is about; 0 where there was none."""
    response = getattr(error, "response", None)
    if response is not None:
        return int(response.status_code)
    if type(error).__name__ == "XetAuthenticationError":
        return UNAUTHORISED
    found = XET_STATUS.search(str(error))
    return int(found[1]) if found else 0


def _transport() -> tuple[type[Exception], ...]:
    """Errors of whichever HTTP library the client uses: it has changed twice."""
    found = (
        getattr(sys.modules[module], name)
        for module, name in (
            ("httpx2", "TransportError"),
            ("httpx", "TransportError"),
            ("requests", "ConnectionError"),
            ("requests", "Timeout"),
        )
        if module in sys.modules
    )
    return tuple(found)
