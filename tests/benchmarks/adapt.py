"""What adapting a model to an unseen pivot gives and costs: python tests/benchmarks/adapt.py DATA DEV_PAIRS.parquet.

The pairs are those of `select_articles.py`. Every second dev article is for adapting, the others are measured on.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow
from pyarrow import compute, parquet

from mtdetect import Detector
from mtdetect.data import read_rows, sentences_of
from mtdetect.evaluate import evaluate
from mtdetect.intervals import rate
from mtdetect.tables import _cell
from mtdetect.tune import tune_fast

PIVOTS = ("epo", "hbs")
SIZES = (10, 50, 200)


def main(data: Path, pairs: Path) -> None:
    """Print a table."""
    table = parquet.read_table(pairs)
    groups = sorted(set(table["group"].to_pylist()))
    rows = [row for row in read_rows(data, "articles_dev") if row["source"] == "wmt2022" and row["label"] == "ht"]
    translated = [sentences_of(row) for row in rows]
    document = np.unique([row["group"] for row in rows], return_inverse=True)[1]
    base = Detector.from_pretrained("fast")
    heads = ["adapted to", "articles", "tested on", "sentence AUROC", "article AUROC", "quality below 50, %"]
    heads += ["originals, %", "translations by people: flagged, %", "below 50, %"]
    print(f"| {' | '.join(heads)} |\n{'| --- ' * len(heads)}|")
    with tempfile.TemporaryDirectory() as folder:
        unseen = Path(folder, "unseen.parquet")
        parquet.write_table(_of(table, PIVOTS, groups[1::2]), unseen)
        for pivot, size in [("", 0), *((pivot, size) for pivot in PIVOTS for size in SIZES)]:
            detector = base
            if size:
                own = Path(folder, "own.parquet")
                parquet.write_table(_of(table, [pivot], groups[::2][:size]), own)
                detector = Detector(tune_fast(base.classifier, Path(folder, "own"), [own]))
            articles = [detector.score_sentences(sentences) for sentences in translated]
            flagged = np.array([s.flagged for article in articles for s in article.sentences])
            owner = np.repeat(document, [article.n_sentences for article in articles])
            judged = np.array([article.quality is not None for article in articles])
            below = np.array([article.quality or 100 for article in articles])[judged] < 50
            costs = [_cell(rate(flagged, owner), percent=True), _cell(rate(below, document[judged]), percent=True)]
            for name, row in evaluate(detector, None, [unseen])["round trips"].items():
                cells = [pivot or "none", str(size), name.partition("/")[2]]
                cells += [_cell(row["sentence auroc"]), _cell(row["article auroc"])]
                cells += [_cell(row[key], percent=True) for key in ("quality below 50", "originals below 50")]
                print(f"| {' | '.join([*cells, *costs])} |", flush=True)


def _of(table: pyarrow.Table, pivots: list[str] | tuple[str, ...], groups: list[str]) -> pyarrow.Table:
    known = compute.is_in(table["pivot"], pyarrow.array(list(pivots)))
    return table.filter(compute.and_(known, compute.is_in(table["group"], pyarrow.array(groups))))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
