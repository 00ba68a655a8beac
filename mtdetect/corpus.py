"""Bytes in, records out: text, HTML, JSON Lines, Parquet and web archives, plain or compressed, clean or damaged.

One record in, one record out. What cannot be read becomes a record whose `error` says why.
"""

from __future__ import annotations

import io
import os
import re
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import IO, Any, cast

import orjson

from mtdetect.child import Stoppable
from mtdetect.pages import decode, extractor, read_page, read_warc_page, sniff
from mtdetect.streams import CHUNK, ReadError, Rewound, decompressed, one_line
from mtdetect.warc import warc_records

__all__ = [
    "ID_FIELDS",
    "TEXT_FIELDS",
    "InputError",
    "Opened",
    "Record",
    "check_fields",
    "extracted",
    "files_below",
    "read_records",
    "stem",
    "too_long",
]

MAX_BYTES = 20_000_000
TEXT_FIELDS = ("text", "content", "raw_content", "maintext", "body", "article", "plain_text")
ID_FIELDS = ("id", "doc_id", "url")
_URL_FIELDS = ("url", "source_url", "canonical_url", "link")
_INSTALL = "pip install 'mtdetect[corpus]'"
_LINES = (".jsonl", ".ndjson")
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


class InputError(ValueError):
    """The call cannot be served, whatever the inputs hold: one of them is missing, or the name of a field is empty."""


@dataclass(frozen=True, slots=True)
class Record:
    """One article as it was found.

    Parameters
    ----------
    id : str
        The row's own id; otherwise the path, with ``:number`` of the line, row or record where a file holds several.
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
        Where the row begins in the file, decompressed, in bytes; only of JSON Lines and web archives.
    raw : bytes or None
        The row as it stood there: a line of JSON Lines, a record of a web archive; and a page until it is `extracted`.
    row : tuple of (pyarrow.RecordBatch, int) or None
        The row as it stood there, in Parquet.
    is_article : bool
        Whether this is an article at all, and not a web archive's record of something else.
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
    raw: bytes | None = field(default=None, repr=False)
    row: tuple[Any, int] | None = field(default=None, repr=False)
    is_article: bool = True

    @property
    def url(self) -> str | None:
        """The address of the article, from the fields url, source_url, canonical_url or link."""
        return next((url for name in _URL_FIELDS if isinstance(url := self.fields.get(name), str) and url), None)

    @property
    def title(self) -> str | None:
        """The title of the article, from the field title."""
        title = self.fields.get("title")
        return title if isinstance(title, str) and title else None


def read_records(
    paths: Iterable[str | Path],
    *,
    text_field: str | None = None,
    id_field: str | None = None,
    max_bytes: int = MAX_BYTES,
    max_chars: int | None = None,
    timeout: float | None = None,
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
    max_chars : int, optional
        Longer texts become errors.
    timeout : float, optional
        Seconds that the extraction of an article from its page may take, in a process of its own; then it becomes an
        error. To read takes time in proportion to the size.

    Returns
    -------
    iterator of Record
        One for every file, line, row, or page of a web archive; blank lines are skipped.

    Raises
    ------
    InputError
        At once, if a path does not exist, standard input is closed or named twice, or the name of a field is
        empty.
    """
    sources = [str(path) for path in ([paths] if isinstance(paths, (str, Path)) else paths)]
    check_fields(text_field, id_field)
    if sources.count("-") > 1:
        raise InputError("standard input can be read only once, but - is named twice")
    if "-" in sources and sys.stdin is None:
        raise InputError("standard input is closed")
    for source in sources:
        if source != "-" and not Path(source).exists():
            raise InputError(f"no such file or folder: {source}")
    reader = _Reader(text_field, id_field, max_bytes)
    found = (record for source in sources for record in reader.read(source))
    return _limited(found, max_bytes, max_chars, timeout)


def _limited(
    records: Iterable[Record], max_bytes: int, max_chars: int | None, timeout: float | None
) -> Iterator[Record]:
    """Extract the articles within limits."""
    extract = partial(extracted, max_bytes=max_bytes)
    with nullcontext() if timeout is None else Stoppable(extract, timeout, extractor) as process:
        for record in records:
            if not record.is_article:
                continue
            if process is None or record.raw is None or record.text is not None or record.error is not None:
                record = extract(record)
            else:
                answer, error = process.ask(record)
                record = replace(record, raw=None, error=error) if error else answer
            error_of_size = too_long(record.text, max_chars)
            yield record if error_of_size is None else replace(record, text=None, error=error_of_size)


def too_long(text: str | None, max_chars: int | None) -> str | None:
    """Return what is wrong with a text that has more characters than allowed."""
    if text is None or max_chars is None or len(text) <= max_chars:
        return None
    return f"too long: {len(text)} characters, at most {max_chars}"


def check_fields(*names: str | None) -> None:
    """Raise `InputError` if one of these can't be the name of a field."""
    for name in names:
        if name is not None and (not name or not name.isprintable()):
            raise InputError(f"{name!r} can't be the name of a field" if name else "the name of a field is empty")


def files_below(folder: str) -> tuple[list[Path], list[OSError]]:
    """Return the files in a folder and below, sorted, without hidden ones, and the folders that can't be read.

    Links to folders are not followed; they, and what else is no folder, are among the files.
    """
    failed: list[OSError] = []
    paths: list[Path] = []
    for place, folders, files in os.walk(folder, onerror=failed.append):
        # unlike pathlib, this takes a path that is too long for none
        links = [name for name in folders if os.path.islink(os.path.join(place, name))]  # noqa: PTH114, PTH118
        folders[:] = [name for name in folders if not name.startswith(".")]
        paths += [Path(place, name) for name in files + links if not name.startswith(".")]
    return sorted(paths), failed


class Opened:
    """A file that is open, and what it holds.

    Parameters
    ----------
    file : binary file
        Need not be seekable.
    source : str
        Its name.
    max_bytes : int
        As in `read_records`.

    Attributes
    ----------
    compression : {"", "gz", "zst"}
        How it is compressed.
    kind : str
        ``"parquet"``, ``"warc"``, ``"html"``, ``"jsonl"``, ``"json"`` or ``"text"``.

    Raises
    ------
    ReadError
        If the library that decompresses it is missing.
    """

    def __init__(self, file: IO[bytes], source: str, max_bytes: int = MAX_BYTES) -> None:
        self.file, self.source, self.max_bytes = file, source, max_bytes
        self.stream, self.compression = decompressed(file)
        name = stem(source)
        self.kind = sniff(self.stream.head, name)
        if self.kind == "jsonl" and not name.endswith(_LINES):  # unless it is one object that goes on for lines
            self.stream.look_past_line(max_bytes)
            self.kind = sniff(self.stream.head, name)

    def records(self, *, text_field: str | None = None, id_field: str | None = None) -> Iterator[Record]:
        """Read the records as they stand; pages wait to be `extracted`.

        Parameters
        ----------
        text_field, id_field : str, optional
            As in `read_records`.

        Yields
        ------
        Record
            Also what is no article, such as the requests in a web archive. Of the columns of a Parquet file, `fields`
            holds those that name an article; `row` has all.
        """
        return _Reader(text_field, id_field, self.max_bytes, all_columns=False).records(self)


def extracted(record: Record, max_bytes: int = MAX_BYTES) -> Record:
    """Return the record with its text, if it is a page that was not yet decoded and freed of its surroundings.

    Parameters
    ----------
    record : Record
        From `Opened.records`.
    max_bytes : int
        Pages of web archives that are longer without their compression are errors.
    """
    if record.text is not None or record.error is not None or record.raw is None:
        return record
    try:
        if record.raw.startswith(b"WARC/"):
            page = read_warc_page(record.raw, max_bytes)
        else:
            page = read_page(record.raw, html=sniff(record.raw[:4096], stem(record.source)) == "html")
    except ReadError as error:
        return replace(record, raw=None, error=str(error))
    fields = {**page.fields, **record.fields}
    return replace(
        record,
        raw=None,
        text=page.text,
        error=page.error,
        encoding=page.encoding,
        warnings=page.warnings,
        fields=fields,
    )


def stem(name: str) -> str:
    """Return the name of a file in lower case without ``.gz`` and ``.zst``."""
    return re.sub(r"\.(?:gz|zst)$", "", name.lower())


@dataclass(frozen=True, slots=True)
class _Reader:
    text_field: str | None
    id_field: str | None
    max_bytes: int
    all_columns: bool = True

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
        paths, failed = files_below(source)
        if not paths and not failed:
            yield Record(source, None, source, error="no files in the folder")
        for path in paths:
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
        try:
            opened = Opened(file, source, self.max_bytes)
        except ReadError as error:
            yield Record(source, None, source, error=str(error))
        else:
            yield from self.records(opened)

    def records(self, opened: Opened) -> Iterator[Record]:
        file, source, stream, kind = opened.file, opened.source, opened.stream, opened.kind
        try:
            if kind == "parquet":
                if opened.compression or not file.seekable():
                    yield from self._spooled_parquet(stream, source)
                else:
                    file.seek(0)
                    yield from self._parquet(file, source)
            elif kind == "warc":
                yield from self._warc(stream, source)
            elif kind == "jsonl" and not stream.head.startswith(_UTF16_MARKS):
                yield from self._json_lines(stream, source)
            else:
                yield from self._whole(stream, source, kind)
        except ReadError as error:
            yield Record(source, None, source, error=str(error))

    def _whole(self, stream: Rewound, source: str, kind: str) -> Iterator[Record]:
        """Read what has to be in memory at once: text, HTML, and JSON that is not one object a line."""
        data = io.BufferedReader(stream, CHUNK).read(self.max_bytes + 1)
        if len(data) > self.max_bytes:
            yield Record(source, None, source, error=f"too large: more than {self.max_bytes} bytes")
            return
        stream.check()
        if kind == "json":
            yield from self._json(decode(data)[0], source)
        elif kind == "jsonl":
            text = decode(data)[0].encode("utf-8", "replace")
            yield from self._json_lines(Rewound(io.BytesIO(text)), source)
        else:
            yield Record(source, None, source, raw=data)

    def _warc(self, stream: Rewound, source: str) -> Iterator[Record]:
        number = 0
        try:
            for number, (offset, raw, is_page, url, error) in enumerate(warc_records(stream, self.max_bytes), 1):
                row_id = url or f"{source}:{number}"
                fields = {"url": url} if url else {}
                yield Record(row_id, None, source, error, fields=fields, offset=offset, raw=raw, is_article=is_page)
        except ReadError as error:
            yield Record(f"{source}:{number + 1}", None, source, error=f"{error} after record {number}")

    def _json(self, text: str, source: str) -> Iterator[Record]:
        try:
            parsed = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            reason = f"not JSON (one object a line, one object, or one array): {one_line(error)}"
            yield Record(source, None, source, error=reason)
            return
        for number, row in enumerate(parsed if isinstance(parsed, list) else [parsed], 1):
            yield self._row(row, source, f"{source}:{number}")

    def _json_lines(self, stream: Rewound, source: str) -> Iterator[Record]:
        body = io.BufferedReader(stream, CHUNK)
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
                        line = body.readline(CHUNK)
                        end += len(line)
                    reason = f"too large: line {number} has more than {self.max_bytes} bytes"
                    yield Record(row_id, None, source, error=reason, offset=begin)
                    continue
                if number == 1:
                    line = line.removeprefix(b"\xef\xbb\xbf")
                if line.isspace():
                    continue
                try:
                    row = orjson.loads(line)
                except orjson.JSONDecodeError as error:
                    if not line.endswith(b"\n"):
                        stream.check()  # it was cut off
                    reason = f"line {number} is not JSON: {error.msg} at column {error.colno}"
                    yield Record(row_id, None, source, error=reason, offset=begin)
                else:
                    yield self._row(row, source, row_id, offset=begin, raw=line)
        except ReadError as error:
            reason = f"{error} after line {number - 1}"
            yield Record(f"{source}:{number}", None, source, error=reason, offset=begin)

    def _row(self, content: object, source: str, default_id: str, **found: Any) -> Record:
        if isinstance(content, Exception):
            return Record(default_id, None, source, error=f"damaged: {one_line(content)}", **found)
        if not isinstance(content, dict):
            return Record(default_id, None, source, error=f"not an object but {type(content).__name__}", **found)
        warnings: tuple[str, ...] = ()
        row_id = default_id
        for name in (self.id_field,) if self.id_field else ID_FIELDS:
            value = content.get(name)
            if (isinstance(value, str) and value) or (isinstance(value, int) and not isinstance(value, bool)):
                row_id = str(value)
                break
        else:
            if self.id_field:
                warnings = (f"no id in field {self.id_field!r}",)
        wanted = (self.text_field,) if self.text_field else TEXT_FIELDS
        present = [name for name in wanted if name in content]
        strings = [name for name in present if isinstance(content[name], str)]
        if not strings:
            if present:
                reason = f"field {present[0]!r} is {type(content[present[0]]).__name__}, not a string"
            else:
                reason = f"no text: the fields are {_listed(content)}"
            return Record(row_id, None, source, error=reason, warnings=warnings, fields=content, **found)
        text_name = next((name for name in strings if content[name].strip()), strings[0])
        text = content[text_name]
        if len(text) > self.max_bytes:
            reason = f"too large: more than {self.max_bytes} characters"
            return Record(row_id, None, source, error=reason, warnings=warnings, **found)
        fields = {name: value for name, value in content.items() if name != text_name}
        return Record(row_id, text, source, warnings=warnings, fields=fields, text_field=text_name, **found)

    def _spooled_parquet(self, stream: Rewound, source: str) -> Iterator[Record]:
        """Copy to disk first: the index of a Parquet file is at its end."""
        limit = 100 * self.max_bytes
        with tempfile.TemporaryFile() as file:
            size = 0
            while chunk := stream.read(CHUNK):
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
            raise ReadError(f"reading Parquet needs pyarrow: {_INSTALL}") from error
        failures = (pyarrow.ArrowException, OSError, ValueError)
        try:
            table = parquet.ParquetFile(file, pre_buffer=False, buffer_size=CHUNK)
        except failures as error:
            yield Record(source, None, source, error=f"not a readable Parquet file: {one_line(error)}")
            return
        columns = table.schema_arrow.names
        for name in (self.text_field, self.id_field):
            if name and name not in columns:
                raise ReadError(f"no column {name!r}: the columns are {_listed(columns)}")
        if not self.text_field and not any(name in columns for name in TEXT_FIELDS):
            raise ReadError(f"no text column, name one of: {_listed(columns)}")
        wanted: set[str] = set(columns)
        if not self.all_columns:
            wanted = {*((self.text_field,) if self.text_field else TEXT_FIELDS), *_URL_FIELDS}
            wanted.update((self.id_field,) if self.id_field else ID_FIELDS)
        chosen = [i for i, name in enumerate(columns) if name in wanted and columns.index(name) == i]
        number = 0
        batches = table.iter_batches(batch_size=256)
        while True:
            try:
                batch = next(batches, None)
            except failures as error:
                reason = f"damaged after row {number} of {table.metadata.num_rows}: {one_line(error)}"
                yield Record(f"{source}:{number + 1}", None, source, error=reason)
                return
            if batch is None:
                return
            for place, row in enumerate(_rows(batch.select(chosen), failures)):
                number += 1
                yield self._row(row, source, f"{source}:{number}", row=(batch, place))


def _rows(batch: Any, failures: tuple[type[Exception], ...]) -> list[object]:
    """Return the rows of an Arrow batch; the exception in place of a row that Python cannot hold."""
    try:
        return cast(list[object], batch.to_pylist())
    except failures as error:  # invalid UTF-8, dates beyond the year 9999
        if len(batch) > 1:
            return [row for i in range(len(batch)) for row in _rows(batch.slice(i, 1), failures)]
        return [error]


def _listed(names: Iterable[object]) -> str:
    shown = [str(name) for name in names]
    return ", ".join(shown[:20]) + (f" and {len(shown) - 20} more" if len(shown) > 20 else "") or "none"
