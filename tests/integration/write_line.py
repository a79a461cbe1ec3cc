"""The line between a writer and Postgres: a proxy that can be cut at a chosen moment of a transaction, or be dead.

It understands as much of the protocol (version 3) as that takes. Runs on the loop of its test.
"""

import asyncio
import struct
from collections import Counter, deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

SOCKET_NAME = ".s.PGSQL.5432"
PROTOCOL_3 = 3
_ENDS = (b"COMMIT;\0", b"ROLLBACK;\0")
_BEGIN = b"BEGIN"
_WRITES = b"INSERT INTO"
"""What a statement holds that is a transaction of its own, where none has begun."""
LATE_S = 0.03
"""How long a late COMMIT is under way: until the next attempt at the same batch has begun."""
SETTLE_TIMEOUT_S = 10.0


class Moment(Enum):
    """Where a connection is cut."""

    ASKED = "before the ledger is asked"
    BEGUN = "before the transaction"
    CLAIMED = "after the claim"
    COMMIT_LOST = "before COMMIT is sent"
    COMMIT_LATE = "before COMMIT arrives: it does, when its sender is gone already"
    COMMIT_UNANSWERED = "after COMMIT, before its answer"


_COMMITS = (Moment.COMMIT_LOST, Moment.COMMIT_LATE, Moment.COMMIT_UNANSWERED)


@dataclass(frozen=True, slots=True)
class Cut:
    """A cut to come.

    Attributes:
        moment: of the next transaction that has this moment, on whichever connection of the line.
        is_last: whether the line is dead from then on.
    """

    moment: Moment
    is_last: bool = False


class _Session:
    """One connection: its two ends, and how far its transaction has come."""

    def __init__(self, client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self.client = client
        self.server = server
        self._is_cut = False
        self.withholds = False
        self.late = b""
        self._in_transaction = False
        self._steps = 0
        self._writing: set[bytes] = set()

    def is_cut(self) -> bool:
        """Tell whether the client's end is broken."""
        return self._is_cut

    def moments(self, kind: bytes, body: bytes) -> tuple[Moment, ...]:
        """Tell which moments there are before this message of the client is passed on."""
        if kind == b"P":
            name, statement = body.split(b"\0")[:2]
            if _WRITES in statement:
                self._writing.add(name)
            return ()
        if kind == b"Q" and body in _ENDS:
            self._in_transaction = False
            return _COMMITS if body.startswith(b"COMMIT") else ()
        if kind == b"Q" and body.startswith(_BEGIN):
            self._in_transaction, self._steps = True, 0
            return (Moment.BEGUN,)
        if kind == b"B" and not self._in_transaction:
            _, name, *_ = body.split(b"\0", 2)
            return (Moment.BEGUN, *_COMMITS) if name in self._writing else (Moment.ASKED,)
        return self._step() if kind in (b"B", b"Q") else ()

    def _step(self) -> tuple[Moment, ...]:
        self._steps += 1
        return (Moment.CLAIMED,) if self._steps == 2 else ()

    def cut(self) -> None:
        """Break the client's end without a goodbye; the server's ends when the server has seen that."""
        self._is_cut = True
        self.client.transport.abort()


class Line:
    """Listens on a unix socket in `folder` and passes everything on to the Postgres at `url`."""

    def __init__(self, folder: Path, url: str) -> None:
        parts = urlsplit(url)
        self._target = str(Path(parse_qs(parts.query)["host"][0], SOCKET_NAME))
        self._socket = folder / SOCKET_NAME
        self.url = parts._replace(query=f"host={folder}&port=5432").geturl()
        """Where the database is found through this line."""
        self.cuts: Counter[Moment] = Counter()
        self.is_dead = False
        self._due: deque[Cut] = deque()
        self._on_cut: Callable[[], None] | None = None
        self._sessions: set[_Session] = set()
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Take connections."""
        self._socket.parent.mkdir(parents=True, exist_ok=True)
        self._server = await asyncio.start_unix_server(self._connected, self._socket)

    async def close(self) -> None:
        """Cut all connections and take no more."""
        assert self._server is not None
        self._server.close()
        self.cut_all()
        await self.settle()

    def plan(self, cuts: Iterable[Cut], on_cut: Callable[[], None] | None = None) -> None:
        """Plan cuts, one after the other, instead of those that are still to come.

        Args:
            cuts: what is to come.
            on_cut: called in the moment of each.
        """
        self._due = deque(cuts)
        self._on_cut = on_cut

    def die(self) -> None:
        """Cut all connections and refuse new ones."""
        self.is_dead = True
        self.cut_all()

    def revive(self) -> None:
        """Take connections again."""
        self.is_dead = False

    def cut_all(self) -> None:
        """Cut all connections."""
        for session in self._sessions:
            session.cut()

    async def settle(self) -> None:
        """Wait until Postgres has ended the transaction of every connection that was cut."""
        async with asyncio.timeout(SETTLE_TIMEOUT_S):
            while any(session.is_cut() for session in self._sessions):
                await asyncio.sleep(0.001)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.is_dead:
            writer.transport.abort()
            return
        far_reader, far_writer = await asyncio.open_unix_connection(self._target)
        session = _Session(writer, far_writer)
        self._sessions.add(session)
        answers = asyncio.create_task(self._pass_answers(session, far_reader))
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                await self._pass_requests(session, reader)
            session.cut()
            if session.late:
                await asyncio.sleep(LATE_S)
                far_writer.write(session.late)
            with suppress(OSError):
                far_writer.write_eof()
            await answers
        finally:
            far_writer.transport.abort()
            self._sessions.discard(session)

    async def _pass_requests(self, session: _Session, reader: asyncio.StreamReader) -> None:
        first = await reader.readexactly(8)
        length, code = struct.unpack("!ii", first)
        session.server.write(first + await reader.readexactly(length - 8))
        if code >> 16 != PROTOCOL_3:  # a request to cancel: nothing follows it
            return
        while True:
            message, body = await _read(reader)
            kind = last = message[:1]
            while kind == b"B" and last != b"S":  # a statement passes as a whole, or not at all
                part, _ = await _read(reader)
                message, last = message + part, part[:1]
            if session.is_cut():
                return
            self._cut_if_due(session, message, session.moments(kind, body))
            if session.is_cut():
                return
            session.server.write(message)

    def _cut_if_due(self, session: _Session, message: bytes, moments: tuple[Moment, ...]) -> None:
        if not self._due or self._due[0].moment not in moments:
            return
        moment = self._due[0].moment
        if moment is Moment.COMMIT_UNANSWERED:
            session.withholds = True  # and is cut when the answer is there
            return
        if moment is Moment.COMMIT_LATE:
            session.late = message
        self._cut(session)

    def _cut(self, session: _Session) -> None:
        cut = self._due.popleft()
        self.cuts[cut.moment] += 1
        session.cut()
        if cut.is_last:
            self.die()
        if self._on_cut is not None:
            self._on_cut()

    async def _pass_answers(self, session: _Session, reader: asyncio.StreamReader) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            while True:
                message, _ = await _read(reader)
                if message[:1] == b"E":  # not committed
                    session.withholds = False
                if session.withholds and message[:1] == b"Z":
                    session.withholds = False
                    if self._due and self._due[0].moment is Moment.COMMIT_UNANSWERED:
                        self._cut(session)
                if not session.is_cut():
                    session.client.write(message)
        session.cut()


async def _read(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Read one message: whole, and its body."""
    head = await reader.readexactly(5)
    (length,) = struct.unpack("!i", head[1:])
    body = await reader.readexactly(length - 4)
    return head + body, body
