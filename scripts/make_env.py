"""Prints the secrets that compose.yaml needs and a file lacks, freshly made: `make env` appends them to .env.

Needs nothing but Python. The two keys are the data: an operator who loses them loses what they encrypt. Where a Docker
engine has an image of PostgreSQL that was built without TLS, it turns TLS off for that.

    python -m scripts.make_env [FILE]
"""

import base64
import secrets
import string
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

SERVICES = ("ACCOUNTS", "DIRECTORY", "TRANSFER", "PROJECTOR", "RELAY", "MAILER")
"""Each logs in to PostgreSQL by itself; DENIZEN_POSTGRES_PASSWORD is the owner's."""
NATS_USERS = (
    *("SYSTEM", "RESPONDER", "REGISTRAR", "SIGNAL", "RELAY", "REVOKER"),
    *("BACKEND", "FRONTEND", "SUBSCRIBER", "OPERATOR"),
)


def main(known: Sequence[str]) -> None:
    """One setting a line, as compose reads them; those that are `known` are left out."""
    for name, make in _secrets().items():
        if name not in known:
            print(f"{name}={make()}")
    if "DENIZEN_POSTGRES_SSL" not in known and _postgres_lacks_tls():
        print("DENIZEN_POSTGRES_SSL=off\nDENIZEN_POSTGRES_SSLMODE=disable")


def _secrets() -> dict[str, Callable[[], str]]:
    return {
        "DENIZEN_POSTGRES_PASSWORD": _password,
        **{f"DENIZEN_POSTGRES_{service}_PASSWORD": _password for service in SERVICES},
        **{f"DENIZEN_NATS_{user}_PASSWORD": _password for user in NATS_USERS},
        "DENIZEN_KEY_ENCRYPTION_KEYS": lambda: f"1:{_key()}",
        "DENIZEN_CLAIM_KEY": _key,
    }


def _postgres_lacks_tls() -> bool:
    """Whether the image `postgres:18` of this engine is one that was built without TLS; the official one has it."""
    probe = ["docker", "run", "--rm", "--network=none", "--entrypoint=pg_config", "postgres:18", "--configure"]
    present = ["docker", "image", "inspect", "postgres:18"]
    try:
        if subprocess.run(present, capture_output=True, check=False).returncode != 0:
            return False
        found = subprocess.run(probe, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return False
    return found.returncode == 0 and "openssl" not in found.stdout


def _password() -> str:
    # A letter first: nats-server reads the variable as a value of its configuration's language.
    alphabet = string.ascii_letters + string.digits
    return secrets.choice(string.ascii_letters) + "".join(secrets.choice(alphabet) for _ in range(31))


def _key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


def _names(path: Path) -> list[str]:
    text = path.read_text("utf-8") if path.exists() else ""
    if text and not text.endswith("\n"):
        print()
    return [line.partition("=")[0].strip() for line in text.splitlines()]


if __name__ == "__main__":
    main(_names(Path(sys.argv[1])) if len(sys.argv) > 1 else [])
