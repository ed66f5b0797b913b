"""One example of every message, as the services send and take them. Long, because it is a table (decision 47)."""

from collections.abc import Callable

from denizen import headers as h
from denizen.operations import Operation

from services.domain import refusals
from services.domain.refusals import Refusal
from services.domain.values import Json
from services.endpoint.contract import header_schemas, sealed

_VECTOR: Json = sealed.FORMAT["vectors"][0]
_USER_ID = "user_01kbb2q4m8e5xs7c9v3t6w1z0n"
_SESSION_ID = "sess_01kbb3c7d2f8ga5h1j6k9m4p0q"
_AT = "2026-11-30T09:15:02.417000Z"
_LATER = "2026-11-30T10:42:37.080500Z"
_EMAIL = "ada@example.com"
_SECRET = _VECTOR["sealed"]
_OPAQUE = f"-{'48213907' * 14}4821"
_IMPORT = "from-auth0"
_DURABLE = "billing"
_TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
_ACCESS = (
    "eyJhbGciOiJFZERTQSIsInR5cCI6ImF0K2p3dCIsImtpZCI6InM3In0"
    ".eyJpc3MiOiJkZW5pemVuIiwic3ViIjoidXNlcl8wMWtiYjJxNG04ZTV4czdjOXYzdDZ3MXowbiJ9"
    ".Hq3xVw8m2kPz5rT1yB7nCf0dLsJ4uGa9eXoMiQvN6bKjRtWcYhUpSgZlDxEaFvOnIwPmBqTrXkLsCyHuGdJzNe"
)
_IDENTITY: Json = {"provider": "google", "providerId": "108234567890123456789"}
_PROFILE: Json = {"firstName": "Ada", "lastName": "Lovelace", "locale": "en-GB", "timezone": "Europe/London"}
_LINKED: Json = _IDENTITY | {"linkedAt": _AT}
_USER: Json = {
    "id": _USER_ID,
    "externalId": "customer-4711",
    "email": _EMAIL,
    "emailVerified": True,
    "status": "ACTIVE",
    "profile": _PROFILE,
    "metadata": {"theme": "dark"},
    "appMetadata": {"plan": "pro"},
    "identities": [_LINKED],
    "passwordChangeRequired": False,
    "loginCount": None,
    "lastLoginAt": None,
    "lastLoginIp": None,
    "createdAt": _AT,
    "updatedAt": _LATER,
    "blockedAt": None,
    "blockedUntil": None,
    "version": 4,
}
_SHOWN = _USER | {"loginCount": 12, "lastLoginAt": _LATER, "lastLoginIp": "203.0.113.7"}
_CHANGED: Json = {"user": _USER, "version": 4, "position": 90321}
_GONE: Json = {"userId": _USER_ID, "position": 90322}
_OF_USER: Json = {"userId": _USER_ID}
_NEW_PASSWORD: Json = {"currentPassword": _SECRET, "newPassword": _SECRET}
_LOGIN: Json = {"time": _LATER, "outcome": "succeeded", "ip": "203.0.113.7", "userAgent": "Mozilla/5.0"}

_REQUESTS: dict[str, Json] = {
    "Authenticate": {"email": _EMAIL, "password": _SECRET, "ip": "203.0.113.7", "userAgent": "Mozilla/5.0"},
    "BlockUser": _OF_USER | {"reason": "chargeback 2026-1187", "until": "2026-12-24T18:00:00Z"},
    "ChangeEmail": _OF_USER | {"email": "ada@example.org"},
    "ChangeMyEmail": {"email": "ada@example.org", "currentPassword": _SECRET},
    "ChangeMyPassword": _NEW_PASSWORD,
    "ChangePassword": _OF_USER | _NEW_PASSWORD,
    "ConfirmPasswordReset": {"token": _SECRET, "password": _SECRET},
    "CreateUser": {
        "email": _EMAIL,
        "password": _SECRET,
        "emailVerified": True,
        "externalId": "customer-4711",
        "profile": _PROFILE,
        "metadata": {"theme": "dark"},
        "appMetadata": {"plan": "pro"},
    },
    "DeleteMe": {"currentPassword": _SECRET},
    "ExportUsers": {
        "format": "csv",
        "fields": ["id", "email", "profile", "createdAt"],
        "filter": {"status": "ACTIVE", "createdAfter": "2026-01-01T00:00:00Z"},
        "raw": False,
    },
    "ExportUsersWithHashes": {"format": "jsonl", "fields": ["id", "email", "passwordHash"]},
    "FollowEvents": {"types": ["UserBlocked", "UserDeleted"], "start": "new", "parks": True},
    "GetJwks": {},
    "GetLoginHistory": _OF_USER | {"count": 50},
    "GetMe": {},
    "GetMyLoginHistory": {"count": 50},
    "GetSealingKey": {},
    "GetUserByEmail": {"email": _EMAIL},
    "GetUserByExternalId": {"externalId": "customer-4711"},
    "GetUserHistory": _OF_USER | {"count": 100},
    "ImportStatus": {"importId": _IMPORT},
    "ImportUsers": {
        "users": [{"email": _EMAIL, "emailVerified": True, "identities": [_IDENTITY]}],
        "importId": _IMPORT,
        "chunk": 0,
        "dryRun": False,
        "onConflict": "skip",
        "withoutHashes": "unsupported",
    },
    "LinkIdentity": _OF_USER | _IDENTITY,
    "LinkMyIdentity": _IDENTITY | {"currentPassword": _SECRET},
    "ListMyIdentities": {},
    "ListMySessions": {},
    "ListUsers": {"count": 50, "status": "ACTIVE", "search": "lovelace", "sort": "-createdAt"},
    "LogOut": {},
    "RefreshSession": {"refreshToken": _SECRET},
    "Register": {"email": _EMAIL, "password": _SECRET, "profile": _PROFILE},
    "ResetPassword": _OF_USER | {"password": _SECRET, "requireChange": True},
    "RevokeMySession": {"sessionId": _SESSION_ID},
    "RevokeSession": _OF_USER | {"sessionId": _SESSION_ID},
    "SendPasswordResetEmail": {"email": _EMAIL},
    "SetParkedEvent": {
        "state": "parked",
        "position": 90321,
        "sequence": 88140,
        "tries": 5,
        "error": "ConnectionError",
        "at": _LATER,
    },
    "UndoImport": {"importId": _IMPORT, "after": 0},
    "UnlinkIdentity": _OF_USER | _IDENTITY,
    "UnlinkMyIdentity": _IDENTITY,
    "UpdateMe": {"profile": {"displayName": "Ada L."}, "metadata": {"theme": None}},
    "UpdateUser": _OF_USER | {"profile": {"displayName": "Ada L."}, "appMetadata": {"plan": "enterprise"}},
    "VerifyEmail": _OF_USER | {"code": _SECRET},
    "VerifyToken": {"token": _ACCESS},
}
"""By the name of the body."""
_REPLIES: dict[str, Json | str] = {
    "Accepted": {},
    "CommandReply": _CHANGED,
    "Deleted": _GONE,
    "ExportPiece": '{"id":"' + _USER_ID + '","email":"' + _EMAIL + '"}\n',
    "Followed": {"durable": _DURABLE},
    "IdentityList": {"data": [_LINKED]},
    "ImportProgress": {
        "importId": _IMPORT,
        "chunks": [[0, 41]],
        "created": 41987,
        "updated": 0,
        "skipped": 11,
        "failed": 2,
        "failedChunks": [7],
    },
    "ImportReply": {
        "success": 1,
        "failed": 1,
        "results": [
            {"index": 0, "status": "created", "userId": _USER_ID},
            {
                "index": 1,
                "status": "failed",
                "error": {"code": "email_taken", "message": "another user has this email", "field": "email"},
            },
        ],
    },
    "ImportUndone": {
        "importId": _IMPORT,
        "after": 90300,
        "until": 90300,
        "undone": 41950,
        "gone": 3,
        "kept": [{"userId": _USER_ID, "because": "LoginSucceeded"}],
    },
    "Jwks": {
        "keys": [
            {
                "kty": "OKP",
                "crv": "Ed25519",
                "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
                "kid": "s7",
                "use": "sig",
                "alg": "EdDSA",
            }
        ]
    },
    "LoginHistory": {"data": [_LOGIN], "nextCursor": None},
    "OpaqueCommandReply": _CHANGED | {"position": _OPAQUE},
    "OpaqueDeleted": _GONE | {"position": _OPAQUE},
    "OpaqueRegisterReply": {"user": _USER, "version": 4, "position": _OPAQUE},
    "ParkedEventSet": {},
    "RegisterReply": _CHANGED,
    "SealingKey": {"keyId": _VECTOR["keyId"], "publicKey": _VECTOR["publicKey"]},
    "SessionList": {
        "data": [
            {
                "id": _SESSION_ID,
                "createdAt": _AT,
                "refreshedAt": _LATER,
                "expiresAt": "2026-12-30T10:42:37.080500Z",
                "ip": "203.0.113.7",
                "userAgent": "Mozilla/5.0",
                "current": True,
            }
        ]
    },
    "SignedIn": {
        "accessToken": _ACCESS,
        "refreshToken": f"{_SESSION_ID}.3.5vQmXw2cTnR8bLk0yHsJ4uGa9eZoMiPdKjVtWcYhUpS",
        "expiresIn": 300,
        "sessionId": _SESSION_ID,
        "user": _USER,
    },
    "TokenFacts": {"userId": _USER_ID, "sessionId": _SESSION_ID, "expiresAt": "2026-11-30T10:47:37Z"},
    "User": _SHOWN,
    "UserHistory": {
        "data": [
            {
                "position": 90321,
                "time": _LATER,
                "type": "UserUpdated",
                "actor": "support-12",
                "commandId": _VECTOR["commandId"],
                "changes": [{"field": "appMetadata.plan", "old": None, "new": "pro"}],
                "reason": None,
            }
        ],
        "nextCursor": "90321",
    },
    "UserList": {"data": [_SHOWN], "total": 1, "totalIsEstimate": False, "nextCursor": None},
}
"""By the name of the body."""
_ERRORS: dict[str, Callable[[], Refusal]] = {
    "code_invalid": refusals.code_invalid,
    "command_not_found": refusals.row_outcome_forgotten,
    "deadline_exceeded": refusals.deadline_exceeded,
    "email_not_verified": lambda: refusals.email_not_verified(_USER_ID),
    "email_taken": lambda: refusals.taken("email"),
    "external_id_taken": lambda: refusals.taken("externalId"),
    "forbidden": lambda: refusals.sign_in_too_long_ago(10, "currentPassword"),
    "identity_not_found": refusals.identity_not_found,
    "identity_taken": lambda: refusals.taken("identity"),
    "internal": refusals.done_but_not_revoked,
    "invalid_credentials": refusals.password_wrong,
    "invalid_transition": refusals.not_blocked,
    "malformed_message": lambda: refusals.malformed("a sealed secret cannot be opened"),
    "overloaded": refusals.too_many_requests,
    "password_change_required": lambda: refusals.password_change_required(_USER_ID),
    "stale_read": lambda: refusals.projection_behind(90321, 17),
    "token_invalid": refusals.session_ended,
    "too_many_attempts": refusals.too_many_attempts,
    "unauthenticated": refusals.no_token,
    "user_blocked": refusals.user_blocked,
    "user_deactivated": refusals.user_deactivated,
    "user_not_found": refusals.user_not_found,
    "validation_failed": lambda: refusals.invalid_fields(
        [{"field": "profile.timezone", "message": "not an IANA time zone"}]
    ),
    "version_conflict": lambda: refusals.version_conflict(5),
    "weak_password": lambda: refusals.password_unchanged("newPassword"),
}
"""What the services refuse with, by code."""
_EVENTS: dict[str, Json] = {
    "UserCreated": {
        "version": 1,
        "status": "PENDING_VERIFICATION",
        "changed": ["email", "status", "profile.firstName"],
    },
    "UserUpdated": {"changed": ["profile.displayName", "appMetadata"]},
    "UserCorrected": {"changed": ["createdAt"]},
    "EmailChanged": {"changed": ["email"]},
    "EmailVerificationRequested": {"status": "PENDING_VERIFICATION"},
    "EmailVerified": {"changed": ["emailVerified", "status"]},
    "EmailUnverified": {"status": "PENDING_VERIFICATION", "changed": ["emailVerified", "status"]},
    "PasswordChanged": {"changed": ["password"], "reason": "changed"},
    "UserBlocked": {"status": "BLOCKED", "changed": ["status"]},
    "UserUnblocked": {"changed": ["status"]},
    "UserDeactivated": {"status": "DEACTIVATED", "changed": ["status"]},
    "UserReactivated": {"changed": ["status"]},
    "IdentityLinked": {"changed": ["identities"]},
    "IdentityUnlinked": {"changed": ["identities"]},
    "LoginSucceeded": {"sessionId": _SESSION_ID},
    "LoginFailed": {"reason": "invalid_credentials"},
    "SessionsRevoked": {"sessionId": _SESSION_ID},
}
"""What the events of these types have of their own."""


def request(operation: Operation) -> Json:
    """An example of a request."""
    known = header_schemas.request_headers(operation)["properties"]
    given = {
        h.COMMAND_ID: _VECTOR["commandId"],
        h.DEADLINE: "2026-11-30T09:15:12.417000Z",
        h.AUTHORIZATION: f"Bearer {_ACCESS}",
        h.MIN_POSITION: _OPAQUE if operation.kind == "self" else "90321",
        h.TRACEPARENT: _TRACE,
    }
    headers = {name: value for name, value in given.items() if name in known}
    return {"name": operation.id, "headers": headers, "payload": _REQUESTS.get(operation.request.__name__, _OF_USER)}


def reply(name: str, *, opaque: bool) -> Json:
    """An example of a reply."""
    headers = {h.POSITION: _OPAQUE if opaque else "90321"}
    if name == "ExportPiece":
        headers[h.EXPORT] = "users.v1.query.ExportUsers-4f1c2d7a9b3e60158c92d4e7"
    return {
        "name": name,
        "headers": headers,
        "payload": _REPLIES.get(name) or _REPLIES.get(name.removeprefix("Opaque"), {}),
    }


def error(code: str) -> Json:
    """An example of an error."""
    refusal = _ERRORS[code]()
    return {"name": code, "headers": refusal.headers(), "payload": refusal.body()}


def event(name: str) -> Json:
    """An example of an event."""
    event_id = "01kbb3d5-8f2a-7c11-9e0b-5a6d7c8e9f10"
    headers = {
        "ce-specversion": "1.0",
        "ce-type": f"users.v1.{name}",
        "ce-datacontenttype": "application/json",
        "ce-id": event_id,
        "ce-source": "/denizen/denizen",
        "ce-subject": _USER_ID,
        "ce-time": _LATER,
        "ce-sequence": "90321",
        h.COMMAND_ID: event_id,
        h.TRACEPARENT: _TRACE,
        h.CE_TRACEPARENT: _TRACE,
    }
    body: Json = {"userId": _USER_ID, "version": 4, "status": "ACTIVE", "changed": list[str]()} | _EVENTS.get(name, {})
    return {"name": name, "headers": headers, "payload": body}
