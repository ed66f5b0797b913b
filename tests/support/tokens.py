"""A signer of access tokens, for tests of who checks them: a key of its own, and an answer to GetJwks."""

import json
import secrets
import time
from dataclasses import dataclass, field
from typing import Any

from denizen.tokens import ALGORITHM, REGISTRY, TYPE
from joserfc import jwt
from joserfc.jwk import OKPKey
from nats.aio.client import Client
from nats.aio.msg import Msg
from typeid import TypeID


def user_id() -> str:
    return str(TypeID("user"))


def session_id() -> str:
    return str(TypeID("sess"))


def new_key() -> OKPKey:
    return OKPKey.generate_key("Ed25519", {"kid": secrets.token_hex(8), "use": "sig", "alg": ALGORITHM})


@dataclass
class Signer:
    """Signs with the last of its keys."""

    keys: list[OKPKey] = field(default_factory=lambda: [new_key()])

    @property
    def key_id(self) -> str:
        return str(self.keys[-1].kid)

    def sign(self, user: str, session: str | None = None, position: int = 1) -> str:
        """A good token of a session that began at a log position."""
        now = int(time.time())
        claims: dict[str, Any] = {
            "iss": "denizen",
            "aud": "denizen",
            "sub": user,
            "sid": session or session_id(),
            "pos": position,
            "iat": now,
            "exp": now + 300,
        }
        header = {"alg": ALGORITHM, "typ": TYPE, "kid": self.key_id}
        return jwt.encode(header, claims, self.keys[-1], registry=REGISTRY)

    async def serve(self, responder: Client) -> None:
        """Answer GetJwks as the directory does. `responder`: a connection of that NATS user."""

        async def answer(message: Msg) -> None:
            keys = [key.as_dict(private=False) for key in self.keys]
            await responder.publish(message.reply, json.dumps({"keys": keys}).encode())

        await responder.subscribe("users.v1.query.GetJwks", cb=answer)
        await responder.flush()
