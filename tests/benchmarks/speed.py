"""Throughput of `score_many` over the dev articles: OMP_NUM_THREADS=1 python tests/benchmarks/speed.py DATA [MODEL]."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from mtdetect import Detector
from mtdetect.data import read_rows


def main(data: Path, model: str = "fast") -> None:
    """Print megabytes of UTF-8 a second, four times."""
    texts = [row["text"] for row in read_rows(data, "articles_dev") if row["text"]]
    size = sum(len(text.encode()) for text in texts) / 1e6
    detector = Detector.from_pretrained(model)
    for _ in range(4):
        begin = time.perf_counter()
        count = sum(1 for _ in detector.score_many(texts))
        print(f"{size / (time.perf_counter() - begin):.2f} MB/s, {count} articles")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
