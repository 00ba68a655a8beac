"""Rows back to files of the form they came in, with their scores."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson

from mtdetect.corpus import Record
from mtdetect.streams import Compression, Sealed, sync_folder
from mtdetect.types import SCORE_TYPES
from mtdetect.units import printable
from mtdetect.workers import Scored

__all__ = ["KEY", "Archive", "Attributes", "Files", "Lines", "Table", "Writer", "score_struct", "stored_scores"]

KEY = "mtdetect"
"""Field of a row that the scores go to."""
_HEADER = re.compile(rb"^%b:([^\r\n]*(?:\r?\n[ \t][^\r\n]*)*)\r?\n" % KEY.encode(), re.IGNORECASE | re.MULTILINE)
_GROUP_ROWS, _GROUP_BYTES = 10_000, 1 << 26


def score_struct(more: Mapping[str, str] | None = None) -> Any:
    """Return the Arrow type of the scores of an article, a struct with the fields of `SCORE_TYPES`.

    Parameters
    ----------
    more : mapping of str to str, optional
        Types of further fields.
    """
    import pyarrow

    kinds = {"list<string>": pyarrow.list_(pyarrow.string())}
    return pyarrow.struct([(name, kinds.get(kind, kind)) for name, kind in {**SCORE_TYPES, **(more or {})}.items()])


class Writer:
    """Writes the rows of one file.

    Parameters
    ----------
    part : Path
        Where the file is written; it is complete, and on the disk, after `close`.
    compression : {"", "gz", "zst"}
        How it is compressed.
    """

    def __init__(self, part: Path, compression: Compression = "") -> None:
        self.part = part
        self._file = Sealed(part, compression)

    def unfit(self, record: Record) -> str | None:
        """Return why this row can't be written, None if it can."""
        return None if record.raw is not None else "not a row of the form that the file has"

    def write(self, record: Record, scores: dict[str, Any], scored: Scored) -> None:
        """Write one row."""
        raise NotImplementedError

    def carry(self, record: Record) -> None:
        """Write a record that is not an article."""

    def skip(self, record: Record) -> None:
        """Take note of a row that can't be read or written."""

    def close(self) -> None:
        """Put everything on the disk."""
        self._file.close()


class Lines(Writer):
    """JSON Lines: byte for byte as they were, with the scores as the last field."""

    def unfit(self, record: Record) -> str | None:
        """Refuse what is no line, and a line that has a field of our name from somebody else."""
        if record.raw is None:
            return "not a row of JSON Lines"
        if KEY in record.fields and self._without_scores(record) is None:
            return f"the row has a field {KEY!r} already"
        return None

    def write(self, record: Record, scores: dict[str, Any], scored: Scored) -> None:
        """Write the line with its scores."""
        line = self._without_scores(record) or b""
        self._file.write(line[:-1].rstrip() + b',"%b":%b}\n' % (KEY.encode(), orjson.dumps(scores)))

    @staticmethod
    def _without_scores(record: Record) -> bytes | None:
        line = (record.raw or b"").strip()
        if KEY not in record.fields:
            return line
        # an earlier run wrote it, at the end; then it is written anew
        spot = line.rfind(b',"%b":' % KEY.encode())
        try:
            last = orjson.loads(b"{" + line[spot + 1 :])
            rest = orjson.loads(line[:spot] + b"}")
        except orjson.JSONDecodeError:
            return None
        return line[:spot] + b"}" if _is_ours(last.get(KEY)) and KEY not in rest else None


def _is_ours(value: Any) -> bool:
    """Return whether these are scores that an earlier run has written."""
    return (
        isinstance(value, dict)
        and {*SCORE_TYPES} <= {*value} <= {*SCORE_TYPES, "rejected"}
        and str(value["signature"]).startswith(f"{KEY}:")
    )


def stored_scores(record: Record) -> Any:
    """Return the scores that `Table` or `Archive` has written with a row, None if there are none."""
    if record.row is not None:
        batch, place = record.row
        return batch.column(KEY)[place].as_py() if KEY in batch.schema.names else None
    found = _HEADER.search(_head_of(record.raw or b""))
    with suppress(orjson.JSONDecodeError):
        return orjson.loads(found[1]) if found else None
    return None


class Attributes(Writer):
    """Dolma attributes: a line for each line of the documents, errors too, with spans of characters."""

    def __init__(self, part: Path, compression: Compression, model: str) -> None:
        super().__init__(part, compression)
        self._prefix = f"{KEY}__{model.replace('-', '_')}__"

    def write(self, record: Record, scores: dict[str, Any], scored: Scored) -> None:
        """Write the attributes of one document."""
        whole = [0, len(record.text or "")]
        found = {
            name: [] if scores.get(name) is None else [[*whole, float(scores[name])]]
            for name in ("quality", "mt_score")
        }
        found["rejected"] = [[*whole, 1.0]] if "rejected" in scores else []
        rows = scored.sentences or []
        found["sentence_mt_score"] = [row[:3] for row in rows]
        found["flagged"] = [[start, end, 1.0] for start, end, _, flagged in rows if flagged]
        self._put(record, {self._prefix + name: spans for name, spans in found.items()})

    def skip(self, record: Record) -> None:
        """Write a line without attributes, so that the next lines stay beside their documents."""
        self._put(record, {})

    def _put(self, record: Record, attributes: dict[str, Any]) -> None:
        row = {"id": record.id, "attributes": attributes}
        if isinstance(source := record.fields.get("source"), str):
            row["source"] = source
        self._file.write(orjson.dumps(row) + b"\n")


class Archive(Writer):
    """A web archive: records as they were, each its own member if it is gzip, with the scores in a header field."""

    def unfit(self, record: Record) -> str | None:
        """Refuse what is no record, and one that has a header field of our name from somebody else."""
        if record.raw is None:
            return "not a record of a web archive"
        for found in _HEADER.finditer(_head_of(record.raw)):
            try:
                ours = _is_ours(orjson.loads(found[1]))
            except orjson.JSONDecodeError:
                ours = False
            if not ours:
                return f"the record has a header field {KEY!r} already"
        return None

    def write(self, record: Record, scores: dict[str, Any], scored: Scored) -> None:
        """Write the record with one more header field."""
        raw = record.raw or b""
        head = _head_of(raw)
        end = b"\r\n" if head.endswith(b"\r\n") else b"\n"
        line = KEY.encode() + b": " + orjson.dumps(scores) + end
        self._put(_HEADER.sub(b"", head) + line + raw[len(head) :])

    def carry(self, record: Record) -> None:
        """Write the record as it is."""
        self._put(record.raw or b"")

    def _put(self, record: bytes) -> None:
        self._file.write(record + b"\r\n\r\n")
        self._file.next_member()


def _head_of(record: bytes) -> bytes:
    """Return the header without the empty line at its end."""
    found = re.search(rb"\n[ \t\r\f\v]*\n", record)
    return record[: found.start() + 1] if found else record


class Files(Writer):
    """Pages and texts, one to a file: copied as they are; the scores go to a file of JSON Lines.

    Parameters
    ----------
    part : Path
        Where the file of scores is written.
    folder : Path
        Where the copies go.
    names : mapping of str to str
        Name of the copy for each source.
    """

    def __init__(self, part: Path, folder: Path, names: Mapping[str, str]) -> None:
        super().__init__(part)
        self._folder = folder
        self._names = names

    def unfit(self, record: Record) -> str | None:
        """Refuse a row of a file that holds several."""
        return None if record.raw is not None else "JSON that is not one object a line can't be filtered"

    def write(self, record: Record, scores: dict[str, Any], scored: Scored) -> None:
        """Copy the file, and write its scores."""
        name = self._names[record.source]
        place = self._folder / name
        if not place.exists():  # else an earlier run has put it there, complete
            part = self.part.with_name("copy.tmp")
            copy = Sealed(part)
            if record.source == "-":
                copy.write(record.raw or b"")
            else:
                with Path(record.source).open("rb") as source:
                    shutil.copyfileobj(source, copy)
            copy.close()
            place.parent.mkdir(parents=True, exist_ok=True)
            part.replace(place)
            sync_folder(place.parent)
        row = {"id": printable(record.id), "file": printable(name)}
        if record.url or scored.url:
            row["url"] = record.url or scored.url or ""
        self._file.write(orjson.dumps({**row, KEY: scores}) + b"\n")


class Table(Writer):
    """Parquet: all columns as they were, of the same types, and the scores as one more.

    Parameters
    ----------
    part : Path
        Where the file is written; none is if neither `source` nor a row tells the columns.
    source : Path, optional
        The file that the rows come from, for its columns; otherwise the first row has them.
    rejected : bool
        Whether the rows are rejected ones, which say why.
    """

    def __init__(self, part: Path, source: Path | None, rejected: bool) -> None:
        import pyarrow
        from pyarrow import parquet

        self.part = part
        self._type = score_struct({"rejected": "string"} if rejected else {})
        self._codec = "zstd"
        self._writer: Any = None
        self._batch: Any = None
        self._places: list[int] = []
        self._scores: list[dict[str, Any]] = []
        self._ready: list[Any] = []
        if source is None:
            return
        with suppress(OSError, pyarrow.ArrowException), parquet.ParquetFile(source) as file:
            if file.metadata.num_row_groups and file.metadata.num_columns:
                self._codec = file.metadata.row_group(0).column(0).compression.lower()
            self._open(file.schema_arrow)

    def _open(self, schema: Any) -> None:
        import pyarrow
        from pyarrow import parquet

        self._columns = [i for i, name in enumerate(schema.names) if name != KEY]
        fields = [schema.field(i) for i in self._columns]
        self._schema = pyarrow.schema([*fields, pyarrow.field(KEY, self._type)], schema.metadata)
        codec = {"uncompressed": "none"}.get(self._codec, self._codec)
        self._writer = parquet.ParquetWriter(self.part, self._schema, compression=codec)

    def unfit(self, record: Record) -> str | None:
        """Refuse what is no row, and a row that has a column of our name from somebody else."""
        if record.row is None:
            return "not a row of Parquet"
        for field in record.row[0].schema:
            if field.name == KEY:
                names = {field.type.field(i).name for i in range(field.type.num_fields)}
                if not {*SCORE_TYPES} <= names <= {*SCORE_TYPES, "rejected"}:
                    return f"the row has a column {KEY!r} already"
        return None

    def write(self, record: Record, scores: dict[str, Any], scored: Scored) -> None:
        """Take the row out of its batch, sooner or later."""
        assert record.row is not None
        batch, place = record.row
        if batch is not self._batch:
            self._take()
            self._batch = batch
        self._places.append(place)
        self._scores.append(scores)

    def _take(self) -> None:
        """Take the chosen rows out of the batch at hand; write a row group once there are enough of them."""
        import pyarrow

        if self._places:
            if self._writer is None:
                self._open(self._batch.schema)
            rows = self._batch.select(self._columns)
            scores = pyarrow.array(self._scores, self._type)
            try:
                parts = [(rows.take(pyarrow.array(self._places)), scores)]
            except pyarrow.ArrowNotImplementedError:  # of some types, rows can only be cut out
                parts = [(rows.slice(place, 1), scores.slice(i, 1)) for i, place in enumerate(self._places)]
            for part, its_scores in parts:
                batch = pyarrow.RecordBatch.from_arrays([*part.columns, its_scores], schema=self._schema)
                self._ready.append(batch)
            self._places, self._scores = [], []
        n, size = (sum(getattr(batch, name) for batch in self._ready) for name in ("num_rows", "nbytes"))
        if n >= _GROUP_ROWS or size >= _GROUP_BYTES:
            self._write_group()

    def _write_group(self) -> None:
        import pyarrow

        if self._ready:
            self._writer.write_table(pyarrow.Table.from_batches(self._ready), row_group_size=_GROUP_ROWS * 2)
            self._ready = []

    def close(self) -> None:
        """Write the last rows and the index, and put everything on the disk."""
        self._take()
        self._write_group()
        if self._writer is not None and self._writer.is_open:
            self._writer.close()
            with self.part.open("rb+") as file:
                os.fsync(file.fileno())
