"""A request that is answered with an error: a result like any other, with a code of the contract."""

from collections.abc import Sequence
from typing import Any

from denizen import headers
from denizen.errors import BY_CODE

from services.domain.claims import TAKEN, ClaimKind


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


# --- of the user ------------------------------------------------------------------------------------------------


def user_not_found() -> Refusal:
    return Refusal("user_not_found", "there is no user with this id", field="userId")


def user_blocked() -> Refusal:
    return Refusal("user_blocked", "the user is blocked")


def user_deactivated() -> Refusal:
    return Refusal("user_deactivated", "the user is deactivated")


def not_blocked() -> Refusal:
    return Refusal("invalid_transition", "the user is not blocked")


def not_deactivated() -> Refusal:
    return Refusal("invalid_transition", "the user is not deactivated")


def taken(kind: ClaimKind) -> Refusal:
    """Another user has the claim."""
    code, field = TAKEN[kind]
    return Refusal(code, f"another user has this {field}", field=field)


# --- of addresses, passwords and codes ---------------------------------------------------------------------------


def address_unchanged() -> Refusal:
    return Refusal("invalid_transition", "the user has this address", field="email")


def address_verified() -> Refusal:
    return Refusal("invalid_transition", "the address is verified")


def email_not_verified(user_id: str) -> Refusal:
    return Refusal("email_not_verified", "the address is not verified", details=[{"userId": user_id}])


def password_change_required(user_id: str) -> Refusal:
    return Refusal("password_change_required", "the password must be changed first", details=[{"userId": user_id}])


def password_wrong(field: str | None = None) -> Refusal:
    """Also for an unknown address and a user without a password. `field`: where the caller is signed in."""
    return Refusal("invalid_credentials", "the password is not right", field=field)


def code_invalid() -> Refusal:
    return Refusal("code_invalid", "the code is not right, or has expired, or was used", field="code")


def nothing_to_verify() -> Refusal:
    return Refusal("code_invalid", "there is nothing to verify", field="code")


def token_invalid() -> Refusal:
    return Refusal("token_invalid", "the token is not right, or has expired, or was used", field="token")


# --- of identities ------------------------------------------------------------------------------------------------


def identity_not_found() -> Refusal:
    return Refusal("identity_not_found", "the user has no such identity", field="providerId")


def too_many_identities(most: int) -> Refusal:
    return Refusal("validation_failed", f"a user has at most {most} identities", field="provider")


# --- of values ----------------------------------------------------------------------------------------------------


def invalid(fault: str, field: str) -> Refusal:
    """A field whose value cannot be; `fault` says why."""
    return Refusal("validation_failed", fault, field=field)
