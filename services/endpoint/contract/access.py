"""Where Denizen is reached, and the NATS users that may ask for an operation (deploy/nats/accounts.conf)."""

from denizen.operations import Operation

from services.domain.values import Json

_USERS = {
    "backend": "A trusted back end: `backend-<name>`, or the shared user `backend`.",
    "frontend": "A program that faces the Internet: `frontend-<name>`, or the shared user `frontend`.",
    "browser": "A page in a browser, over WebSocket: `browser-<name>`. Each visitor can read its password.",
    "subscriber": "A service that follows the events: `subscriber-<name>`, or the shared user `subscriber`.",
    "verifier": "A service that checks access tokens: `verifier-<name>`.",
    "operator": "An operator: the user `operator`.",
}
SCHEMES: Json = {
    name: {
        "type": "userPassword",
        "description": f"{text} A NATS user and its password, sent in CONNECT. The user listens on the inbox prefix "
        "`_INBOX.<user>` alone.",
    }
    for name, text in _USERS.items()
}
SERVERS: Json = {
    "nats": {
        "host": "localhost:4222",
        "protocol": "nats",
        "description": "Plain text on this machine alone. A server for other machines demands TLS, with a certificate "
        "of the server that the client checks; clients have no certificates, and log in by user and password.",
        "security": [{"$ref": f"#/components/securitySchemes/{name}"} for name in _USERS],
    }
}
_FRONT_END_QUERIES = {
    "GetJwks": ("frontend", "subscriber", "verifier"),
    "GetSealingKey": ("frontend", "browser"),
    "VerifyToken": ("frontend",),
}
_OPERATOR_ALONE = ("ExportUsersWithHashes", "UndoImport")


def users(operation: Operation) -> tuple[str, ...]:
    """The kinds of NATS users that may ask for it."""
    if operation.name in _OPERATOR_ALONE:
        return ("operator",)
    match operation.kind:
        case "command":
            return ("backend", "operator")
        case "query":
            return ("backend", "operator", *_FRONT_END_QUERIES.get(operation.name, ()))
        case "public" | "self":
            return ("frontend", "browser", "backend")
        case "subscriber":
            return ("subscriber", "backend", "operator")
