"""Fingerprints of requests: a command under a used id is a repeat only if it asks for the same.

A fingerprint covers the operation and the body, whatever the order of its keys, with sealed secrets opened: clients
seal them again for each try. It does not cover conditions and provenance (`Denizen-Expected-Version`, deadline, actor,
trace): a caller that lost the answer may know another version by then, and still asks for the same
(IETF draft-ietf-httpapi-idempotency-key-header, section 2.4). It is an HMAC under the claim key, because a bare hash
would let a reader of the table try passwords (docs/decisions/0025).
"""

from collections.abc import Mapping
from typing import Any

import orjson
from denizen.operations import OPERATIONS
from pydantic import SecretStr

from services.accounts.tools import Tools
from services.endpoint.call import Call
from services.eventstore.keys.data_keys import KeyRing

_UNREAD = "accessToken"
"""The secret of LinkIdentity, which is taken and never opened."""
_SECRETS: Mapping[str, frozenset[str]] = {
    operation.id: frozenset(operation.request.secrets() - {_UNREAD}) for operation in OPERATIONS.values()
}
"""By operation: the fields of its body that hold secrets."""


async def fingerprint(tools: Tools, call: Call) -> bytes | None:
    """32 octets; None where the caller gave no command id. Raises Refusal where a secret cannot be opened."""
    if call.body is None:
        return None
    given = [field for field in _SECRETS[call.operation.id] if isinstance(call.body.get(field), str)]
    opened = {field: await tools.opened(SecretStr(call.body[field]), call) for field in given}
    return without_secrets(tools.ring, call, opened)


def without_secrets(ring: KeyRing, call: Call, opened: Mapping[str, Any] | None = None) -> bytes | None:
    """As `fingerprint`, of a body without secrets, or with those that are `opened`."""
    if call.body is None:
        return None
    body: Mapping[str, Any] = {**call.body, **opened} if opened else call.body
    if _UNREAD in body:
        body = {name: value for name, value in body.items() if name != _UNREAD}
    return ring.digest(f"request/{call.operation.id}", orjson.dumps(body, option=orjson.OPT_SORT_KEYS))
