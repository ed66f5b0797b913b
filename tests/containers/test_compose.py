"""compose.yaml as it stands: up, a conversation over TLS, each container restarted, down, and up again."""

import json
import os
import secrets
import shutil
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from denizen import Client, Event

from services.platform.environment import SECRETS, is_secret
from tests.support.containers import engine_answers
from tests.support.servers import REPOSITORY, eventually

SERVICES = ["accounts", "directory", "transfer", "projector", "relay", "mailer"]


class Compose:
    """A project of its own name, with secrets, volumes and ports of its own."""

    def __init__(self, directory: Path) -> None:
        made = subprocess.run(
            [sys.executable, "-m", "scripts.make_env"], cwd=REPOSITORY, capture_output=True, text=True, check=True
        )
        self.secrets = dict(line.split("=", 1) for line in made.stdout.splitlines() if "=" in line)
        self.port = _free_port()
        self._directory = directory
        self._project = f"denizen{secrets.token_hex(4)}"
        self._command = ["docker", "compose"] if _has_plugin() else ["docker-compose"]
        self._environment = (
            os.environ
            | self.secrets
            | {
                "DENIZEN_NATS_PORT": str(self.port),
                "DENIZEN_MAIL_PORT": str(_free_port()),
                "DOCKER_BUILDKIT": "0",
            }
        )

    def __call__(self, *arguments: str) -> str:
        """Run a command of compose; what it prints."""
        done = subprocess.run(
            [*self._command, "-p", self._project, *arguments],
            cwd=REPOSITORY,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def client(self) -> Client:
        """A back end on this machine, as docs/how-to/deploy.md has it."""
        container = self("ps", "-q", "nats").strip()
        authority = self._directory / "ca.pem"
        subprocess.run(
            ["docker", "cp", f"{container}:/certificates/ca.pem", authority], check=True, capture_output=True
        )
        return Client(
            f"tls://localhost:{self.port}",
            user="backend",
            password=self.secrets["DENIZEN_NATS_BACKEND_PASSWORD"],
            tls=ssl.create_default_context(cafile=authority),
            timeout=60,
        )

    def starts(self, service: str) -> int:
        """How often it has said that it is ready."""
        return self("logs", "--no-color", service).count('"event":"ready"')

    def admin(self, *command: str, mounted: Path | None = None) -> subprocess.CompletedProcess[str]:
        """A command of the operator in a container of its own, as docs/how-to/deploy.md has it."""
        volume = [] if mounted is None else ["-v", f"{mounted}:/data:ro"]
        run = ["--profile", "admin", "run", "--rm", "-T", *volume, "admin", *command]
        return subprocess.run(
            [*self._command, "-p", self._project, *run],
            cwd=REPOSITORY,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def inspect(self, service: str) -> Any:
        """What the engine knows of the container of a service."""
        container = self("ps", "-a", "-q", service).strip()
        return json.loads(subprocess.run(["docker", "inspect", container], check=True, capture_output=True).stdout)[0]

    def exit_codes(self) -> dict[str, int]:
        """Of the services' containers, which have ended."""
        codes: dict[str, int] = {}
        for service in SERVICES:
            codes[service] = self.inspect(service)["State"]["ExitCode"]
        return codes


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def _has_plugin() -> bool:
    return subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode == 0


@pytest.fixture
def compose(tmp_path: Path) -> Iterator[Compose]:
    if not engine_answers() or not (_has_plugin() or shutil.which("docker-compose")):
        pytest.skip("no Docker engine answers, or compose is missing")
    project = Compose(tmp_path)
    try:
        project("up", "-d", "--build")
        yield project
    finally:
        project("down", "--volumes")


# nats-py leaves the streams of connections that broke in the middle to the collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_compose_serves_restarts_and_comes_up_again(compose: Compose) -> None:
    with compose.client() as client:
        user = client.auth.users.create(email="ada@example.com", idempotency_key="first")
        client.auth.users.send_verification_email(user.id)
        eventually(lambda: '"event":"sent"' in compose("logs", "--no-color", "mailer"), 30, "mailpit took the mail")
        blocked = threading.Event()

        def handle(event: Event) -> None:
            if event.user_id == user.id:
                blocked.set()

        client.auth.events.subscribe("UserBlocked", durable="billing", handler=handle)
        client.auth.users.block(user.id)
        assert blocked.wait(30)
        assert client.auth.users.get_by_email("ADA@example.com").status == "BLOCKED"
        for container in ("postgres", "nats", *SERVICES):
            starts = compose.starts(container)
            compose("restart", container)
            if container in SERVICES:
                # Until it listens for signals: as process 1 it is deaf to them before.
                eventually(lambda container=container, starts=starts: compose.starts(container) > starts, 60, container)
            assert client.auth.users.get(user.id).status == "BLOCKED"
            assert client.auth.users.create(email="ada@example.com", idempotency_key="first").id == user.id
        client.auth.users.unblock(user.id)

    compose("stop", *SERVICES)
    assert compose.exit_codes() == dict.fromkeys(SERVICES, 0)
    compose("down")
    compose("up", "-d")
    with compose.client() as client:
        assert client.auth.users.get(user.id).status == "PENDING_VERIFICATION"


def test_every_connection_needs_tls_and_a_name(compose: Compose) -> None:
    with socket.create_connection(("127.0.0.1", compose.port), timeout=5) as plain:
        greeting = plain.recv(4096)
        assert b'"tls_required":true' in greeting
        assert b'"auth_required":true' in greeting


def test_container_has_its_own_variables_and_no_capabilities(compose: Compose) -> None:
    for service in ("migrate", *SERVICES):
        variables = [line.partition("=")[0] for line in compose.inspect(service)["Config"]["Env"]]
        settings = {name.removeprefix("DENIZEN_").lower() for name in variables if name.startswith("DENIZEN_")}
        # The composition has no replica to read from.
        needed = set(SECRETS[service]) - {"read_database_url"}
        assert {setting for setting in settings if is_secret(setting)} == needed, service
    for service in ("postgres", "nats", "mailpit", "certificates", "migrate", *SERVICES):
        host = compose.inspect(service)["HostConfig"]
        assert host["CapDrop"] == ["ALL"], service
        assert bool(host["CapAdd"]) == (service in ("postgres", "certificates")), service
        assert host["ReadonlyRootfs"], service
        assert [option.partition(":")[0] for option in host["SecurityOpt"]] == ["no-new-privileges"], service
    for service in ("postgres", "nats", *SERVICES):
        secrets_of_owner = [compose.secrets["DENIZEN_POSTGRES_PASSWORD"]]
        environment = " ".join(compose.inspect(service)["Config"]["Env"])
        assert (secrets_of_owner[0] in environment) == (service == "postgres"), service


def test_operator_commands_work_in_a_container(compose: Compose, tmp_path: Path) -> None:
    def well() -> bool:
        return compose.admin("doctor").returncode == 0

    eventually(well, 60, "the doctor finds all well")
    rows = [{"email": f"user{number}@example.com", "emailVerified": True} for number in range(3)]
    (tmp_path / "users.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    tmp_path.chmod(0o755)
    imported = compose.admin("import", "/data/users.jsonl", "--json", mounted=tmp_path)
    assert imported.returncode == 0, imported.stderr
    exported = compose.admin("export", "--fields", "id,email")
    assert exported.returncode == 0, exported.stderr
    users = [json.loads(line) for line in exported.stdout.splitlines()]
    assert sorted(user["email"] for user in users) == [row["email"] for row in rows]

    with compose.client() as client:
        client.auth.users.delete(users[0]["id"])
    erased = compose.admin("erasure", "verify", users[0]["id"])
    assert erased.returncode == 0, erased.stdout + erased.stderr
    for command in (
        ["keys", "rotate-sealing"],
        ["keys", "rotate-signing"],
        ["log", "verify"],
        ["projections", "rebuild"],
        ["users", "list"],
    ):
        done = compose.admin(*command)
        assert done.returncode == 0, done.stdout + done.stderr
    # Keys in the environment: the command says what comes first.
    rotated = compose.admin("keys", "rotate")
    assert rotated.returncode == 1
    assert "DENIZEN_KEY_ENCRYPTION_KEYS" in rotated.stderr

    compose("pause", "relay")
    try:

        def hangs() -> bool:
            found = json.loads(compose.admin("doctor", "--json").stdout)["checks"]
            # "services": the relay's own operations have no answer.
            return [each["check"] for each in found if not each["ok"]] == ["services", "relay"]

        eventually(hangs, 60, "the doctor finds the relay frozen")
    finally:
        compose("unpause", "relay")
