"""Which characters the bytes of a text file stand for.

A byte order mark, zeros in every second byte and valid UTF-8 are proof. What is none of these is taken for
Windows-1252, the usual encoding of exports in western Europe, and said as a guess: only names of columns depend on
it.
"""

import codecs

from pipeline.recordings.reading.choices import TableError

MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
FALLBACK = "cp1252"
MOSTLY = 0.7  # of every second byte is zero in UTF-16 of a western table; from judgement


def encoding_of(head: bytes) -> str:
    """The encoding that the first bytes of a file prove; UTF-8 where they prove nothing.

    >>> encoding_of(b"\\xff\\xfet\\x00"), encoding_of(b"time,a"), encoding_of(b"t\\x00i\\x00m\\x00e\\x00")
    ('utf-16', 'utf-8-sig', 'utf-16-le')
    """
    for mark, name in MARKS:
        if head.startswith(mark):
            return name
    if len(head) >= 8:
        for first, name in ((1, "utf-16-le"), (0, "utf-16-be")):
            zeros, others = head[first::2], head[1 - first :: 2]
            if zeros.count(0) >= MOSTLY * len(zeros) and others.count(0) <= (1 - MOSTLY) * len(others):
                return name
    return "utf-8-sig"


def known(encoding: str) -> str:
    """The encoding under the name that Python has for it; raises TableError for one that is none of text."""
    try:
        b"".decode(encoding)  # a codec of something else than text is a LookupError
        name = codecs.lookup(encoding).name
    except (LookupError, ValueError):
        raise TableError(f"--encoding: {encoding!r} is no encoding (utf-8, cp1252, utf-16, latin-1, ...)") from None
    return "utf-8-sig" if name == "utf-8" else name


def beginning(head: bytes, encoding: str, whole: bool) -> str:
    """The first characters of a file; raises UnicodeDecodeError."""
    return codecs.getincrementaldecoder(encoding)("strict").decode(head, final=whole)
