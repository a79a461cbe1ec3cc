"""The public keys of tokens: a JSON Web Key Set at a URL or in a file, read again in the background."""

import asyncio
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import structlog
from jwt import PyJWK, PyJWKSet, PyJWTError

log = structlog.get_logger(__name__)

REFRESH_S = 300.0
"""Issuers publish a new key long before they sign with it."""
LEAST_REFRESH_S = 30.0
"""A token with an unknown key may be signed by a new one; a flood of them asks the issuer this often, not more."""
FETCH_TIMEOUT_S = 5.0
MAX_BYTES = 256 * 1024
"""Sets of real issuers have some 3 KB."""
MAX_KEYS = 64


class KeySet:
    """The public keys of an issuer, by their ids.

    Args of the constructor:
        place: an https:// URL or a path.
    """

    def __init__(self, place: str) -> None:
        self._place = place
        self._keys: dict[str, PyJWK] = {}
        self._wanted = asyncio.Event()

    def find(self, key_id: str) -> PyJWK | None:
        """Return the key with this id; an unknown one is looked for in the background, and is there a little later."""
        key = self._keys.get(key_id)
        if key is None:
            self._wanted.set()
        return key

    async def load(self) -> None:
        """Read the set; one that cannot be read is logged, and the keys of before stay."""
        try:
            self._keys = await asyncio.to_thread(_read, self._place)
        except (OSError, ValueError, PyJWTError) as exc:
            log.warning("jwks_not_read", error=type(exc).__name__, keys_kept=len(self._keys))

    async def run(self) -> None:
        """Read the set again and again until cancelled."""
        while True:
            await asyncio.sleep(LEAST_REFRESH_S)
            try:
                async with asyncio.timeout(REFRESH_S - LEAST_REFRESH_S):
                    await self._wanted.wait()
            except TimeoutError:
                pass
            self._wanted.clear()
            await self.load()


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: the keys come from the place of the settings or not at all."""

    def redirect_request(self, *_arguments: Any, **_more: Any) -> None:
        return None


def _read(place: str) -> dict[str, PyJWK]:
    if urlsplit(place).scheme in {"http", "https"}:
        # The scheme and, for http, the host are checked where the settings are read.
        with urllib.request.build_opener(_NoRedirect).open(place, timeout=FETCH_TIMEOUT_S) as answer:
            text = answer.read(MAX_BYTES + 1)
    else:
        with Path(place).open("rb") as file:
            text = file.read(MAX_BYTES + 1)
    if len(text) > MAX_BYTES:
        raise ValueError("the key set is too large")
    found = [key for key in PyJWKSet.from_json(text.decode()).keys if key.key_id and key.key_type != "oct"]
    return {str(key.key_id): key for key in found[:MAX_KEYS]}
