"""Files that may be anything, and files that are nobody else's business.

What somebody names in a configuration may be a device, a pipe that nobody writes to, or a gigabyte: only regular
files are read, and only up to a bound. What the service writes is for its own account only, whatever the umask, and
never goes through a symbolic link to somewhere else.
"""

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

PRIVATE_FOLDER, PRIVATE_FILE = 0o700, 0o600
OTHERS = 0o077  # permission bits of everybody but the owner


class NotRegularError(OSError):
    """A folder, device, pipe or socket where a file is needed."""

    def __init__(self, path: Path) -> None:
        super().__init__(errno.EINVAL, "not a regular file", str(path))


def open_regular(path: Path) -> BinaryIO:
    """Open for reading without waiting for anybody; raises NotRegularError, or another OSError."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except ValueError:  # a NUL in its name
        raise OSError(errno.EINVAL, "not a file name", ascii(str(path))) from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NotRegularError(path)
    return os.fdopen(descriptor, "rb")


def read_bounded(path: Path, most: int) -> bytes:
    """All of a regular file of at most so many bytes; raises OSError for any other."""
    with open_regular(path) as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise OSError(errno.EFBIG, f"larger than {most:,} bytes", str(path))
    return data


def open_private(path: Path, flags: int) -> int:
    """A descriptor of a regular file of ours, made where there is none; what else has that name is an OSError."""
    descriptor = os.open(path, flags | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, PRIVATE_FILE)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NotRegularError(path)
    return descriptor


def make_private(path: Path) -> None:
    """Make an empty file for our account only, where there is none: whoever opens it by name then keeps its mode.

    Where that is not possible, whoever opens it says why.
    """
    with suppress(OSError):
        if not path.exists():
            os.close(open_private(path, os.O_WRONLY))


def make_folder(folder: Path) -> None:
    """Make a folder for our account only, where there is none."""
    folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)


def open_to_others(path: Path) -> bool:
    """Whether another account than its owner's may read or write it; False where there is no such file."""
    try:
        return bool(stat.S_IMODE(path.stat().st_mode) & OTHERS)
    except OSError:
        return False
