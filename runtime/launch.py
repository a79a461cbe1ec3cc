"""Become another user where needed, ask to be stopped with the parent, then become the program.

Run as a script of its own (`python -I -S launch.py PARENT_PID SIGNAL MODE UID GID PROGRAM ARGUMENT...`): what happens
here between fork and exec is safe only in a process without threads, which the parent need not be. Imports nothing of
ours.

SIGNAL is the number of the signal that the program gets when its parent dies. MODE is one of
    plain      stay who we are.
    namespace  enter a user namespace in which UID and GID stand for us (Linux). Outside of it nothing changes: files
               stay ours, and folders that only we may enter stay open. No privilege is needed where the system allows
               user namespaces at all.
    user       give up root for UID and GID, for good.
"""

import ctypes
import os
import sys

CLONE_NEWUSER = 0x10000000
"""From linux/sched.h; Python has os.unshare only since 3.12."""
PR_SET_PDEATHSIG = 1
"""From linux/prctl.h."""
EXIT_CANNOT_LAUNCH = 125
"""The exit code with which env(1) and timeout(1) report their own failure, not the program's."""


def main() -> None:
    """Run the command line; never returns."""
    parent, number, mode, uid, gid, *command = sys.argv[1:]
    try:
        if mode == "namespace":
            enter_namespace(int(uid), int(gid))
        elif mode == "user":
            os.setgroups([])
            os.setgid(int(gid))
            os.setuid(int(uid))
        # After the change of user, which would undo it; exec keeps it.
        stop_with_parent(int(parent), int(number))
        os.umask(0o077)
        os.execv(command[0], command)  # noqa: S606 - a fixed program without a shell
    except OSError as exc:
        sys.stderr.write(f"cannot launch {command[0]} ({mode}): {exc}\n")
        sys.exit(EXIT_CANNOT_LAUNCH)


def enter_namespace(uid: int, gid: int) -> None:
    """Enter a new user namespace in which this user and group are called `uid` and `gid`.

    Raises:
        OSError: the system does not allow it.
    """
    outer_uid, outer_gid = os.geteuid(), os.getegid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWUSER) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), "user namespace")
    # The kernel wants the first line before an unprivileged process may map its group.
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {outer_uid} 1"), ("gid_map", f"{gid} {outer_gid} 1")):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:  # noqa: PTH123 - pathlib doubles the start-up time
            file.write(text)


def stop_with_parent(parent: int, number: int) -> None:
    """Have the kernel send a signal when the parent dies (Linux; elsewhere nothing happens).

    The parent's thread that started this process counts as the parent.
    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(EXIT_CANNOT_LAUNCH)  # it died before we could ask


if __name__ == "__main__":
    main()
