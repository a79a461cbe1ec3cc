"""The events in the life of a process that a client has to know: fork, and the end of the interpreter."""

import atexit
import os
import sys
import weakref
from typing import Protocol


class ProcessAware(Protocol):
    """A client of threads."""

    def before_fork(self) -> None:
        """Leave no call inside gRPC, whose threads do not exist in the child."""

    def after_fork_in_parent(self) -> None:
        """Go on."""

    def after_fork_in_child(self) -> None:
        """Start afresh: without the parent's connection, thread, and events, which the parent sends."""

    def at_exit(self) -> None:
        """Flush for a bounded time."""


_clients: weakref.WeakSet[ProcessAware] = weakref.WeakSet()


def watch(client: ProcessAware) -> None:
    """Tell a client about forks and the end of the process, as long as it exists."""
    _clients.add(client)


def watch_end_of_child() -> None:
    """See to the end of a child of `multiprocessing`, which runs no functions of `atexit`."""
    multiprocessing = sys.modules.get("multiprocessing")
    if multiprocessing is not None and multiprocessing.parent_process() is not None:
        multiprocessing.util.Finalize(None, _at_exit, exitpriority=0)


def _before_fork() -> None:
    for client in list(_clients):
        client.before_fork()


def _after_fork_in_parent() -> None:
    for client in list(_clients):
        client.after_fork_in_parent()


def _after_fork_in_child() -> None:
    for client in list(_clients):
        client.after_fork_in_child()


def _at_exit() -> None:
    for client in list(_clients):
        client.at_exit()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
atexit.register(_at_exit)
