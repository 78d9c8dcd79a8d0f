"""What can go wrong between a client and the Hub, on demand."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Fault:
    """Requests like `pattern` ("POST /api/datasets/user/x/commit/main") fail, `times` times.

    `status` is answered; 0 drops the connection. `after` does the work first, so that its answer
    is lost. `skip` lets so many through before. `act` is called first.
    """

    pattern: str
    status: int = 503
    times: int = 1
    after: bool = False
    skip: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    message: str = ""
    act: Callable[[], None] = lambda: None

    def meets(self, request: str) -> bool:
        """Whether this request fails; counts."""
        if not self.times or not re.search(self.pattern, request):
            return False
        if self.skip:
            self.skip -= 1
            return False
        self.times -= 1
        return True
