"""The data that models are trained, calibrated and evaluated on."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mtdetect.artifacts import RULES, find_artifacts
from mtdetect.text import split_sentences

__all__ = [
    "DataError",
    "LeftOut",
    "Pair",
    "bucket",
    "read_pairs",
    "read_rows",
    "rule_columns",
    "rule_matrix",
    "sentences_of",
]


_PAIRED = ["group", "engine", "pivot", "human_sentences", "mt_sentences"]
_MARKED = ["spans", "synthetic"]


class DataError(ValueError):
    """Training or evaluation data that are missing or of another shape."""


class Pair(NamedTuple):
    """An article and its round trip, sentence by sentence."""

    group: str
    engine: str
    pivot: str
    human: list[str]
    machine: list[str]
    spans: Sequence[list[tuple[int, int, str]]] = ()  # changed or broken on purpose: start, end, category or ""

    @property
    def changed(self) -> NDArray[np.bool_]:
        """Which sentences the machine changed: the others say nothing of it."""
        return np.array([one != other for one, other in zip(self.human, self.machine, strict=True)], bool)


class LeftOut(NamedTuple):
    """What a model is trained without, to be tested on it: a value of a column, and documents."""

    column: Callable[[dict[str, Any]], str]
    value: str | None
    groups: frozenset[str]

    def keeps(self, row: dict[str, Any]) -> bool:
        """Return whether a model may learn from a row of articles, or from a pair as such a row."""
        return row["group"] not in self.groups and (self.value is None or self.column(row) != self.value)


def read_pairs(paths: Iterable[Path]) -> list[Pair]:
    """Return the articles of files that `mtdetect roundtrip` wrote, one for each group, engine and pivot.

    Raises
    ------
    DataError
        If a file is missing, cannot be read, or holds something else.
    """
    found: dict[tuple[str, str, str], Pair] = {}
    for path in paths:
        for row in _read(path, _PAIRED, _MARKED):
            if row["mt_sentences"] is not None:
                key = (row["group"], row["engine"], row["pivot"])
                pair = found.setdefault(key, Pair(*key, [], [], []))
                pair.human.extend(" ".join(sentence.split()) for sentence in row["human_sentences"])
                pair.machine.extend(row["mt_sentences"])
                assert isinstance(pair.spans, list)
                pair.spans.extend(_spans_of(row))
    return list(found.values())


def _spans_of(row: dict[str, Any]) -> list[list[tuple[int, int, str]]]:
    """Return the spans of each sentence of a paragraph."""
    marked = [(span["start"], span["end"], "") for span in row.get("spans") or ()]
    marked += [(span["start"], span["end"], span["category"]) for span in row.get("synthetic") or ()]
    found, begin = [], 0
    for sentence in row["mt_sentences"]:
        end = begin + len(sentence)
        inside = [(max(a - begin, 0), min(b, end) - begin, kind) for a, b, kind in marked if a < end and b > begin]
        found.append(inside)
        begin = end + 1
    return found


def read_rows(data: Path, name: str) -> list[dict[str, Any]]:
    """Return the rows of ``data/name.parquet``.

    Raises
    ------
    DataError
        If the file is missing or cannot be read.
    """
    return _read(data / f"{name}.parquet")


def _read(path: Path, columns: Sequence[str] | None = None, optional: Sequence[str] = ()) -> list[dict[str, Any]]:
    try:
        import pyarrow.parquet
        import scipy  # noqa: F401
    except ImportError as error:
        raise DataError("training and evaluation need: pip install 'mtdetect[train]'") from error
    try:
        table = pyarrow.parquet.read_table(path)
        if columns and not set(columns) <= set(table.column_names):
            raise DataError(f"{path} lacks the columns {', '.join(sorted(set(columns) - set(table.column_names)))}")
        chosen = [name for name in table.column_names if columns is None or name in (*columns, *optional)]
        rows: list[dict[str, Any]] = table.select(chosen).to_pylist()
    except (OSError, pyarrow.ArrowException) as error:
        missing = isinstance(error, FileNotFoundError) and not path.exists()
        raise DataError(f"cannot read {path}: {'no such file' if missing else ' '.join(str(error).split())}") from error
    return rows


def bucket(group: str) -> float:
    """Return a number in [0, 1) by chance, the same for a document whenever it is asked for."""
    return int.from_bytes(hashlib.sha256(group.encode()).digest()[:4], "big") / 2**32


def sentences_of(row: dict[str, Any]) -> list[str]:
    """Return the sentences of an article row, given or split."""
    return list(row["sentences"] or ()) or [row["text"][a:b] for a, b in split_sentences(row["text"] or "")]


def rule_columns() -> list[tuple[str, str]]:
    """Return the columns of rule evidence: category and strength."""
    return [(rule.category, strength) for rule in RULES for strength in ("strong", "weak")]


def rule_matrix(articles: Iterable[Sequence[str]]) -> NDArray[np.bool_]:
    """Return which rule hits which sentence, the sentences of all articles one after the other."""
    column = {key: i for i, key in enumerate(rule_columns())}
    parts = []
    for sentences in articles:
        hits = np.zeros((len(sentences), len(column)), bool)
        ends = np.cumsum([len(sentence) + 1 for sentence in sentences])
        for item in find_artifacts("\n".join(sentences)):
            owner = np.searchsorted(ends, [item.start, item.end - 1], side="right")
            hits[owner[0] : owner[1] + 1, column[item.category, item.strength]] = True
        parts.append(hits)
    return np.concatenate(parts) if parts else np.zeros((0, len(column)), bool)
