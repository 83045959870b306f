"""Become another program: enter its root, take its user, promise to die with the parent, and exec it.

Run as `python -IS launch.py PARENT UID GID SIGNAL ROOT PROGRAM ARGUMENT…`. It is a program of its own because code
between fork and exec is unsafe in a process with threads. The order matters: entering a root needs the rights that
are given up next, and the kernel forgets the death signal of a process that changes its user.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def main(parent: int, uid: int, gid: int, signal: int, root: str, program: list[str]) -> None:
    """Lower this process and replace it by `program`; `root` is '' for the system's own."""
    libc = ctypes.CDLL(None)
    if root:
        os.chroot(root)
        os.chdir("/")
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    libc.prctl(PR_SET_PDEATHSIG, signal, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit("the parent died before the program started")
    os.execv(program[0], program)


if __name__ == "__main__":
    own_parent, own_uid, own_gid, death_signal = map(int, sys.argv[1:5])
    main(own_parent, own_uid, own_gid, death_signal, sys.argv[5], sys.argv[6:])
