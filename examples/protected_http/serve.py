# ruff: noqa: INP001, T201 - it is a script
"""A small HTTP service for signed-in users, which refuses a user as soon as they are blocked. See README.md."""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from denizen import StaleRead, TokenInvalid, TokenVerifier
from denizen.tokens import TokenClaims

verifier = TokenVerifier()


class Handler(BaseHTTPRequestHandler):
    """GET /whoami with `Authorization: Bearer <access token>`."""

    def do_GET(self) -> None:
        if self.path != "/whoami":
            self._answer(404, {"error": "not found"})
        elif claims := self._signed_in():
            self._answer(200, {"userId": claims.user_id, "expiresAt": claims.expires_at.isoformat()})

    def _signed_in(self) -> TokenClaims | None:
        """The caller's claims; None if the request was refused (RFC 6750)."""
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        try:
            return verifier.verify(token if scheme.lower() == "bearer" else "")
        except TokenInvalid:
            self._answer(401, {"error": "sign in"}, ("WWW-Authenticate", "Bearer"))
        except StaleRead:
            self._answer(503, {"error": "try again in a moment"}, ("Retry-After", "1"))
        return None

    def _answer(self, status: int, body: dict[str, str], *headers: tuple[str, str]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        for name, value in (("Content-Type", "application/json"), ("Content-Length", str(len(data))), *headers):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)


if __name__ == "__main__":
    with verifier, ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler) as server:
        print(f"http://127.0.0.1:{server.server_port}/whoami", flush=True)
        server.serve_forever()
