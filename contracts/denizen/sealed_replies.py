"""Replies to a NATS user of the kind `browser`, which many callers share: sealed for the request that they answer."""

from __future__ import annotations

import base64
import json
from typing import Any

from denizen import headers as h
from denizen.errors import NoAnswer
from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, SealedBox
from nats.aio.msg import Msg


class ReplyKey:
    """The key of one request."""

    def __init__(self) -> None:
        self._private = PrivateKey.generate()

    @property
    def header(self) -> str:
        """The value of `Denizen-Reply-Key`."""
        return base64.urlsafe_b64encode(bytes(self._private.public_key)).rstrip(b"=").decode()

    def opened(self, reply: Msg) -> Msg:
        """The reply with what is sealed in it in its place; a refusal may be unsealed. Raises NoAnswer."""
        if h.SEALED_REPLY not in (reply.headers or {}):
            if h.SERVICE_ERROR_CODE in (reply.headers or {}):
                return reply
            raise NoAnswer("the reply is not sealed, so others may have read it: update Denizen")
        try:
            opened: dict[str, Any] = json.loads(SealedBox(self._private).decrypt(reply.data))
        except (CryptoError, ValueError):
            raise NoAnswer("the reply cannot be opened") from None
        reply.data, reply.headers = json.dumps(opened["body"]).encode(), opened["headers"]
        return reply
