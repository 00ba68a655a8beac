"""Throughput of `score_many` over dev articles: OMP_NUM_THREADS=1 python tests/benchmarks/speed.py DATA [MODEL] [N]."""

from __future__ import annotations

import random
import sys
import time
from pathlib import Path

from mtdetect import Detector
from mtdetect.data import read_rows


def main(data: Path, model: str = "fast", n: str = "0") -> None:
    """Print megabytes of UTF-8 and sentences a second, four times; of N articles by chance, or of all."""
    texts = [row["text"] for row in read_rows(data, "articles_dev") if row["text"]]
    if int(n):
        texts = random.Random(0).sample(texts, int(n))
    size = sum(len(text.encode()) for text in texts) / 1e6
    detector = Detector.from_pretrained(model)
    for _ in range(4):
        begin = time.perf_counter()
        found = list(detector.score_many(texts))
        took = time.perf_counter() - begin
        sentences = sum(article.n_sentences for article in found)
        print(f"{size / took:.2f} MB/s, {sentences / took:.0f} sentences a second, {len(found)} articles", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
