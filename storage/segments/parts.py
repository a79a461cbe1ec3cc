"""Fetching parts of segments: from a bounded cache on this machine's disk, else from the place where they lie."""

import asyncio
import os
import tempfile
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from zlib import crc32

import structlog

from storage.segments.catalogue import Segment
from storage.segments.files import Range
from storage.segments.places import SegmentPlace

log = structlog.get_logger(__name__)

UNFINISHED_S = 3600.0
"""A file that was begun so long ago was left by a process that died."""


class PartCache:
    """A folder of ranges of segments, one file each, `<checksum of the segment>/<offset>`.

    Several processes may share it. Whatever is in it can go at any moment; what does not have its checksum counts as
    missing. Its methods block.

    Args of the constructor:
        folder: made where missing.
        max_bytes: what it may hold after a sweep.
    """

    def __init__(self, folder: Path, *, max_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes

    def get(self, checksum: bytes, part: Range) -> bytes | None:
        """Read a range, or None where it is not there."""
        path = self._path(checksum, part)
        try:
            data = path.read_bytes()
            os.utime(path)  # marks it as used: what was used longest ago goes first
        except OSError:
            return None
        if len(data) != part.length or crc32(data) != part.checksum:
            log.warning("segment_cache_damaged", file=path.name, segment=path.parent.name)
            with suppress(OSError):
                path.unlink()
            return None
        return data

    def put(self, checksum: bytes, part: Range, data: bytes) -> None:
        """Keep a range, where the disk takes it."""
        path = self._path(checksum, part)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(dir=path.parent, suffix=".part")
            with open(descriptor, "wb") as file:  # noqa: PTH123 - of a descriptor
                file.write(data)
            Path(name).rename(path)
        except OSError as exc:
            log.warning("segment_cache_unwritable", error=type(exc).__name__)

    def sweep(self, live: Collection[bytes]) -> None:
        """Remove what is no longer live, and then what was used longest ago, until the rest fits.

        Args:
            live: checksums of the segments that count.
        """
        names = {checksum.hex() for checksum in live}
        kept = []
        for path in self._folder.glob("*/*"):
            with suppress(OSError):
                status = path.stat()
                is_left_over = path.suffix == ".part" and time.time() - status.st_mtime > UNFINISHED_S
                if path.parent.name not in names or is_left_over:
                    path.unlink()
                else:
                    kept.append((status.st_mtime, status.st_size, path))
        left_bytes = self._max_bytes
        for _, size_bytes, path in sorted(kept, reverse=True):
            left_bytes -= size_bytes
            if left_bytes < 0:
                with suppress(OSError):
                    path.unlink()
        for folder in self._folder.glob("*"):
            with suppress(OSError):
                folder.rmdir()  # where it is empty

    def _path(self, checksum: bytes, part: Range) -> Path:
        return self._folder / checksum.hex() / str(part.offset)


class PartFetcher:
    """Fetches ranges of segments.

    Args of the constructor:
        place: where segments lie.
        cache: asked first, where there is one.
    """

    def __init__(self, place: SegmentPlace, cache: PartCache | None) -> None:
        self._place = place
        self._cache = cache

    async def fetch(self, segment: Segment, ranges: Sequence[Range]) -> Mapping[Range, bytes]:
        """Get the bytes of ranges; whoever reads them compares their checksums.

        Raises:
            SegmentMissingError: the place does not have the segment.
            StorageUnavailableError: the place is away.
        """
        found: dict[Range, bytes] = {}
        if self._cache is not None:
            found = await asyncio.to_thread(_cached, self._cache, segment.checksum, ranges)
        missing = [part for part in ranges if part not in found]
        if missing:
            read = dict(zip(missing, await self._place.get(segment.place, missing), strict=True))
            if self._cache is not None:
                await asyncio.to_thread(_keep, self._cache, segment.checksum, read)
            found |= read
        return found


def _cached(cache: PartCache, checksum: bytes, ranges: Sequence[Range]) -> dict[Range, bytes]:
    found = ((part, cache.get(checksum, part)) for part in ranges)
    return {part: data for part, data in found if data is not None}


def _keep(cache: PartCache, checksum: bytes, read: Mapping[Range, bytes]) -> None:
    for part, data in read.items():
        if crc32(data) == part.checksum:
            cache.put(checksum, part, data)
