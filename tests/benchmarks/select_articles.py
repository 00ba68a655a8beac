"""Choose the clean articles that go on a round trip: python tests/benchmarks/select_articles.py DATA OUT.

Writes ``OUT/spa.jsonl``, ``cat.jsonl`` and ``glg.jsonl``, 1,400 training articles each that no other pivot gets, and
``OUT/dev.jsonl``, 400 dev articles. The pairs of fast-v4 are made of them by::

    for p in spa cat glg; do
        mtdetect roundtrip OUT/$p.jsonl -o OUT/$p.parquet --pivot $p --workers 2 --corrupt 0.05 --seed 0; done
    mtdetect roundtrip OUT/dev.jsonl -o OUT/dev.parquet --pivot epo --pivot hbs --pivot spa --pivot cat --pivot glg
"""

from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import Any

import orjson

from mtdetect.data import read_rows

MATCHED = ("wmt_mt", "wmt_ref", "wmt2021", "llm_mt", "htvsmt")
KEPT = ("text", "group", "source", "license", "outlet", "year")


def main(data: Path, out: Path) -> None:
    """Write the files."""
    out.mkdir(parents=True, exist_ok=True)
    train, dev = (_clean(data, name) for name in ("articles_train", "articles_dev"))
    for place, pivot in enumerate(("spa", "cat", "glg")):
        _write(out / f"{pivot}.jsonl", train[1400 * place : 1400 * (place + 1)])
    _write(out / "dev.jsonl", dev[:400])


def _clean(data: Path, name: str) -> list[dict[str, Any]]:
    rows = read_rows(data, name)
    rows = [row for row in rows if row["label"] == "human" and row["text"] and row["source"] not in MATCHED]
    rows.sort(key=lambda row: str(row["doc_id"]))
    random.Random(0).shuffle(rows)
    return rows


def _write(path: Path, rows: list[dict[str, Any]]) -> None:
    lines = ({"id": row["doc_id"]} | {key: row[key] for key in KEPT} for row in rows)
    path.write_bytes(b"".join(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE) for line in lines))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
