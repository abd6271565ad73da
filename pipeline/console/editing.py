"""The configuration file as the page edits it: checked, compared with what is on disk, and written.

Who saves says which text was edited, by its tag, so that nobody overwrites what another has written meanwhile. What
was there before is kept beside the file.
"""

import difflib
import os
import stat
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from pipeline.config.file import MOST_BYTES, parsed
from pipeline.config.settings import ConfigError, Problem
from pipeline.console.configuration import tag_of, told
from pipeline.files import PRIVATE_FILE, open_private, read_bounded

KEPT = 9  # earlier files, `.1` is the newest
CONTEXT = 2  # lines around a change
MOST_CHANGES = 400  # lines of them that are shown
MOST_COMPARED = 4_000_000  # pairs of lines


class EditError(Exception):
    """It cannot be done, and nothing was changed."""


class Editor:
    """One file."""

    def __init__(self, path: Path, environ: Mapping[str, str]) -> None:
        self._path = path
        self._environ = environ
        self._one_by_one = threading.Lock()

    def opened(self) -> dict[str, Any]:
        """The whole text, also where a secret was written into it, and its tag."""
        content = self._content()
        return {"file": str(self._path), "text": _text(content), "tag": tag_of(content)}

    def checked(self, text: str) -> dict[str, Any]:
        """What is wrong with a text, and in which lines it is not the file."""
        before = _text(self._content(), "replace")
        changes = list(changed(before.splitlines(), text.splitlines()))
        return {
            "problems": [told(one) for one in self._problems(text)],
            "changes": changes[:MOST_CHANGES],
            "changes_cut": max(0, len(changes) - MOST_CHANGES),
        }

    def saved(self, text: str, tag: str) -> dict[str, Any]:
        """Write a text without mistakes in place of the one with this tag; the earlier one is kept beside it.

        Raises EditError, or OSError where the file cannot be written.
        """
        with self._one_by_one:
            problems = self._problems(text)
            if problems:
                raise EditError(f"not saved: {problems[0]}")
            before = self._content()
            if tag_of(before) != tag:
                raise EditError("not saved: the file was changed by someone else since you opened it")
            place = self._path.resolve()
            kept = None if before is None else _keep(place, before)
            _replace(place, text.encode(), place if before is not None else None)
            return {"file": str(self._path), "tag": tag_of(text.encode()), "kept": kept and str(kept)}

    def startable(self) -> None:
        """Raises EditError where the service would not start with the file as it is on disk."""
        content = self._content()
        if content is None:
            raise EditError("not restarted: there is no configuration file yet")
        problems = self._problems(_text(content))
        if problems:
            raise EditError(f"not restarted: {problems[0]}")

    def _problems(self, text: str) -> Sequence[Problem]:
        if len(text.encode("utf-8", "replace")) > MOST_BYTES:
            return [Problem(f"larger than {MOST_BYTES:,} bytes", file=str(self._path))]
        try:
            parsed(text, str(self._path), self._environ)
        except ConfigError as error:
            return error.problems
        return ()

    def _content(self) -> bytes | None:
        try:
            return read_bounded(self._path, MOST_BYTES)
        except FileNotFoundError:
            return None


def changed(before: Sequence[str], after: Sequence[str]) -> Iterator[tuple[str, str]]:
    """What was changed: `+` and `-` with a line, a space with one that is the same, `@` where lines are left out."""
    if before == after:
        return
    same = _alike(before, after)
    rest = _alike(before[same:][::-1], after[same:][::-1])
    if (len(before) - same - rest) * (len(after) - same - rest) > MOST_COMPARED:
        yield "@", "too many lines were changed to show them"
        return
    for line in list(difflib.unified_diff(before, after, n=CONTEXT, lineterm=""))[2:]:
        yield line[0], "" if line[0] == "@" else line[1:]


def _alike(one: Sequence[str], other: Sequence[str]) -> int:
    """How many lines at the beginning are the same."""
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _text(content: bytes | None, errors: str = "strict") -> str:
    try:
        return (content or b"").decode("utf-8-sig", errors)
    except UnicodeDecodeError as error:
        raise EditError(f"the file is not UTF-8 text (byte {error.start}), so it cannot be edited here") from None


def _keep(place: Path, content: bytes) -> Path:
    """Put the content of a file beside it, as number 1; the ones before move up, and the last one goes."""
    for number in range(KEPT - 1, 0, -1):
        with suppress(FileNotFoundError):
            os.replace(f"{place}.{number}", f"{place}.{number + 1}")
    kept = Path(f"{place}.1")
    _replace(kept, content, place)
    return kept


def _replace(place: Path, content: bytes, like: Path | None) -> None:
    """Write a file at once or not at all, for the same accounts as the file `like`, or only for our own."""
    new = place.with_name(f".{place.name}.new")
    descriptor = open_private(new, os.O_WRONLY | os.O_TRUNC)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            if like is not None:
                known = like.stat()
                with suppress(OSError):  # only root may give a file away
                    os.fchown(file.fileno(), known.st_uid, known.st_gid)
                os.fchmod(file.fileno(), stat.S_IMODE(known.st_mode))
            else:
                os.fchmod(file.fileno(), PRIVATE_FILE)
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, place)
    except OSError:
        new.unlink(missing_ok=True)
        raise
    folder = os.open(place.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
