"""How a secret is sealed, for clients in other languages, with a known answer."""

from denizen import headers as h
from denizen.sealing import PREFIX

from services.domain.values import Json

FORMAT: Json = {
    "description": "A secret in a request is sealed for the service, so that nothing on the way can read it. The field "
    f"then holds `{PREFIX}<keyId>:<box>` instead of the secret. The box is a sealed box of libsodium (crypto_box_seal) "
    f"over the octets of the command id (the request's header {h.COMMAND_ID}), one octet of zero, and the secret in "
    "UTF-8, written in base64url without padding. It can be opened in the command with this id alone. GetSealingKey "
    "answers with `keyId` and `publicKey`: 32 octets in base64url without padding. A key can be used for 4 minutes; "
    "then ask again. An unknown key, or a box that cannot be opened, is refused with malformed_message.",
    "fields": "the fields of the format password in requests that take the header Nats-Msg-Id",
    "algorithm": "crypto_box_seal: X25519, XSalsa20-Poly1305; the nonce is BLAKE2b-192 of the ephemeral public key and "
    "the recipient's public key",
    "form": f"{PREFIX}<keyId>:<base64url(box)>",
    "boundTo": h.COMMAND_ID,
    "secretOctets": 2800,
    "keyOperation": "GetSealingKey",
    "keySeconds": 240,
    "vectors": [
        {
            "description": "Opening `sealed` by `privateKey` gives the command id, a zero octet and the secret. A "
            "sealing that takes `ephemeralPrivateKey` instead of a new one gives `sealed`.",
            "privateKey": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
            "publicKey": "j0DFrbaPJWJK5bIU6nZ6bslNgp09e14a0bpvPiE4KF8",
            "ephemeralPrivateKey": "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8",
            "keyId": "k1",
            "commandId": "0190f2a4c1d27000a1b2c3d4e5f60718",
            "secret": "correct horse battery \u00fc",
            "sealed": "sealed:k1:NYBy1jZYgNGu6jKa35EhODhR7SGijjt16WXQ0s0WYlRyV9-1vqjLwG1Yk_hPTcIitW7prrboTVq2e61C9TEEM1"
            "-o9gwl5TS9yXvLHFY1vasz2v9P73X4EXn6au87h79-a4M9dd3KU0TM",
        }
    ],
}
