"""Becomes another program that does not outlive its parent.

    launch.py PARENT_PID DEATH_SIGNAL UID|- DIRECTORY COMMAND…

A program of its own, and not a function that runs between fork and exec, because the supervisor has threads.
"""

import ctypes
import os
import pwd
import sys
from pathlib import Path

# linux/prctl.h, linux/capability.h
_PR_SET_PDEATHSIG, _PR_SET_KEEPCAPS, _PR_CAPBSET_READ, _PR_SET_SECUREBITS = 1, 8, 23, 28
_SECBIT_NO_SETUID_FIXUP = 1 << 2
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE = 47, 2
_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH = 1, 2
_CAPABILITY_VERSION_3 = 0x20080522


def main() -> None:
    parent, death_signal, user, directory, *command = sys.argv[1:]
    os.chdir(directory)
    libc = ctypes.CDLL(None, use_errno=True)
    if user != "-":
        _become(libc, int(user), Path(command[0]), Path(directory))
    if sys.platform == "linux":
        libc.prctl(_PR_SET_PDEATHSIG, int(death_signal))  # last: a change of user clears it
    if os.getppid() != int(parent):
        sys.exit(1)  # it died before we asked to be told
    os.execv(command[0], command)  # noqa: S606


def _become(libc: ctypes.CDLL, uid: int, program: Path, directory: Path) -> None:
    """Change from root to a user who may do nothing but, where it must, pass through private directories.

    A home or a virtual environment below /root (mode 0700) is out of that user's reach; rather than open /root to all,
    give this one process the capability to search and read, or, where the container's root lacks that, to override.
    """
    capability = None
    if not _is_open(program, directory):
        held = [cap for cap in (_CAP_DAC_READ_SEARCH, _CAP_DAC_OVERRIDE) if libc.prctl(_PR_CAPBSET_READ, cap) == 1]
        capability = held[0] if held else None
    libc.prctl(_PR_SET_KEEPCAPS, 1)
    if capability is not None:
        # Otherwise access(2), by which initdb looks for its programs, ignores the capability. The bit outlives exec.
        libc.prctl(_PR_SET_SECUREBITS, _SECBIT_NO_SETUID_FIXUP)
    group = _group(uid, directory)
    os.setgroups([])
    os.setresgid(group, group, group)
    os.setresuid(uid, uid, uid)
    if capability is not None:
        mask = 1 << capability
        header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
        sets = (ctypes.c_uint32 * 6)(mask, mask, mask, 0, 0, 0)  # effective, permitted, inheritable; low words first
        if libc.capset(header, sets) != 0 or libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, capability, 0, 0) != 0:
            sys.exit(f"launch: {os.strerror(ctypes.get_errno())}: move the directory out of a private one")


def _group(uid: int, directory: Path) -> int:
    """The user's group; of a user whom /etc/passwd does not list, the one of their directory."""
    try:
        return pwd.getpwuid(uid).pw_gid
    except KeyError:
        return directory.stat().st_gid


def _is_open(program: Path, directory: Path) -> bool:
    """Whether every user may pass to both and run the program; the directory itself is the user's own."""
    return all(path.stat().st_mode & 0o001 for path in (program, *program.parents, *directory.parents))


if __name__ == "__main__":
    main()
