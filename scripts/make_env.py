"""Prints the secrets that compose.yaml needs, freshly made: `make env` writes them to .env, once.

Needs nothing but Python. The two keys are the data: whoever loses them loses what they encrypt.
"""

import base64
import secrets
import string

NATS_USERS = ("SYSTEM", "RESPONDER", "SIGNAL", "RELAY", "REVOKER", "BACKEND", "FRONTEND", "SUBSCRIBER", "OPERATOR")


def main() -> None:
    """One setting a line, as compose reads them."""
    print(f"DENIZEN_POSTGRES_PASSWORD={_password()}")
    for user in NATS_USERS:
        print(f"DENIZEN_NATS_{user}_PASSWORD={_password()}")
    print(f"DENIZEN_KEY_ENCRYPTION_KEYS=1:{_key()}")
    print(f"DENIZEN_CLAIM_KEY={_key()}")


def _password() -> str:
    # A letter first: nats-server reads the variable as a value of its configuration's language.
    alphabet = string.ascii_letters + string.digits
    return secrets.choice(string.ascii_letters) + "".join(secrets.choice(alphabet) for _ in range(31))


def _key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


if __name__ == "__main__":
    main()
