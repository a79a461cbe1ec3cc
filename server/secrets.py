"""Keys that are generated once and kept in the data directory."""

import os
import secrets

from runtime.settings import Settings

KEY_FILE = "ip_hash.key"
KEY_BYTES = 32


def load_ip_hash_key(settings: Settings) -> bytes:
    """Return the key of the hash that stands for client addresses: the given one, or one generated once.

    The file is complete or absent: it is written aside and linked into place, so that workers which start at once
    agree on the first one.
    """
    if settings.ip_hash_key is not None:
        return settings.ip_hash_key.encode()
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    path = settings.data_dir / KEY_FILE
    if not path.exists():
        aside = path.with_suffix(f".{os.getpid()}")
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(aside, path)
        except FileExistsError:
            pass
        finally:
            aside.unlink()
    return path.read_text().strip().encode()
