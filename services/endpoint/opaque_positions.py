"""Log positions as front ends and users see them: encrypted, because a number that grows shows what others do.

An opaque position is a minus sign and 116 digits: a secret box (XSalsa20-Poly1305, a fresh random nonce) over eight
octets, as one whole number. Equal positions do not look equal, all are of one length, and the Python client of earlier
versions, which reads a position as a number and keeps the largest, reads it and passes over it (decision 26).
"""

import re

from denizen import headers as h
from nacl.exceptions import CryptoError
from nacl.secret import SecretBox

from services.domain import refusals
from services.endpoint.call import Call
from services.eventstore.keys.data_keys import KeyRing

_OCTETS = SecretBox.NONCE_SIZE + SecretBox.MACBYTES + 8
_FORM = re.compile(h.OPAQUE_POSITION_FORM)
_DIGITS = 116


class Positions:
    """The opaque positions of one cell: every service that holds the key ring opens those of the others."""

    def __init__(self, ring: KeyRing, cell: str) -> None:
        self._box = SecretBox(ring.claim("position", cell))

    def sealed(self, position: int) -> str:
        """A position that only the services can read; another text each time."""
        return f"-{int.from_bytes(self._box.encrypt(position.to_bytes(8))):0{_DIGITS}d}"

    def opened(self, text: str, field: str) -> int:
        """The position that `sealed` hid. Raises Refusal (`validation_failed`), naming the field or header."""
        try:
            if not _FORM.fullmatch(text):
                raise ValueError(text)
            return int.from_bytes(self._box.decrypt(int(text[1:]).to_bytes(_OCTETS)))
        except (CryptoError, ValueError, OverflowError):
            raise refusals.invalid("not a position that this service gave out", field) from None

    def introduce(self, call: Call) -> None:
        """Prepare a call to name positions as its caller may see them. Raises Refusal."""
        if call.is_opaque:
            call.seal = self.sealed
        if call.opaque_position is not None:
            call.min_position = self.opened(call.opaque_position, h.MIN_POSITION)
