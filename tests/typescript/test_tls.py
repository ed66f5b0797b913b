"""The TypeScript client and the certificate of NATS."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts import node
from services.embedded.home import Home
from tests.support.servers import running
from tests.support.tls import TlsNats, make_certificates


@pytest.fixture(scope="module", params=["127.0.0.1", "localhost"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int, Path]]:
    """The one name in the certificate of a NATS with TLS; its port; the certificate of the authority."""
    name: str = request.param
    folder = tmp_path_factory.mktemp("tls")
    certificates = make_certificates(folder / "certificates", name)
    home = Home(folder / "home")
    home.create()
    server = TlsNats(home, certificates)
    with running(server, home.path / "log" / "nats.log"):
        yield name, server.port, certificates / "ca.pem"


def outcome(built: Path, address: str, **variables: str) -> str:
    """`connected`, or the code of the client's error."""
    inherited = {name: value for name, value in node.environment().items() if not name.startswith("DENIZEN_")}
    environment = {**inherited, "DENIZEN_NATS_URL": address, **variables}
    command = ["node", built / "programs" / "connect.js"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout.strip() or done.stderr


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_certificate_counts_for_the_host_that_it_names(host: str, served: tuple[str, int, Path], built: Path) -> None:
    name, port, authority = served
    expected = "connected" if host == name else "tls_failed"
    assert outcome(built, f"tls://{host}:{port}", DENIZEN_NATS_CA=str(authority)) == expected


def test_certificate_of_an_unknown_authority_is_refused(served: tuple[str, int, Path], built: Path) -> None:
    name, port, _ = served
    assert outcome(built, f"tls://{name}:{port}") == "tls_failed"
