"""A program that computes argon2id digests by libsodium, and its other end.

libsodium maps and unmaps the memory of each hash. Two threads of one process wait for each other over that (3 ms of the
15 that a hash takes); two processes do not (docs/decisions/0020-logins-in-windows.md). The program imports nothing of
ours. It ends when its other end is gone.
"""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from struct import Struct

from nacl import pwhash
from nacl.exceptions import CryptoError

_REQUEST = Struct("<IIII16s")
"""KiB of memory, passes, octets of the digest, octets of the password, the salt; the password follows."""
_DONE, _FAILED = b"+", b"-"
_NICE = 10
"""Priority (setpriority(2)): a flood of logins must not take the processor from queries."""


class DigestFailed(Exception):
    """The digest cannot be computed, for want of memory; or the program died."""


def digest(password: bytes, salt: bytes, *, memory: int, passes: int, octets: int) -> bytes:
    """Here and now, without the GIL. `memory` is in KiB; the salt has 16 octets. Raises DigestFailed."""
    try:
        return pwhash.argon2id.kdf(octets, password, salt, opslimit=passes, memlimit=1024 * memory)
    except CryptoError:
        raise DigestFailed from None


class Digests:
    """The program, for one thread. It is started when it is first needed, at a low priority."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def digest(self, password: bytes, salt: bytes, *, memory: int, passes: int, octets: int) -> bytes:
        """As `digest`. A program that has died is started again, once."""
        asked = _REQUEST.pack(memory, passes, octets, len(password), salt) + password
        for _ in range(2):
            answer = self._ask(asked, octets)
            if len(answer) == 1 + octets:
                return answer[1:]
            if answer == _FAILED:
                break
            self.close()
        raise DigestFailed

    def _ask(self, asked: bytes, octets: int) -> bytes:
        """Its answer; less than that where it died."""
        if self._process is None:
            arguments = [sys.executable, "-I", __file__]
            self._process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdin
        assert self._process.stdout
        with suppress(BrokenPipeError):
            self._process.stdin.write(asked)
            self._process.stdin.flush()
            said = self._process.stdout.read(1)
            return said + self._process.stdout.read(octets) if said == _DONE else said
        return b""

    def close(self) -> None:
        """End it; returns when it has ended."""
        if self._process is not None:
            with suppress(BrokenPipeError):
                self._process.communicate()
            self._process = None


def main() -> None:
    """Answer until the end of the input. A signal to the process group is for the other end, which may still ask."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    # A lower priority stays: raising it takes a privilege.
    os.setpriority(os.PRIO_PROCESS, 0, max(_NICE, os.getpriority(os.PRIO_PROCESS, 0)))
    read, write = sys.stdin.buffer.read, sys.stdout.buffer
    while len(head := read(_REQUEST.size)) == _REQUEST.size:
        memory, passes, octets, length, salt = _REQUEST.unpack(head)
        try:
            write.write(_DONE + digest(read(length), salt, memory=memory, passes=passes, octets=octets))
        except DigestFailed:
            write.write(_FAILED)
        write.flush()


if __name__ == "__main__":
    main()
