"""Page tokens: opaque to callers, bound to their question."""

import base64
import hashlib
import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from google.protobuf.message import Message

from server.reports.errors import QuestionError

LAYOUT = struct.Struct(">B8sqqqq16s")
"""Version, question, scope's start and end, the last event's timestamp (all in microseconds), sequence, id."""
VERSION = 1
ACTOR_LAYOUT = struct.Struct(">B8sqq")
"""Version, question, scope's start and end (in microseconds); the actor's id follows."""
ACTOR_VERSION = 2
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class PageToken:
    """Where a page ended, and the range that the first page settled.

    The range is part of the token so that "the last 24 hours" means the same hours on every page.
    """

    start: datetime
    end: datetime
    timestamp: datetime
    sequence: int
    event_id: str

    def encode(self, question: str) -> str:
        """Write the token for the caller; `question` is what must be the same on the next page."""
        packed = LAYOUT.pack(
            VERSION,
            _digest(question),
            (self.start - EPOCH) // MICROSECOND,
            (self.end - EPOCH) // MICROSECOND,
            (self.timestamp - EPOCH) // MICROSECOND,
            self.sequence,
            bytes.fromhex(self.event_id.replace("-", "")),
        )
        return base64.urlsafe_b64encode(packed).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str, question: str) -> "PageToken":
        """Read a token.

        Raises:
            QuestionError: it is not one of ours, or belongs to another question.
        """
        try:
            packed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
            version, digest, start, end, timestamp, sequence, event_id = LAYOUT.unpack(packed)
            token = cls(
                start=EPOCH + start * MICROSECOND,
                end=EPOCH + end * MICROSECOND,
                timestamp=EPOCH + timestamp * MICROSECOND,
                sequence=sequence,
                event_id=_uuid_text(event_id),
            )
        except (ValueError, struct.error, OverflowError):
            version, digest, token = 0, b"", None
        if version != VERSION or token is None:
            raise _not_ours()
        if digest != _digest(question):
            raise _of_another_question()
        return token


@dataclass(frozen=True, slots=True)
class ActorToken:
    """The last actor of a page, and the range that the first page settled."""

    start: datetime
    end: datetime
    actor_id: str

    def encode(self, question: str) -> str:
        """Write the token for the caller; `question` is what must be the same on the next page."""
        packed = ACTOR_LAYOUT.pack(
            ACTOR_VERSION,
            _digest(question),
            (self.start - EPOCH) // MICROSECOND,
            (self.end - EPOCH) // MICROSECOND,
        )
        return base64.urlsafe_b64encode(packed + self.actor_id.encode()).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str, question: str) -> "ActorToken":
        """Read a token.

        Raises:
            QuestionError: it is not one of ours, or belongs to another question.
        """
        try:
            packed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
            version, digest, start, end = ACTOR_LAYOUT.unpack_from(packed)
            token = cls(
                start=EPOCH + start * MICROSECOND,
                end=EPOCH + end * MICROSECOND,
                actor_id=packed[ACTOR_LAYOUT.size :].decode(),
            )
        except (ValueError, struct.error, OverflowError):
            version, digest, token = 0, b"", None
        if version != ACTOR_VERSION or token is None or "\0" in token.actor_id:
            raise _not_ours()
        if digest != _digest(question):
            raise _of_another_question()
        return token


def question_of(request: Message, *page_fields: str) -> str:
    """Write down what must be the same on every page: all of a request but `page_fields`."""
    asked = type(request)()
    asked.CopyFrom(request)
    for field in page_fields:
        asked.ClearField(field)
    return asked.SerializeToString(deterministic=True).hex()


def _not_ours() -> QuestionError:
    return QuestionError("page_token", "must be the next_page_token of an earlier answer, unchanged")


def _of_another_question() -> QuestionError:
    return QuestionError(
        "page_token", "belongs to another question: ask as on the first page, or start again without it"
    )


def _digest(question: str) -> bytes:
    return hashlib.blake2b(question.encode(), digest_size=8).digest()


def _uuid_text(packed: bytes) -> str:
    text = packed.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
