"""What the server refuses, in the form in which Google's JSON API says it.

https://cloud.google.com/storage/docs/json_api/v1/status-codes
"""

import json
from typing import NoReturn


class GcsError(Exception):
    """A refusal: its HTTP status, Google's one-word `reason`, a sentence, and headers if it has some."""

    def __init__(self, status: int, reason: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.reason, self.message = status, reason, message
        self.headers = headers or {}

    def body(self) -> bytes:
        """The JSON document; 304, 308 and 499 have none."""
        if self.status in {304, 308, 499}:
            return b""
        one = {"message": self.message, "domain": "global", "reason": self.reason}
        return json.dumps({"error": {"code": self.status, "message": self.message, "errors": [one]}}).encode()

    content_type = "application/json; charset=UTF-8"


class PlainError(GcsError):
    """One of the few that Google answers as plain text."""

    content_type = "text/plain; charset=utf-8"

    def body(self) -> bytes:
        """The sentence alone."""
        return self.message.encode()


def not_found(what: str) -> NoReturn:
    """Raise 404."""
    raise GcsError(404, "notFound", what)


def condition_not_met() -> NoReturn:
    """Raise 412."""
    raise GcsError(412, "conditionNotMet", "At least one of the pre-conditions you specified did not hold.")


def invalid(message: str) -> NoReturn:
    """Raise 400 for a request that makes no sense."""
    raise GcsError(400, "invalid", message)
