"""Opens the secrets in requests that were sealed for us."""

import base64
import re

from denizen.sealing import PREFIX
from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, SealedBox

from services.domain import refusals
from services.tokens.keys import ServerKeys

_FORM = re.compile(r"sealed:([A-Za-z0-9_-]{1,64}):([A-Za-z0-9_-]{64,4096})")


async def unseal(text: str, command_id: str | None, keys: ServerKeys) -> str:
    """The secret that a field holds: `text` itself where it is not sealed.

    `command_id` is the command's `Nats-Msg-Id`. What was sealed is not taken for sealed again. Raises Refusal
    (`malformed_message`) where it cannot be opened, or was sealed for another command; DatabaseUnavailable.
    """
    if not text.startswith(PREFIX):
        return text
    form = _FORM.fullmatch(text)
    if form is None:
        raise refusals.malformed("a sealed secret is sealed:<keyId>:<base64url>")
    if command_id is None:
        raise refusals.malformed("a command with a sealed secret needs the Nats-Msg-Id that it was sealed for")
    key = await keys.sealing(form[1])
    if key is None:
        raise refusals.malformed("a secret is sealed for a key that is not in use: ask GetSealingKey again")
    return opened(key, form[2], command_id)


def opened(key: PrivateKey, box: str, command_id: str) -> str:
    """The secret in a box. Raises Refusal (`malformed_message`)."""
    bound_to = f"{command_id}\0"
    try:
        text = SealedBox(key).decrypt(base64.urlsafe_b64decode(box + "=" * (-len(box) % 4))).decode()
    except (CryptoError, ValueError):
        raise refusals.malformed("a sealed secret cannot be opened") from None
    if not text.startswith(bound_to):
        raise refusals.malformed("a secret is sealed for another command")
    secret = text.removeprefix(bound_to)
    # What the door checks of every other text: it could not see this one.
    if not secret or "\0" in secret:
        raise refusals.malformed("a sealed secret is empty or holds NUL")
    return secret
