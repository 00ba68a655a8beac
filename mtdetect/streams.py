"""Bytes from and to files, plain, gzip or Zstandard: what is cut off is reported, what is written is complete."""

from __future__ import annotations

import gzip
import io
import os
import re
import sys
from pathlib import Path
from typing import IO, Any, Literal, cast

__all__ = ["CHUNK", "Compression", "ReadError", "Rewound", "Sealed", "decompressed", "one_line", "sync_folder"]

Compression = Literal["", "gz", "zst"]
CHUNK = 1 << 16
_HEAD = 4096
_GZIP = b"\x1f\x8b"
_ZSTD = re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18")  # some begin with a frame that is to be skipped
_BLOCK = 1 << 20


class ReadError(Exception):
    """The stream cannot be read, or not on; what came before is good."""


class Rewound(io.RawIOBase):
    """A stream whose first bytes can be looked at and are then read again, also from a pipe.

    It ends where anything goes wrong below, so that all bytes before can be used; `check` then says what it was.
    """

    def __init__(self, stream: IO[bytes], below: Rewound | None = None) -> None:
        self._read = getattr(stream, "read1", stream.read)  # files of fsspec have no read1
        self._below = below
        self._failure: ReadError | None = None
        self.head = b""
        while len(self.head) < _HEAD and (chunk := self._next(_HEAD - len(self.head))):
            self.head += chunk
        self._ahead = memoryview(self.head)

    def look_past_line(self, limit: int) -> None:
        """Extend `head` beyond its first line."""
        seen = chunk = bytearray(self.head)
        while b"\n" not in chunk[:-1] and len(seen) < limit and (more := self._next(CHUNK)):
            chunk = bytearray(more)
            seen += chunk
        self.head = bytes(seen)
        self._ahead = memoryview(self.head)

    def check(self) -> None:
        """Raise `ReadError` if the stream has ended before its end."""
        if self._below is not None:
            self._below.check()
        if self._failure is not None:
            raise self._failure

    def _next(self, size: int) -> bytes:
        try:
            return bytes(self._read(size)) if self._failure is None else b""
        except Exception as error:  # gzip, zlib, zstd and the file system each raise their own
            truncated = isinstance(error, EOFError)
            self._failure = ReadError("truncated" if truncated else f"damaged: {one_line(error)}")
            return b""

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read up to the size of the buffer."""
        chunk = self._ahead[: len(buffer)] or self._next(len(buffer))
        self._ahead = self._ahead[len(chunk) :]
        buffer[: len(chunk)] = chunk
        return len(chunk)


def decompressed(file: IO[bytes]) -> tuple[Rewound, Compression]:
    """Return the content of a file that is gzip, Zstandard (both of any number of parts) or neither, and which."""
    raw = Rewound(file)
    if raw.head.startswith(_GZIP):
        return Rewound(cast(IO[bytes], gzip.GzipFile(fileobj=io.BufferedReader(raw, CHUNK))), raw), "gz"
    if _ZSTD.match(raw.head):
        try:
            return Rewound(cast(IO[bytes], _zstd().ZstdFile(io.BufferedReader(raw, CHUNK))), raw), "zst"
        except ImportError as error:
            raise ReadError("reading .zst needs backports.zstd: pip install 'mtdetect[corpus]'") from error
    return raw, ""


class Sealed:
    """A new file that is complete and on the disk once it is closed.

    Parameters
    ----------
    path : Path
        The file; it is overwritten.
    compression : {"", "gz", "zst"}
        How it is compressed. The same bytes written give the same bytes on the disk.
    """

    def __init__(self, path: Path, compression: Compression = "") -> None:
        self._raw = path.open("wb")
        self._body: IO[bytes] = self._raw
        self._compression = compression
        if compression:
            self._body = self._member()

    def _member(self) -> IO[bytes]:
        if self._compression == "zst":
            packed = _zstd().ZstdFile(self._raw, "wb")
        else:  # no time and no name in the header
            packed = gzip.GzipFile("", "wb", 6, self._raw, 0)
        # in blocks, because a call costs more than the compression of a line
        return cast(IO[bytes], io.BufferedWriter(packed, _BLOCK))

    def write(self, data: bytes) -> None:
        """Write some bytes."""
        self._body.write(data)

    def next_member(self) -> None:
        """Begin another member of a gzip file, so that the next bytes can be read without those before."""
        if self._compression == "gz":
            self._body.close()
            self._body = self._member()

    def close(self) -> None:
        """Put everything on the disk."""
        if self._raw.closed:
            return
        try:
            if self._body is not self._raw:
                self._body.close()
            self._raw.flush()
            os.fsync(self._raw.fileno())
        finally:
            self._raw.close()


def sync_folder(folder: Path) -> None:
    """Put the names of the files in a folder on the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def one_line(error: Exception) -> str:
    """Return the message of an exception, shortened to one line."""
    return " ".join(str(error).split())[:200] or type(error).__name__


def _zstd() -> Any:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd
