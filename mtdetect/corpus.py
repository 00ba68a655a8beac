"""Bytes in, records out: text, HTML, JSON Lines and Parquet, plain or compressed, clean or damaged.

One record in, one record out. What cannot be read becomes a record whose `error` says why.
"""

from __future__ import annotations

import gzip
import io
import logging
import os
import re
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import count
from pathlib import Path
from typing import IO, Any, cast

import orjson

__all__ = ["InputError", "Record", "read_records"]

_TEXT_FIELDS = ("text", "content", "raw_content", "maintext", "body", "article", "plain_text")
_ID_FIELDS = ("id", "doc_id", "url")
_INSTALL = "pip install 'mtdetect[corpus]'"
_HEAD = 4096
_CHUNK = 1 << 16

_LINES = (".jsonl", ".ndjson")
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_JSON_ROW = re.compile(r"\{\s*[\"}]")
_JSON_ARRAY = re.compile(r"\[\s*\{")
# rows of another kind before the first object
_JSON_OTHER = re.compile(r"(?:(?:null|true|false|-?\d[\d.eE+-]*)[^\S\n]*\n\s*)+\{\s*[\"}]")
_HTML_START = re.compile(r"<(?:!doctype html|html|head|body)\b", re.IGNORECASE)
_HTML_TAG = re.compile(r"<(?:p|div|span|a|h[1-6]|br|li|meta|title|article|script)\b", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
# Python knows many more encodings; some take quadratic time or make surrogates; no news page uses them.
_CHARSET = re.compile(
    rb"<meta[^>]{0,200}charset\s{0,9}=\s{0,9}[\"']?"
    rb"(iso-8859-(?!1\b)\d+|windows-125\d|koi8-[ru]|gb2312|gbk|gb18030|big5|shift_jis|euc-jp|euc-kr)\b",
    re.IGNORECASE,
)


class InputError(ValueError):
    """The call cannot be served, whatever the inputs hold: one of them is missing, or the name of a field is empty."""


class _ReadError(Exception):
    """The stream cannot be read, or not on; what came before is good."""


@dataclass(frozen=True, slots=True)
class Record:
    """One article as it was found.

    Parameters
    ----------
    id : str
        The row's own id; otherwise the path, with ``:number`` of the line or row where a file holds several.
    text : str or None
        The article, not normalised; None if it cannot be read.
    source : str
        The path as given, below it for files of a folder; ``"-"`` for standard input.
    error : str or None
        Why there is no text, in one line.
    encoding : str or None
        How the file was decoded: ``"utf-8"``, ``"utf-8-sig"``, ``"utf-16"``, the charset that a page
        declares, or ``"windows-1252"`` for want of a better guess; None for rows.
    warnings : tuple of str
        What the reader had to put up with.
    fields : mapping
        The other fields of the row; title and address of a web page.
    text_field : str or None
        The field of the row that held the text.
    offset : int or None
        Where the row begins in the file, decompressed, in bytes; only of JSON Lines.
    line : bytes or None
        The row as it stood there; only of JSON Lines.
    """

    id: str
    text: str | None
    source: str
    error: str | None = None
    encoding: str | None = None
    warnings: tuple[str, ...] = ()
    fields: Mapping[str, Any] = field(default_factory=dict)
    text_field: str | None = None
    offset: int | None = None
    line: bytes | None = field(default=None, repr=False)


def read_records(
    paths: Iterable[str | Path],
    *,
    text_field: str | None = None,
    id_field: str | None = None,
    max_bytes: int = 20_000_000,
) -> Iterator[Record]:
    """Read articles from files and folders, one record each, in order.

    The format is told by the content, then by the name. Folders are read recursively in sorted order, without
    hidden files. Memory stays within a few times `max_bytes`, decompression bombs included.

    Parameters
    ----------
    paths : iterable of str or Path
        Files and folders; ``"-"`` is standard input.
    text_field : str, optional
        The field of a row that holds the text. By default the first string that is not empty among text, content,
        raw_content, maintext, body, article and plain_text, row by row.
    id_field : str, optional
        The field of a row that holds its id. By default id, doc_id or url.
    max_bytes : int
        Longer lines and files become errors.

    Returns
    -------
    iterator of Record
        One for every file, line or row; blank lines are skipped.

    Raises
    ------
    InputError
        At once, if a path does not exist, standard input is closed or named twice, or the name of a field is
        empty.
    """
    sources = [str(path) for path in ([paths] if isinstance(paths, (str, Path)) else paths)]
    if "" in (text_field, id_field):
        raise InputError("the name of a field is empty")
    if sources.count("-") > 1:
        raise InputError("standard input can be read only once, but - is named twice")
    if "-" in sources and sys.stdin is None:
        raise InputError("standard input is closed")
    for source in sources:
        if source != "-" and not Path(source).exists():
            raise InputError(f"no such file or folder: {source}")
    reader = _Reader(text_field, id_field, max_bytes)
    return (record for source in sources for record in reader.read(source))


class _Rewound(io.RawIOBase):
    """A stream whose first bytes can be looked at and are then read again, also from a pipe.

    It ends where anything goes wrong below, so that all bytes before can be used; `check` then says what it was.
    """

    def __init__(self, stream: IO[bytes], below: _Rewound | None = None) -> None:
        self._stream = cast(io.BufferedReader, stream)
        self._below = below
        self._failure: _ReadError | None = None
        self.head = b""
        while len(self.head) < _HEAD and (chunk := self._next(_HEAD - len(self.head))):
            self.head += chunk
        self._ahead = memoryview(self.head)

    def look_past_line(self, limit: int) -> None:
        """Extend `head` beyond its first line."""
        seen = chunk = bytearray(self.head)
        while b"\n" not in chunk[:-1] and len(seen) < limit and (more := self._next(_CHUNK)):
            chunk = bytearray(more)
            seen += chunk
        self.head = bytes(seen)
        self._ahead = memoryview(self.head)

    def check(self) -> None:
        if self._below is not None:
            self._below.check()
        if self._failure is not None:
            raise self._failure

    def _next(self, size: int) -> bytes:
        try:
            return self._stream.read1(size) if self._failure is None else b""
        except Exception as error:  # gzip, zlib, zstd and the file system each raise their own
            truncated = isinstance(error, EOFError)
            self._failure = _ReadError("truncated" if truncated else f"damaged: {_one_line(error)}")
            return b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        chunk = self._ahead[: len(buffer)] or self._next(len(buffer))
        self._ahead = self._ahead[len(chunk) :]
        buffer[: len(chunk)] = chunk
        return len(chunk)


@dataclass(frozen=True, slots=True)
class _Reader:
    text_field: str | None
    id_field: str | None
    max_bytes: int

    def read(self, source: str) -> Iterator[Record]:
        if source == "-":
            yield from self._stream(sys.stdin.buffer, source)
        elif Path(source).is_dir():
            yield from self._folder(source)
        else:
            try:
                yield from self._file(source)
            except OSError as error:
                yield Record(source, None, source, error=f"cannot open: {error.strerror}")

    def _folder(self, source: str) -> Iterator[Record]:
        failed: list[OSError] = []
        paths: list[Path] = []
        for folder, folders, files in os.walk(source, onerror=failed.append):
            links = [name for name in folders if Path(folder, name).is_symlink()]
            folders[:] = [name for name in folders if not name.startswith(".")]
            paths += [Path(folder, name) for name in files + links if not name.startswith(".")]
        if not paths and not failed:
            yield Record(source, None, source, error="no files in the folder")
        for path in sorted(paths):
            try:
                if not path.is_file():  # opening a pipe would wait for its writer
                    raise OSError(0, "not a file; links to folders are not followed")
                yield from self._file(str(path))
            except OSError as error:
                yield Record(str(path), None, str(path), error=f"cannot open: {error.strerror}")
        for unread in failed:
            name = str(unread.filename)
            yield Record(name, None, name, error=f"cannot open: {unread.strerror}")

    def _file(self, source: str) -> Iterator[Record]:
        with Path(source).open("rb") as file:
            yield from self._stream(file, source)

    def _stream(self, file: IO[bytes], source: str) -> Iterator[Record]:
        name = re.sub(r"\.(?:gz|zst)$", "", source.lower())
        try:
            stream = raw = _Rewound(file)
            if raw.head.startswith(b"\x1f\x8b"):
                stream = _Rewound(cast(IO[bytes], gzip.GzipFile(fileobj=io.BufferedReader(raw, _CHUNK))), raw)
            elif raw.head.startswith(b"\x28\xb5\x2f\xfd"):
                stream = _Rewound(_zstd_file(io.BufferedReader(raw, _CHUNK)), raw)
            kind = _kind(stream.head, name)
            if kind == "jsonl" and not name.endswith(_LINES):  # unless it is one object that goes on for lines
                stream.look_past_line(self.max_bytes)
                kind = _kind(stream.head, name)
            if kind == "parquet":
                if stream is not raw or not file.seekable():
                    yield from self._spooled_parquet(stream, source)
                else:
                    file.seek(0)
                    yield from self._parquet(file, source)
            elif kind == "jsonl" and not stream.head.startswith(_UTF16_MARKS):
                yield from self._json_lines(stream, source)
            else:
                yield from self._whole(stream, source, kind)
        except _ReadError as error:
            yield Record(source, None, source, error=str(error))

    def _whole(self, stream: _Rewound, source: str, kind: str) -> Iterator[Record]:
        """Read what has to be in memory at once: text, HTML, and JSON that is not one object a line."""
        data = io.BufferedReader(stream, _CHUNK).read(self.max_bytes + 1)
        if len(data) > self.max_bytes:
            yield Record(source, None, source, error=f"too large: more than {self.max_bytes} bytes")
            return
        stream.check()
        text, encoding, warnings = _decode(data, html=kind == "html")
        if _looks_binary(text):
            yield Record(source, None, source, error="not text")
        elif kind == "html":
            yield _from_html(text, source, encoding, warnings)
        elif kind == "json":
            yield from self._json(text, source)
        elif kind == "jsonl":
            yield from self._json_lines(_Rewound(io.BytesIO(text.encode("utf-8", "replace"))), source)
        else:
            yield Record(source, text, source, encoding=encoding, warnings=warnings)

    def _json(self, text: str, source: str) -> Iterator[Record]:
        try:
            parsed = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            reason = f"not JSON (one object a line, one object, or one array): {_one_line(error)}"
            yield Record(source, None, source, error=reason)
            return
        for number, row in enumerate(parsed if isinstance(parsed, list) else [parsed], 1):
            yield self._row(row, source, f"{source}:{number}")

    def _json_lines(self, stream: _Rewound, source: str) -> Iterator[Record]:
        body = io.BufferedReader(stream, _CHUNK)
        begin = end = 0
        try:
            for number in count(1):
                begin = end
                if not (line := body.readline(self.max_bytes + 1)):
                    stream.check()
                    return
                end += len(line)
                row_id = f"{source}:{number}"
                if len(line) > self.max_bytes and not line.endswith(b"\n"):
                    while line and not line.endswith(b"\n"):
                        line = body.readline(_CHUNK)
                        end += len(line)
                    reason = f"too large: line {number} has more than {self.max_bytes} bytes"
                    yield Record(row_id, None, source, error=reason, offset=begin)
                    continue
                if number == 1:
                    line = line.removeprefix(b"\xef\xbb\xbf")
                if not line.strip():
                    continue
                try:
                    row = orjson.loads(line)
                except orjson.JSONDecodeError as error:
                    if not line.endswith(b"\n"):
                        stream.check()  # it was cut off
                    reason = f"line {number} is not JSON: {error.msg} at column {error.colno}"
                    yield Record(row_id, None, source, error=reason, offset=begin)
                else:
                    yield replace(self._row(row, source, row_id), offset=begin, line=line)
        except _ReadError as error:
            reason = f"{error} after line {number - 1}"
            yield Record(f"{source}:{number}", None, source, error=reason, offset=begin)

    def _row(self, row: object, source: str, default_id: str) -> Record:
        if isinstance(row, Exception):
            return Record(default_id, None, source, error=f"damaged: {_one_line(row)}")
        if not isinstance(row, dict):
            return Record(default_id, None, source, error=f"not an object but {type(row).__name__}")
        warnings: tuple[str, ...] = ()
        row_id = default_id
        for name in (self.id_field,) if self.id_field else _ID_FIELDS:
            value = row.get(name)
            if (isinstance(value, str) and value) or (isinstance(value, int) and not isinstance(value, bool)):
                row_id = str(value)
                break
        else:
            if self.id_field:
                warnings = (f"no id in field {self.id_field!r}",)
        wanted = (self.text_field,) if self.text_field else _TEXT_FIELDS
        present = [name for name in wanted if name in row]
        strings = [name for name in present if isinstance(row[name], str)]
        if not strings:
            if present:
                reason = f"field {present[0]!r} is {type(row[present[0]]).__name__}, not a string"
            else:
                reason = f"no text: the fields are {_listed(row)}"
            return Record(row_id, None, source, error=reason, warnings=warnings, fields=row)
        text_name = next((name for name in strings if row[name].strip()), strings[0])
        text = row[text_name]
        fields = {name: value for name, value in row.items() if name != text_name}
        return Record(row_id, text, source, warnings=warnings, fields=fields, text_field=text_name)

    def _spooled_parquet(self, stream: _Rewound, source: str) -> Iterator[Record]:
        """Copy to disk first: the index of a Parquet file is at its end."""
        limit = 100 * self.max_bytes
        with tempfile.TemporaryFile() as file:
            size = 0
            while chunk := stream.read(_CHUNK):
                size += file.write(chunk)
                if size > limit:
                    yield Record(source, None, source, error=f"too large: more than {limit} bytes of Parquet")
                    return
            stream.check()
            yield from self._parquet(file, source)

    def _parquet(self, file: IO[bytes], source: str) -> Iterator[Record]:
        try:
            import pyarrow
            from pyarrow import parquet
        except ImportError as error:
            raise _ReadError(f"reading Parquet needs pyarrow: {_INSTALL}") from error
        failures = (pyarrow.ArrowException, OSError, ValueError)
        try:
            table = parquet.ParquetFile(file)
        except failures as error:
            yield Record(source, None, source, error=f"not a readable Parquet file: {_one_line(error)}")
            return
        columns = table.schema_arrow.names
        for name in (self.text_field, self.id_field):
            if name and name not in columns:
                raise _ReadError(f"no column {name!r}: the columns are {_listed(columns)}")
        if not self.text_field and not any(name in columns for name in _TEXT_FIELDS):
            raise _ReadError(f"no text column, name one of: {_listed(columns)}")
        number = 0
        batches = table.iter_batches(batch_size=256)
        while True:
            try:
                batch = next(batches, None)
            except failures as error:
                reason = f"damaged after row {number} of {table.metadata.num_rows}: {_one_line(error)}"
                yield Record(f"{source}:{number + 1}", None, source, error=reason)
                return
            if batch is None:
                return
            for row in _rows(batch, failures):
                number += 1
                yield self._row(row, source, f"{source}:{number}")


def _rows(batch: Any, failures: tuple[type[Exception], ...]) -> list[object]:
    """Return the rows of an Arrow batch; the exception in place of a row that Python cannot hold."""
    try:
        return cast(list[object], batch.to_pylist())
    except failures as error:  # invalid UTF-8, dates beyond the year 9999
        if len(batch) > 1:
            return [row for i in range(len(batch)) for row in _rows(batch.slice(i, 1), failures)]
        return [error]


def _kind(head: bytes, name: str) -> str:
    if head.startswith(b"PAR1") or (name.endswith(".parquet") and (b"\0" in head or not head)):
        return "parquet"
    text = head.decode("utf-16" if head.startswith(_UTF16_MARKS) else "utf-8", "ignore")
    text = text.lstrip("\ufeff").lstrip()
    if text.startswith("<") and (_HTML_START.search(text) or len(_HTML_TAG.findall(text)) >= 5):
        return "html"
    first, _, rest = text.partition("\n")
    open_ended = rest and not first.rstrip().endswith("}") and not rest.lstrip().startswith("{")
    if name.endswith(_LINES) or (_JSON_ROW.match(text) and not open_ended) or _JSON_OTHER.match(text):
        return "jsonl"
    if _JSON_ROW.match(text) or _JSON_ARRAY.match(text) or name.endswith(".json"):
        return "json"
    return "html" if name.endswith((".html", ".htm", ".xhtml")) else "text"


def _decode(data: bytes, *, html: bool) -> tuple[str, str, tuple[str, ...]]:
    """Return the text, the name of its encoding, and warnings."""
    if data.startswith(_UTF16_MARKS):
        encoding = "utf-16"
    elif data.startswith(b"\xef\xbb\xbf"):
        encoding = "utf-8-sig"
    else:
        encoding = "utf-8"
    try:
        return data.decode(encoding), encoding, ()
    except UnicodeDecodeError:
        text = data.decode(encoding, "replace")
    bad = text.count("\ufffd")
    # In Windows-1252 prose next to no run of bytes happens to be valid UTF-8; in damaged UTF-8 most are.
    if encoding != "utf-8" or sum(map(len, re.findall(r"[^\x00-\x7f\ufffd]+", text))) > bad:
        return text, encoding, (f"{bad} invalid bytes replaced",)
    declared = _CHARSET.search(data[:4096]) if html else None
    encoding = declared[1].decode("ascii").lower() if declared else "windows-1252"
    text = data.decode(encoding, "replace")
    warning = f"decoded as {encoding}"
    if bad := text.count("\ufffd"):
        warning += f", {bad} undefined bytes replaced"
    return text, encoding, (warning,)


def _looks_binary(text: str) -> bool:
    sample = text[:8192]
    return sample.startswith(("%PDF-", "%!PS-", "{\\rtf")) or len(_CONTROL.findall(sample)) > len(sample) / 50


def _from_html(html: str, source: str, encoding: str, warnings: tuple[str, ...]) -> Record:
    trafilatura = _trafilatura()
    # Residue of the page (buttons, teasers, comments, tables) reads like garbled prose, so precision goes
    # before recall. The thorough search for a date is slow, and the date is not used.
    try:
        page = trafilatura.bare_extraction(
            html,
            favor_precision=True,
            include_comments=False,
            include_tables=False,
            with_metadata=True,
            date_extraction_params={"extensive_search": False, "original_date": True},
        )
    except Exception as error:  # lxml, its cleaner and the date parser each raise their own
        reason = f"cannot read the HTML: {_one_line(error)}"
        return Record(source, None, source, error=reason, encoding=encoding, warnings=warnings)
    lines = [line.strip() for line in (page.text or "").split("\n")] if page else []
    text = "\n\n".join(filter(None, lines))
    if not text:
        reason = "no article text found in the HTML"
        return Record(source, None, source, error=reason, encoding=encoding, warnings=warnings)
    fields = {name: value for name in ("title", "url") if (value := getattr(page, name))}
    return Record(source, text, source, encoding=encoding, warnings=warnings, fields=fields)


@cache
def _trafilatura() -> Any:
    # Without a handler, Python prints the warnings of a library to standard error.
    for name in ("trafilatura", "htmldate", "courlan", "justext"):
        logging.getLogger(name).addHandler(logging.NullHandler())
    import trafilatura

    return trafilatura


def _zstd_file(body: io.BufferedReader) -> IO[bytes]:
    try:
        if sys.version_info >= (3, 14):
            from compression import zstd
        else:
            from backports import zstd
    except ImportError as error:
        raise _ReadError(f"reading .zst needs backports.zstd: {_INSTALL}") from error
    return cast(IO[bytes], zstd.ZstdFile(body))


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


def _listed(names: Iterable[object]) -> str:
    shown = [str(name) for name in names]
    return ", ".join(shown[:20]) + (f" and {len(shown) - 20} more" if len(shown) > 20 else "") or "none"
