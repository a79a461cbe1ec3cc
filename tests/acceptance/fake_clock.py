"""A clock of the test's own for the real processes: libfaketime under them, and a file that tells how far it is off."""

import importlib.util
import os
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any


def find_library() -> str | None:
    """Find the library: the one that LIBFAKETIME names, or that of the Python package; None where there is none."""
    if named := os.environ.get("LIBFAKETIME"):
        return named
    package = importlib.util.find_spec("libfaketime")
    for place in (package.submodule_search_locations or ()) if package else ():
        library = Path(place, "vendor", "libfaketime", "src", "libfaketime.so.1")
        if library.exists():
            return str(library)
    return None


class FakeClock:
    """The wall clock of all processes that have `environment`; it goes on from where it is put.

    Args of the constructor:
        folder: where the file is kept.
        library: that of libfaketime.
    """

    def __init__(self, folder: Path, library: str) -> None:
        self._file = folder / "clock"
        self.environment: Mapping[str, Any] = {
            "LD_PRELOAD": library,
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            # Waits are measured by the clock that counts seconds since the start of the machine.
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def put(self, moment: datetime) -> None:
        """Put the clock to a moment, in running processes too."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{moment.timestamp() - time.time():+.6f}")
        new.replace(self._file)
