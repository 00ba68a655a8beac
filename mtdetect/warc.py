"""The frame of web archives: where records begin and end, and which of them are pages.

The libraries stop without a word where a file was cut off, so this part is ours; what is in a record is read by warcio.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import NamedTuple

from mtdetect.streams import CHUNK, ReadError, Rewound

__all__ = ["WarcRecord", "warc_records"]

_MAX_HEAD = 1 << 16
_VERSION = re.compile(rb"WARC/\d\.\d+\r?\n")
_TEXTS = re.compile(rb"text/html|text/plain|application/xhtml\+xml", re.IGNORECASE)
_HTTP_TYPE = re.compile(rb"^content-type:([^\r\n]*)", re.IGNORECASE | re.MULTILINE)


class WarcRecord(NamedTuple):
    """One record as it stands.

    Parameters
    ----------
    offset : int
        Where it begins, decompressed, in bytes.
    raw : bytes or None
        Header and content; None if it is damaged.
    is_page : bool
        Whether it is a page of text: what a server answered, or the text that was drawn from it.
    url : str or None
        The address.
    error : str or None
        Why it is damaged.
    """

    offset: int
    raw: bytes | None
    is_page: bool = True
    url: str | None = None
    error: str | None = None


def warc_records(stream: Rewound, max_bytes: int) -> Iterator[WarcRecord]:
    """Read a web archive. What stands between two records counts as one that is damaged.

    Parameters
    ----------
    stream : Rewound
        The archive, decompressed.
    max_bytes : int
        Longer records are damaged.

    Yields
    ------
    WarcRecord

    Raises
    ------
    ReadError
        If the archive is cut off or damaged beyond this point.
    """
    body = io.BufferedReader(stream, CHUNK)
    end = 0
    lost: int | None = None
    reason = ""
    line = body.readline(_MAX_HEAD)
    while line:
        begin, end = end, end + len(line)
        if not _VERSION.fullmatch(line):
            if line.strip() and lost is None:
                lost, reason = begin, "not a WARC record"
            line = body.readline(_MAX_HEAD)
            continue
        if lost is not None:
            yield WarcRecord(lost, None, error=reason)
            lost = None
        head = line
        while line.strip() and len(head) < _MAX_HEAD:
            if not (line := body.readline(_MAX_HEAD)):
                _cut_off(stream)
            head += line
        end = begin + len(head)
        fields = _fields(head)
        length = fields.get(b"content-length", b"")
        if line.strip() or not length.isdigit():
            lost, reason = begin, "the header has no end" if line.strip() else "no Content-Length"
            line = body.readline(_MAX_HEAD)
            continue
        size = int(length) if len(length) < 20 else 1 << 62
        content = body.read(min(size, max_bytes + 1))
        got = len(content)
        while got < size and (more := body.read(min(size - got, CHUNK))):
            got += len(more)
        if got < size:
            _cut_off(stream)
        end += size
        # two empty lines should follow, but writers have ideas of their own
        line = body.readline(_MAX_HEAD)
        if size > max_bytes:
            yield WarcRecord(begin, None, error=f"too large: more than {max_bytes} bytes")
        elif line.strip() and not _VERSION.fullmatch(line):
            lost, reason = begin, "Content-Length is wrong"
        else:
            url = fields.get(b"warc-target-uri", b"").strip(b"<>").decode("utf-8", "replace")
            yield WarcRecord(begin, head + content, _is_page(fields, content), url or None)
    stream.check()
    if lost is not None:
        yield WarcRecord(lost, None, error=reason)


def _cut_off(stream: Rewound) -> None:
    stream.check()
    raise ReadError("truncated")


def _fields(head: bytes) -> dict[bytes, bytes]:
    lines = re.sub(rb"\r?\n[ \t]+", b" ", head).splitlines()[1:]
    return {name.strip().lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)}


def _is_page(fields: dict[bytes, bytes], content: bytes) -> bool:
    kind, media = fields.get(b"warc-type"), fields.get(b"content-type", b"")
    if kind == b"response" and (b"http" in media or content.startswith(b"HTTP/")):
        found = _HTTP_TYPE.search(content[:_MAX_HEAD].split(b"\r\n\r\n", 1)[0])
        media = found[1] if found else b"text/html"
    return kind in (b"response", b"resource", b"conversion") and _TEXTS.search(media) is not None
