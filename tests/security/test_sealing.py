"""Sealed secrets: they open in their command alone, with our key alone, and not a bit of them can be changed."""

import base64
from collections.abc import AsyncGenerator
from dataclasses import dataclass

import pytest
import pytest_asyncio
from denizen.sealing import seal
from nacl.public import PrivateKey, PublicKey, SealedBox

from services.domain.refusals import Refusal
from services.platform.database import Database
from services.platform.settings import Settings
from services.tokens.keys import ServerKeys
from services.tokens.sealing import unseal
from tests.support.log import ring, settings


@dataclass
class Service:
    """One with its keys, and what a sender knows of them."""

    keys: ServerKeys
    key_id: str
    public: bytes

    def seal(self, secret: str = "correct horse", command_id: str = "c1") -> str:
        return seal(secret, command_id, self.key_id, self.public)

    async def refuses(self, text: str, command_id: str | None = "c1") -> str:
        """The message of the refusal, which holds nothing of what was sealed."""
        with pytest.raises(Refusal) as caught:
            await unseal(text, command_id, self.keys)
        assert caught.value.code == "malformed_message"
        assert caught.value.__suppress_context__ or caught.value.__context__ is None
        assert "horse" not in str(caught.value.body())
        return caught.value.message


@pytest_asyncio.fixture
async def service(database_url: str) -> AsyncGenerator[Service]:
    database = Database(settings(database_url), "sealing")
    keys = ServerKeys(database, Settings(), ring())
    public = await keys.sealing_public()
    yield Service(keys, public.key_id, base64.urlsafe_b64decode(public.public_key + "="))
    await database.close()


@pytest.mark.parametrize(
    "secret", ["x", "correct horse", "pässwörd \U0001f40e", "sealed:k:AAAA", "hashed:$2b$…", "x" * 2800]
)
async def test_sealed_secret_opens(service: Service, secret: str) -> None:
    assert await unseal(service.seal(secret), "c1", service.keys) == secret


@pytest.mark.parametrize(
    "text", ["", "correct horse", "hashed:$2b$10$abc", "Sealed:k:AAAA", " sealed:k:AAAA", "sealed"]
)
@pytest.mark.parametrize("command_id", ["c1", None])
async def test_unsealed_secret_passes(service: Service, text: str, command_id: str | None) -> None:
    assert await unseal(text, command_id, service.keys) == text


async def test_box_of_another_command_is_refused(service: Service) -> None:
    for other in ("c2", "c", "c11", "C1", "c1\0", "c1\0correct", ""):
        assert "another command" in await service.refuses(service.seal(), other)
    assert "Nats-Msg-Id" in await service.refuses(service.seal(), None)


async def test_box_without_a_command_is_bound_to_none(service: Service) -> None:
    for content in (b"correct horse", b"c1", b"", b"c1\n" + b"correct horse"):
        box = SealedBox(PublicKey(service.public)).encrypt(content)
        await service.refuses(f"sealed:{service.key_id}:{base64.urlsafe_b64encode(box).decode().rstrip('=')}")


async def test_changed_octet_of_a_box_is_refused(service: Service) -> None:
    prefix, key_id, box = service.seal().split(":")
    octets = base64.urlsafe_b64decode(box + "=" * (-len(box) % 4))
    for index in range(len(octets)):
        changed = bytearray(octets)
        changed[index] ^= 0x80 if index != 31 else 1  # The top bit of an X25519 key is not looked at (RFC 7748).
        text = base64.urlsafe_b64encode(changed).decode().rstrip("=")
        await service.refuses(f"{prefix}:{key_id}:{text}")
    for text in (box[:-4], box + "AAAA", box[4:], "A" * 100):
        assert "cannot be opened" in await service.refuses(f"{prefix}:{key_id}:{text}")


async def test_box_for_another_key_is_refused(service: Service) -> None:
    other = bytes(PrivateKey.generate().public_key)
    assert "cannot be opened" in await service.refuses(seal("correct horse", "c1", service.key_id, other))
    for unknown in ("k1", "0" * 16, service.key_id.upper() + "X", (await service.keys.signing()).kid or ""):
        assert "not in use" in await service.refuses(seal("correct horse", "c1", unknown, service.public))


@pytest.mark.parametrize(
    "text",
    [
        "sealed:",
        "sealed::",
        "sealed:{key}",
        "sealed:{key}:",
        "sealed:{key}:AAAA",
        "sealed::{box}",
        "sealed:{key}:{box}:",
        "sealed:{key}:{box}=",
        "sealed:{key}:{box}\n",
        "sealed:{key}: {box}",
        "sealed:{key}:{box}é",
        "sealed:../{key}:{box}",
        "sealed:{key}\0:{box}",
        "sealed:' or true --:{box}",
        "sealed:{key}:{huge}",
        "sealed:{huge}:{box}",
        "sealed:sealed:{key}:{box}",
    ],
)
async def test_malformed_box_is_refused(service: Service, text: str) -> None:
    box = service.seal().split(":")[2]
    await service.refuses(text.format(key=service.key_id, box=box, huge="A" * 2**20))


async def test_sealed_value_is_checked_like_a_plain_one(service: Service) -> None:
    for secret in ("", "a\0b", "\0"):
        assert "NUL" in await service.refuses(service.seal(secret))
    not_utf8 = SealedBox(PublicKey(service.public)).encrypt(b"c1\0\xff\xfe")
    text = base64.urlsafe_b64encode(not_utf8).decode().rstrip("=")
    assert "cannot be opened" in await service.refuses(f"sealed:{service.key_id}:{text}")


async def test_retired_key_opens_boxes_on_their_way(service: Service) -> None:
    on_its_way = service.seal()
    await service.keys.rotate("sealing")
    assert (await service.keys.sealing_public()).key_id != service.key_id
    assert await unseal(on_its_way, "c1", service.keys) == "correct horse"
    await service.keys.rotate("sealing", at_once=True)
    assert "not in use" in await service.refuses(on_its_way)
