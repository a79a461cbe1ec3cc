"""The snapshot of keys: a file by which a worker that starts while Postgres is away still knows its callers.

It holds hashes, not keys, and is of no use to a caller; only its owner can read it all the same.
"""

import os
from collections.abc import Sequence
from dataclasses import asdict, fields
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import structlog

from storage.keys.table import StoredKey

log = structlog.get_logger(__name__)

FILE = "keys.json"
MAX_AGE = timedelta(hours=24)
"""Of a snapshot that is used: a key that was revoked meanwhile must not live on for long."""
MAX_BYTES = 64 * 1024 * 1024
"""Many times the room of the keys that there may be; a larger file is not ours."""
_TIMES = ("created_at", "expires_at", "revoked_at", "last_used_at")


def write_snapshot(folder: Path, keys: Sequence[StoredKey], taken_at: datetime) -> None:
    """Write the keys that can be used; several workers may do so at once, and each leaves a complete file.

    Raises:
        OSError: the file cannot be written.
    """
    document = {"taken_at": taken_at, "keys": [asdict(key) | {"hash": key.hash.hex()} for key in keys]}
    aside = folder / f"{FILE}.{os.getpid()}"
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(orjson.dumps(document))
            file.flush()
            os.fsync(file.fileno())
        aside.replace(folder / FILE)
    finally:
        aside.unlink(missing_ok=True)


def read_snapshot(folder: Path, now: datetime) -> list[StoredKey] | None:
    """Read the keys of a snapshot; None where there is none that is fit for use.

    Args:
        folder: the data directory.
        now: an aware time; an older snapshot than MAX_AGE, or one of the future, is not used.
    """
    path = folder / FILE
    try:
        if path.stat().st_size > MAX_BYTES:
            return None
        document: Any = orjson.loads(path.read_bytes())
        age = now - datetime.fromisoformat(document["taken_at"])
        if not timedelta(minutes=-5) <= age <= MAX_AGE:
            log.warning("key_snapshot_too_old", taken_at=document["taken_at"])
            return None
        return [_read_key(each) for each in document["keys"]]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as exc:
        log.warning("key_snapshot_unreadable", error=type(exc).__name__)
        return None


def _read_key(document: dict[str, Any]) -> StoredKey:
    times = {name: datetime.fromisoformat(document[name]) if document[name] else None for name in _TIMES}
    known = {one.name: document[one.name] for one in fields(StoredKey)}
    return StoredKey(**{**known, **times, "hash": bytes.fromhex(document["hash"])})
