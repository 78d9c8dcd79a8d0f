"""Decides which failures of the Hub to retry, and how long to wait."""

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from mico_150k.core.errors import HubError, NoAccess, NoRepository, NotSent
from mico_150k.core.plural import counted
from mico_150k.io.transient import (
    FORBIDDEN,
    NOT_FOUND,
    PAYMENT,
    TOO_MANY,
    UNAUTHORISED,
    XET_STATUS,
    is_transient,
    status_of,
)

T = TypeVar("T")

MOST_ASKED = 15 * 60.0
"""The longest wait, in seconds, that the Hub may ask for; longer ones end in an error."""


_LOG_IN = "Log in with `hf auth login`, or set HF_TOKEN (huggingface.co/settings/tokens)."

OnWait = Callable[[str, float], None]
"""Called before each wait with the reason and the seconds."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """The number of tries and the waits between them, in seconds: doubling, with jitter."""

    tries: int = 8
    first: float = 2.0
    longest: float = 120.0
    on_wait: OnWait = lambda _, __: None

    def call(self, repository: str, doing: str, call: Callable[[], T]) -> T:
        """Return the result of `call`, with retries after transient failures.

        Args:
            repository: The repository's name, for messages.
            doing: What the call does, for messages: "looking at its files".
            call: The request.

        Raises:
            HubError: The request failed for good.
        """
        failures = 0
        while True:
            try:
                return call()
            except Exception as error:  # noqa: BLE001, PERF203 - it retries any error
                if not is_transient(error):
                    told = plain_error(error, repository, doing)
                    raise told from (None if told is error else error)
                failures += 1
                self.wait(failures, error, repository, doing)

    def wait(self, failures: int, error: Exception, repository: str, doing: str) -> None:
        """Sleep after this many failures in a row, or as long as the Hub asks.

        Raises:
            NotSent: It has failed too often, or the Hub asks for too long a wait.
        """
        failed = f"{repository}: {doing} failed"
        kept = "What is uploaded is kept: re-run the command to resume."
        asked = _asked_to_wait(error)
        if failures == self.tries:
            times = counted(failures, "time")
            msg = f"{failed} {times} in a row, at last with {_said(error)}.\n{kept}"
            raise NotSent(msg) from error
        if asked > MOST_ASKED:
            minutes = counted(round(asked / 60), "minute")
            msg = f"{failed} with {_said(error)}, and asks to wait {minutes}.\n{kept}"
            raise NotSent(msg) from error
        most = min(self.longest, self.first * 2 ** (failures - 1))
        jittered = most * random.uniform(0.5, 1.0)  # noqa: S311 - spreads clients over time
        seconds = max(jittered, asked)
        self.on_wait(f"{failed} with {_said(error)}", seconds)
        time.sleep(seconds)


def plain_error(error: BaseException, repository: str, doing: str) -> BaseException:
    """Turn an error of the client into one that says what to do; return others unchanged."""
    from huggingface_hub.errors import LocalTokenNotFoundError, OfflineModeIsEnabled

    if isinstance(error, LocalTokenNotFoundError):
        return NoAccess(f"No token for the Hub. {_LOG_IN}")
    if isinstance(error, OfflineModeIsEnabled):
        return HubError("HF_HUB_OFFLINE is set, which forbids requests to the Hub.")
    if status_of(error):
        return _of_status(error, repository, doing)
    return error


def _of_status(error: BaseException, repository: str, doing: str) -> HubError:
    status = status_of(error)
    said = _said(error)
    if status == NOT_FOUND:
        from huggingface_hub.errors import RevisionNotFoundError

        if isinstance(error, RevisionNotFoundError):
            return NoRepository(f"{repository} has no such revision ({doing}).")
        return NoRepository(
            f"{repository}: the dataset does not exist on the Hub, or the token cannot see it."
        )
    hints = {
        UNAUTHORISED: "the Hub requires a valid token: yours is missing, expired or not for this "
        f"repository. {_LOG_IN}",
        FORBIDDEN: "the token needs write access to this repository or its owner.",
        PAYMENT: "the account's plan does not allow it: huggingface.co/docs/hub/storage-limits.",
    }
    if status in hints:
        return NoAccess(f"{repository}: {doing}: {said}: {hints[status]}")
    return HubError(f"{repository}: {doing}: {said}.")


def _said(error: BaseException) -> str:
    """Return the Hub's message in one line."""
    response = getattr(error, "response", None)
    if response is not None:
        message = response.headers.get("X-Error-Message") or response.reason_phrase
        return f"status {response.status_code} ({message})"
    if found := XET_STATUS.search(str(error)):
        return f"status {found[1]} ({found[2]})"
    return f"{type(error).__name__}: {error}".strip().splitlines()[0]


def _asked_to_wait(error: BaseException) -> float:
    """Read the seconds to wait from `Retry-After: 30` or `RateLimit: "api";r=0;t=30`."""
    response = getattr(error, "response", None)
    if response is None:
        return 0.0
    if status_of(error) == TOO_MANY and (seconds := _seconds_to_reset(response.headers)):
        return seconds
    after = response.headers.get("Retry-After", "")
    return float(after) if after.isdigit() else 0.0


def _seconds_to_reset(headers: Mapping[str, str]) -> float:
    """Return the seconds until the next request is allowed; 0 if unknown or the client is old."""
    from huggingface_hub import utils

    parse = getattr(utils, "parse_ratelimit_headers", None)  # since 1.2; pushing needs 2.0
    limit = parse(headers) if parse else None
    return float(limit.reset_in_seconds) if limit else 0.0
