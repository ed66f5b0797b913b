"""Stands for the child that tests/support/forked.py forks: `python -I -S forked_client.py SOCKET ARGUMENT…`.

A program of its own that imports next to nothing, as each test that runs `denizen` starts it.
"""

import os
import signal
import socket
import sys


def main() -> None:
    path, *arguments = sys.argv[1:]
    forker = socket.socket(socket.AF_UNIX)
    forker.connect(path)
    variables = [b"%s=%s" % variable for variable in os.environb.items()]
    words = [os.fsencode(word) for word in arguments]
    request = b"\0".join([os.getcwdb(), str(len(words)).encode(), *words, *variables])  # noqa: PTH109 - pathlib is slow
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: forker.send(bytes([number])))
    socket.send_fds(forker, [len(request).to_bytes(8)], [0, 1, 2])
    forker.sendall(request)
    for stream in (0, 1, 2):
        os.close(stream)
    answer = forker.recv(2)
    if not answer:
        os._exit(70)  # The process that forks was killed.
    code = int.from_bytes(answer, signed=True)
    if code < 0:
        if code != -signal.SIGKILL:
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


main()
