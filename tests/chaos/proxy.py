"""A proxy in front of Postgres that ends connections: between a COMMIT and its answer, or with Postgres' own words.

It understands as much of the protocol (version 3) as that takes: messages have a type byte and a length; a COMMIT
comes as a simple Query ('Q'), or as the Execute ('E') of a portal that was bound ('B') to a statement parsed ('P') from
it; the server says that it is done with a CommandComplete ('C') whose tag is COMMIT.
"""

import asyncio
import re
import struct
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, urlsplit

SOCKET_NAME = ".s.PGSQL.5432"
PROTOCOL_3 = 3
MOST_BUFFERED_BYTES = 1024 * 1024
COMMIT = re.compile(rb"\bCOMMIT\b", re.IGNORECASE)
COMMIT_TAG = b"COMMIT\0"
GOODBYE = b"SFATAL\0VFATAL\0C57P01\0Mterminating connection due to administrator command\0\0"
"""The body of the error with which Postgres ends a connection."""
GOODBYE_PAUSE_S = 0.1
"""The time between Postgres' word and the end of the connection, a thousandth of this as a rule."""
START_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 5.0


@dataclass(slots=True)
class Cuts:
    """What the proxy has done: cuts after the commit (its answer is lost), and before it (the COMMIT is lost)."""

    after: int = 0
    before: int = 0

    @property
    def total(self) -> int:
        """All cuts."""
        return self.after + self.before


@dataclass(slots=True, eq=False)
class Session:
    """One connection: its two ends, what is prepared on it, and whether its next commit's answer is withheld."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    commit_statements: set[bytes] = field(default_factory=set)
    commit_portals: set[bytes] = field(default_factory=set)
    withholding: bool = False
    ended: bool = False

    def is_commit(self, kind: bytes, body: bytes) -> bool:
        """Note what the client prepares, and tell whether this message makes the server commit."""
        if kind == b"Q":
            return COMMIT.search(body) is not None
        if kind == b"P":
            name, _, rest = body.partition(b"\0")
            self.commit_statements.discard(name)
            if COMMIT.search(rest.partition(b"\0")[0]):
                self.commit_statements.add(name)
        elif kind == b"B":
            portal, _, rest = body.partition(b"\0")
            self.commit_portals.discard(portal)
            if rest.partition(b"\0")[0] in self.commit_statements:
                self.commit_portals.add(portal)
        return kind == b"E" and body.partition(b"\0")[0] in self.commit_portals

    def cut(self) -> None:
        """Break both ends at once, without a goodbye."""
        self.client.transport.abort()
        self.server.transport.abort()


class CommitCutter:
    """Listens on a unix socket in `folder` and passes everything on to the Postgres at `url`, until told to cut.

    Runs on a thread of its own; its methods are called from others.
    """

    def __init__(self, folder: Path, url: str) -> None:
        parts = urlsplit(url)
        self._target = str(Path(parse_qs(parts.query)["host"][0], SOCKET_NAME))
        self._folder = folder
        self.url = parts._replace(query=f"host={folder}&port=5432").geturl()
        """Where clients find the database through this proxy."""
        self.cuts = Cuts()
        self._is_due = False
        self._cuts_before = False
        self._leave_after_cut = False
        self._away = False
        self._sessions: set[Session] = set()
        self._serving: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="commit-cutter")

    def cut_next(self, *, before: bool = False, then_leave: bool = False) -> None:
        """Cut the connection of the next COMMIT.

        Args:
            before: lose the COMMIT itself on its way; else the server is done with it and its answer is lost.
            then_leave: be away from then on: no connection is left or taken.
        """
        self._cuts_before = before
        self._leave_after_cut = then_leave
        self._is_due = True

    def end_sessions(self) -> None:
        """End every connection as Postgres does, with an error first; the end itself comes a little later."""
        self._loop.call_soon_threadsafe(self._end_sessions)

    def come_back(self) -> None:
        """Take connections again."""
        self._away = False

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(START_TIMEOUT_S)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        server = await asyncio.start_unix_server(self._connected, self._folder / SOCKET_NAME, limit=MOST_BUFFERED_BYTES)
        self._ready.set()
        await self._stop.wait()
        server.close()
        for session in list(self._sessions):
            session.cut()
        if self._serving:
            await asyncio.wait(self._serving, timeout=STOP_TIMEOUT_S)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)
        if self._away:
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_unix_connection(self._target, limit=MOST_BUFFERED_BYTES)
        except OSError:  # Postgres itself is away
            writer.transport.abort()
            return
        session = Session(writer, far_writer)
        self._sessions.add(session)
        try:
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(self._pump_requests(session, reader))
                pumps.create_task(self._pump_answers(session, far_reader))
        finally:
            self._sessions.discard(session)
            session.cut()

    async def _pump_requests(self, session: Session, reader: asyncio.StreamReader) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            first = await reader.readexactly(8)
            length, code = struct.unpack("!ii", first)
            session.server.write(first + await reader.readexactly(length - 8))
            if code >> 16 != PROTOCOL_3:  # a request to cancel: nothing follows it
                return
            while True:
                kind, body = await read_message(reader)
                if session.ended:
                    continue
                if session.is_commit(kind, body) and self._is_due:
                    self._is_due = False
                    if self._cuts_before:
                        self.cuts.before += 1
                        self._cut(session)
                        return
                    session.withholding = True
                session.server.write(write_message(kind, body))
                await session.server.drain()
        session.server.close()

    async def _pump_answers(self, session: Session, reader: asyncio.StreamReader) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            while True:
                kind, body = await read_message(reader)
                if session.ended:
                    continue
                if session.withholding:
                    if kind == b"C" and body == COMMIT_TAG:
                        self.cuts.after += 1
                        self._cut(session)
                        return
                    if kind == b"Z":  # it did not commit: this is the answer to something else
                        session.cut()
                        self._is_due = True
                        return
                    continue
                session.client.write(write_message(kind, body))
                await session.client.drain()
        session.client.close()

    def _end_sessions(self) -> None:
        for session in self._sessions:
            session.ended = True
            session.client.write(write_message(b"E", GOODBYE))
            self._loop.call_later(GOODBYE_PAUSE_S, session.cut)

    def _cut(self, session: Session) -> None:
        session.cut()
        if self._leave_after_cut:
            self._away = True
            for other in list(self._sessions):
                other.cut()


async def read_message(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Read one message: its type and its body."""
    kind = await reader.readexactly(1)
    (length,) = struct.unpack("!i", await reader.readexactly(4))
    return kind, await reader.readexactly(length - 4)


def write_message(kind: bytes, body: bytes) -> bytes:
    """Write one message."""
    return kind + struct.pack("!i", len(body) + 4) + body
