"""Who runs this program, for records that people look at later."""

import os
import pwd
import socket


def name_person() -> str:
    """Name the user of the operating system who runs this process, as `user@host`.

    Not by USER, which is anybody's to set and missing in containers; a user without an entry is named by number, as in
    `uid-1000@host`.
    """
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = f"uid-{os.getuid()}"
    return f"{name}@{socket.gethostname()}"
