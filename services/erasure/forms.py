"""The forms in which a user's id can be written down."""

from dataclasses import dataclass

from typeid import TypeID


@dataclass(frozen=True, slots=True)
class Forms:
    """Of one id: in text (in lower case), and in the octets of a file."""

    user_id: str
    texts: tuple[str, ...]
    octets: tuple[bytes, ...]

    @classmethod
    def of(cls, user_id: str) -> "Forms":
        """As it is, as the UUID that it is made of, and either as PostgreSQL shows it in a bytea."""
        uuid = TypeID.from_string(user_id).uuid
        texts = (user_id, str(uuid), uuid.hex, user_id.encode().hex())
        wide = user_id.encode("utf-16-le"), user_id.encode("utf-16-be")
        return cls(user_id, texts, (*(text.encode() for text in texts), uuid.bytes, *wide))

    def are_in(self, octets: bytes) -> bool:
        """Whether one of them is in there."""
        return any(form in octets for form in self.octets)

    @property
    def patterns(self) -> list[str]:
        """For SQL's LIKE; `_`, which is any character there, is in all ids alike and is looked for as it is."""
        return [f"%{text.replace('_', chr(92) + '_')}%" for text in self.texts]
