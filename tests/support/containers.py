"""PostgreSQL and NATS in containers, on the images that compose.yaml names."""

import re
import secrets
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import LogMessageWaitStrategy

from tests.support.servers import REPOSITORY

_NATS_CONFIG = """\
listen: 0.0.0.0:4222
jetstream { store_dir: /data, sync_interval: always }
no_auth_user: backend
include accounts.conf
"""


@dataclass(frozen=True)
class Postgres:
    """A PostgreSQL in a container."""

    url: str


@dataclass
class Nats:
    """A NATS in a container."""

    port: int
    passwords: dict[str, str]

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"


def engine_answers() -> bool:
    """Is there a Docker engine to talk to?"""
    try:
        return subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


@contextmanager
def postgres() -> Generator[Postgres]:
    """A PostgreSQL from its start to its end."""
    password = secrets.token_hex(16)
    container = (
        DockerContainer(_image("postgres"))
        .with_env("POSTGRES_USER", "denizen")
        .with_env("POSTGRES_PASSWORD", password)
        .with_exposed_ports(5432)
        .waiting_for(LogMessageWaitStrategy("listening on IPv4 address"))
    )
    with container:
        yield Postgres(f"postgresql://denizen:{password}@127.0.0.1:{container.get_exposed_port(5432)}/denizen")


@contextmanager
def nats(directory: Path) -> Generator[Nats]:
    """A NATS with the accounts of production, but without TLS; its configuration is written to `directory`."""
    config = directory / "nats-container"
    config.mkdir()
    accounts = (REPOSITORY / "deploy/nats/accounts.conf").read_text("utf-8")
    (config / "accounts.conf").write_text(accounts, "utf-8")
    (config / "server.conf").write_text(_NATS_CONFIG, "utf-8")
    users = re.findall(r"\$DENIZEN_NATS_([A-Z]+)_PASSWORD", accounts)
    passwords = {user.lower(): f"k{secrets.token_hex(16)}" for user in users}
    container = (
        DockerContainer(_image("nats"))
        .with_command("--config /etc/denizen/server.conf")
        .with_volume_mapping(str(config), "/etc/denizen", "ro")
        .with_exposed_ports(4222)
        .waiting_for(LogMessageWaitStrategy("Server is ready"))
    )
    for user, password in passwords.items():
        container.with_env(f"DENIZEN_NATS_{user.upper()}_PASSWORD", password)
    with container:
        yield Nats(int(container.get_exposed_port(4222)), passwords)


def _image(name: str) -> str:
    """The image and its version, as compose.yaml has them."""
    found = re.search(rf"^ +image: ({name}:\S+)$", (REPOSITORY / "compose.yaml").read_text("utf-8"), re.MULTILINE)
    assert found, name
    return found[1]
