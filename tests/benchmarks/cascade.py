"""How often a cascade asks `accurate`, and where it differs: python tests/benchmarks/cascade.py DATA PAIRS SHARE.

On a share of the dev documents, none of the calibration's, and on round trips through Esperanto and Serbo-Croatian.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mtdetect import Detector
from mtdetect.accurate import CALIBRATED, AccurateClassifier
from mtdetect.data import bucket, read_pairs, read_rows, sentences_of
from mtdetect.detector import uncertain
from mtdetect.encoder import RememberingEncoder
from mtdetect.intervals import rate


def main(data: Path, pairs: Path, share: str) -> None:
    """Print a line for each kind of text."""
    model = Detector.from_pretrained("accurate").classifier
    assert isinstance(model, AccurateClassifier)
    encoder = RememberingEncoder(model.encoder.folder, **model.config["encoder"])
    lowest = max(1 - float(share), CALIBRATED)
    of_kind: dict[str, list[tuple[str, list[str]]]] = {}
    for row in read_rows(data, "articles_dev"):
        if bucket(row["group"]) >= lowest and (part := sentences_of(row)):
            of_kind.setdefault(row["label"], []).append((row["group"], part))
    for pair in read_pairs([pairs]):
        if bucket(pair.group) >= lowest and pair.pivot in ("epo", "hbs"):
            of_kind.setdefault(pair.pivot, []).append((pair.group, list(pair.machine)))
    encoder.read_ahead([part for parts in of_kind.values() for _, part in parts])
    accurate, fast = Detector(replace(model, encoder=encoder)), Detector(model.fast)
    for kind, parts in of_kind.items():
        by_fast = [fast.score_sentences(part) for _, part in parts]
        both = [
            (group, one, other, uncertain(one, model.config["cascade"]))
            for (group, _), one, other in zip(
                parts, by_fast, (accurate.score_sentences(part) for _, part in parts), strict=True
            )
            if other.quality is not None
        ]
        group = np.unique([name for name, *_ in both], return_inverse=True)[1]

        def percent(hit: NDArray[np.bool_], group: NDArray[np.int64] = group) -> str:
            found = rate(hit, group)
            return f"{found['value']:.2%} [{found['low']:.2%}, {found['high']:.2%}]"

        asked = np.array([asks for *_, asks in both])
        quality = np.array([[one.quality, other.quality] for _, one, other, _ in both], float).T
        called = np.array([[one.machine_translated, other.machine_translated] for _, one, other, _ in both]).T
        print(f"{kind}: {len(both)} articles, asked for {percent(asked)}", end="")
        for name, verdict in (("quality below 50", quality < 50), ("called machine-translated", called)):
            cascade = np.where(asked, verdict[1], verdict[0])
            print(f"; {name}: accurate {percent(verdict[1])}, cascade {percent(cascade)}", end="")
            print(f", differ {percent(cascade != verdict[1])}", end="")
        print(f"; quality differs where not asked by {np.abs(quality[0] - quality[1])[~asked].mean():.1f}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
