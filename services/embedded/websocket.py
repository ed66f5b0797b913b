"""The WebSocket listener of the embedded NATS, by which pages in browsers talk to Denizen."""

import json
from dataclasses import dataclass
from pathlib import Path

from services.embedded.program import free_port, is_taken
from services.platform import urls
from services.platform.settings import Settings
from services.platform.startup import CannotStart


@dataclass(frozen=True, slots=True)
class WebSocket:
    """Where the listener is, which pages it takes, and its certificate.

    Attributes:
        origins: those of the pages, such as `https://app.example.com`.
        certificate: PEM files of the certificate and its key; None: without TLS, on loopback alone.
    """

    host: str
    port: int
    origins: tuple[str, ...]
    certificate: tuple[Path, Path] | None

    @classmethod
    def of(cls, settings: Settings) -> "WebSocket | None":
        """That of the settings; None where they name no origins. Raises CannotStart."""
        if settings.nats_websocket_origins is None:
            return None
        host, port = urls.listen(settings.nats_websocket)
        files = (settings.nats_websocket_cert, settings.nats_websocket_key)
        certificate = None
        if files[0] is not None and files[1] is not None:
            certificate = files[0].resolve(), files[1].resolve()
            for file in certificate:
                if not file.is_file():
                    raise CannotStart(f"the WebSocket listener has no certificate: {file} is not there")
        elif not urls.is_loopback(host):
            raise CannotStart(
                f"DENIZEN_NATS_WEBSOCKET: browsers would send passwords to {host}:{port} without TLS. Set "
                "DENIZEN_NATS_WEBSOCKET_CERT and DENIZEN_NATS_WEBSOCKET_KEY, or listen on 127.0.0.1"
            )
        if port == 0:
            port = free_port()
        elif is_taken(port):
            raise CannotStart(
                f"port {port} of the WebSocket listener is taken by another program; "
                "set DENIZEN_NATS_WEBSOCKET to another one (port 0: any)"
            )
        return cls(host, port, urls.origins(settings.nats_websocket_origins), certificate)

    @property
    def url(self) -> str:
        """The address for pages of this machine's browsers."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'wss' if self.certificate else 'ws'}://{host}:{self.port}"

    def configuration(self) -> str:
        """The block in the language of nats-server."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        tls = "no_tls: true"
        if self.certificate is not None:
            cert, key = (_quoted(str(file)) for file in self.certificate)
            tls = f"tls {{ cert_file: {cert}, key_file: {key} }}"
        origins = ", ".join(_quoted(each) for each in self.origins)
        return (
            f"websocket {{\n  listen: {_quoted(f'{host}:{self.port}')}\n  allowed_origins: [ {origins} ]\n  {tls}\n}}\n"
        )


def _quoted(text: str) -> str:
    # nats-server does not know \u00fc.
    return json.dumps(text, ensure_ascii=False)
