"""What the emulator refuses: one exception, an HTTP answer or an `error` event."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

INVALID_TOKEN = "Invalid Token"  # noqa: S105 - Fish's words
INSUFFICIENT_CREDIT = (
    "Insufficient API credit. API credit is managed independently from platform credit."
)
INSUFFICIENT_BALANCE = "insufficient_balance"
REFERENCE_NOT_FOUND = "Reference not found"
CONCURRENCY_REST = "You have exceeded your current concurrency limit"
CONCURRENCY_SOCKET = "Concurrency limit exceeded"


class ApiError(Exception):
    """A request that Fish Audio would refuse.

    `body` is the JSON of the answer; without it, `{"status": …, "message": …}`, with `reason`, a
    code for machines, if there is one.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        reason: str | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        if body is None:
            # Never null: the older official SDK takes no other field than the first two.
            body = {"status": status, "message": message} | ({"reason": reason} if reason else {})
        self.body = body
        self.headers = dict(headers or {})


def status_error(status: int) -> ApiError:
    """The refusal that Fish sends with a status, told without its cause (for faults)."""
    if status == HTTPStatus.UNAUTHORIZED:
        return ApiError(status, INVALID_TOKEN)
    if status == HTTPStatus.PAYMENT_REQUIRED:
        return ApiError(
            status,
            INSUFFICIENT_CREDIT,
            reason=INSUFFICIENT_BALANCE,
            headers={"x-fish-error-code": INSUFFICIENT_BALANCE},
        )
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return ApiError(status, CONCURRENCY_REST)
    try:
        return ApiError(status, HTTPStatus(status).phrase)
    except ValueError:
        return ApiError(status, "Unknown error")
