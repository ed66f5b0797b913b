"""A request that is answered with an error: a result like any other, with a code of the contract."""

from collections.abc import Sequence
from typing import Any

from denizen import headers
from denizen.errors import BY_CODE


class Refusal(Exception):
    """Returned by decisions; raised where a request is not even understood. `message` and `details` hold no input."""

    def __init__(self, code: str, message: str, *, field: str | None = None, details: Sequence[Any] = ()) -> None:
        super().__init__(code)
        self.code = code
        self.message = message
        self.field = field
        self.details = details

    def body(self) -> dict[str, Any]:
        """The reply's body (design section 3)."""
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.field is not None:
            error["field"] = self.field
        if self.details:
            error["details"] = list(self.details)
        return {"error": error}

    @classmethod
    def of(cls, body: dict[str, Any]) -> "Refusal":
        """The refusal of a body that was kept."""
        error = body["error"]
        return cls(error["code"], error["message"], field=error.get("field"), details=error.get("details", ()))

    def headers(self) -> dict[str, str]:
        """The reply's headers (NATS ADR-32)."""
        return {headers.SERVICE_ERROR: self.message, headers.SERVICE_ERROR_CODE: str(BY_CODE[self.code].number)}
