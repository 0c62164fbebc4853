"""What a request to Google Cloud Storage can end in, sorted by what is to be done about it."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

THROTTLED = frozenset({"rateLimitExceeded", "userRateLimitExceeded", "quotaExceeded"})
"""Reasons of a 403 that are a 429 (cloud.google.com/storage/docs/json_api/v1/status-codes)."""


class TransientError(Exception):
    """Whether it was done is not known, and trying again may help. `reason` is what the metric calls it."""

    def __init__(self, reason: str, text: str, retry_after: float = 0.0) -> None:
        super().__init__(text)
        self.reason = reason
        self.retry_after = retry_after

    @property
    def throttled(self) -> bool:
        """The storage asks for fewer requests."""
        return self.reason in {"429", "503"}


class AnsweredError(Exception):
    """The storage's clear no: `status` is HTTP's, `reason` Google's word for it."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason

    @property
    def what_to_do(self) -> str:
        """The end of a sentence for a person, where more can be said than the storage does."""
        if self.reason == "retentionPolicyNotMet":
            return (
                "; the bucket has a retention policy, and a staged file has to be moved: use a bucket without one, and "
                "protect the landed files by another means (docs/gcs.md)"
            )
        if "requester pays" in str(self).lower():
            return "; name who pays in sink.gcs.billing_project"
        return ""


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back of a request that did not fail; 308 is one, too. The headers' names are in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        """The body. Raises TransientError for a torn one."""
        try:
            found = json.loads(self.body)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise TransientError("torn reply", f"an answer of {len(self.body)} bytes that is no JSON object")
        return found


def error_of(reply: Reply) -> Exception:
    """The error that a status means which is no success."""
    reason, message = _said(reply.body)
    text = f"{reply.status} {message or reason}".strip()
    # A redirect is nobody's answer here, nor is a gateway's page about a name that it does not know.
    elsewhere = reply.status < 400 or (reply.status == 404 and "text/html" in reply.headers.get("content-type", ""))
    throttled = reply.status == 403 and reason in THROTTLED
    if elsewhere or throttled or reply.status in {408, 429} or reply.status >= 500:
        label = "429" if reply.status == 403 else str(reply.status)
        return TransientError(label, text, _seconds(reply.headers.get("retry-after", "")))
    return AnsweredError(reply.status, reason, text)


def _said(body: bytes) -> tuple[str, str]:
    """Google's reason and message, as far as the body has them."""
    try:
        error = json.loads(body)["error"]
        if isinstance(error, str):
            return "", _without_secrets(error)
        reasons = [str(one["reason"]) for one in error.get("errors", []) if "reason" in one]
        return (reasons or [""])[0], _without_secrets(str(error.get("message", "")))
    except (ValueError, KeyError, TypeError, AttributeError):
        return "", ""  # a page of somebody in between, which may name the address that was asked


def _without_secrets(text: str) -> str:
    """The text without tokens and without the part of an upload's address that is one."""
    return re.sub(r"(upload_id=|Bearer )[^\s&\"']+", r"\1...", text)


def _seconds(retry_after: str) -> float:
    return float(retry_after) if retry_after.isdigit() else 0.0
