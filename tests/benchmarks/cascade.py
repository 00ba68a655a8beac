"""How often a cascade asks `accurate`, and where it differs: python tests/benchmarks/cascade.py DATA PAIRS SHARE.

On a share of the dev documents, none of the calibration's, and on round trips through Esperanto and Serbo-Croatian.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from mtdetect import Detector
from mtdetect.accurate import CALIBRATED, AccurateClassifier
from mtdetect.data import bucket, read_pairs, read_rows, sentences_of
from mtdetect.detector import uncertain
from mtdetect.encoder import RememberingEncoder


def main(data: Path, pairs: Path, share: str) -> None:
    """Print a line for each kind of text."""
    model = Detector.from_pretrained("accurate").classifier
    assert isinstance(model, AccurateClassifier)
    encoder = RememberingEncoder(model.encoder.folder, **model.config["encoder"])
    lowest = max(1 - float(share), CALIBRATED)
    of_kind: dict[str, list[list[str]]] = {}
    for row in read_rows(data, "articles_dev"):
        if bucket(row["group"]) >= lowest and (part := sentences_of(row)):
            of_kind.setdefault(row["label"], []).append(part)
    for pair in read_pairs([pairs]):
        if bucket(pair.group) >= lowest and pair.pivot in ("epo", "hbs"):
            of_kind.setdefault(pair.pivot, []).append(list(pair.machine))
    encoder.read_ahead([part for parts in of_kind.values() for part in parts])
    accurate, fast = Detector(replace(model, encoder=encoder)), Detector(model.fast)
    for kind, parts in of_kind.items():
        by_fast = [fast.score_sentences(part) for part in parts]
        both = [
            (one, other, uncertain(one, model.config["cascade"]))
            for one, other in zip(by_fast, map(accurate.score_sentences, parts), strict=True)
            if other.quality is not None
        ]
        asked = np.array([asks for _, _, asks in both])
        quality = np.array([[one.quality, other.quality] for one, other, _ in both], float).T
        called = np.array([[one.machine_translated, other.machine_translated] for one, other, _ in both]).T
        print(f"{kind}: {len(both)} articles, asked for {asked.mean():.1%}", end="")
        for name, verdict in (("quality below 50", quality < 50), ("called machine-translated", called)):
            cascade = np.where(asked, verdict[1], verdict[0])
            differ = (cascade != verdict[1]).mean()
            shares = f"accurate {verdict[1].mean():.2%}, cascade {cascade.mean():.2%}, differ {differ:.2%}"
            print(f"; {name}: {shares}", end="")
        print(f"; quality differs where not asked by {np.abs(quality[0] - quality[1])[~asked].mean():.1f}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
