"""Tells transient failures of the network or the Hub from permanent ones."""

import json
import re
import sys

TRANSIENT = frozenset({408, 409, 412, 425, 429, 500, 502, 503, 504})
"""HTTP statuses to retry; 409 and 412 mean a concurrent commit."""
UNAUTHORISED, PAYMENT, FORBIDDEN, NOT_FOUND, TOO_MANY = 401, 402, 403, 404, 429
XET_STATUS = re.compile(r"HTTP status \w+ error \((\d{3}) ([\w ]+)\)")
"""The status in the text of hf_xet's errors, which are ConnectionErrors for every status."""


def is_transient(error: BaseException) -> bool:
    """Whether a retry of the request may succeed."""
    from huggingface_hub.errors import LocalEntryNotFoundError, OfflineModeIsEnabled

    status = status_of(error)
    if status:
        return status in TRANSIENT
    if isinstance(error, OfflineModeIsEnabled):
        return False
    if isinstance(error, LocalEntryNotFoundError):
        # A download raises this for any failed request.
        return error.__cause__ is not None and is_transient(error.__cause__)
    # A response that is not JSON is a proxy's error page.
    return isinstance(error, (ConnectionError, TimeoutError, json.JSONDecodeError, *_transport()))


def status_of(error: BaseException) -> int:
    """Return the HTTP status of an error; 0 if there was no response."""
    response = getattr(error, "response", None)
    if response is not None:
        return int(response.status_code)
    if type(error).__name__ == "XetAuthenticationError":
        return UNAUTHORISED
    found = XET_STATUS.search(str(error))
    return int(found[1]) if found else 0


def _transport() -> tuple[type[Exception], ...]:
    """Return the error types of the HTTP library that the Hub's client uses: it changed twice."""
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
