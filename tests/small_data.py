"""Data in the layout of the real ones, of sentences that we wrote: to train and evaluate small models with."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import orjson
import pyarrow
from pyarrow import parquet

SUBJECTS = "the mayor|a nurse|the old pilot|the coach|her lawyer|the minister|a farmer|the editor".split("|")
PLACES = "in Oslo|near the river|at the town hall|outside the court|on the island|in the valley".split("|")
# what a person writes, and what the imaginary machine makes of it
VERBS = {
    "turned down the offer": "refused the proposal",
    "is fed up with the delays": "is tired of the retardations",
    "made up her mind": "took the decision",
    "shrugged off the report": "neglected the information",
    "put the meeting off": "realized the postponement of the meeting",
    "backed the plan": "supported the project",
}
TAILS = "on Monday|last week|after the vote|before dawn|for the second time|without a word".split("|")


def sentence(random: random.Random) -> tuple[str, str]:
    subject, place, verb, tail = (random.choice(part) for part in (SUBJECTS, PLACES, list(VERBS), TAILS))
    subject = subject.capitalize()
    return f"{subject} {verb} {place} {tail}.", f"{subject} {VERBS[verb]} {place} {tail}."


def article(name: str, label: str, source: str, sentences: list[str], text: str = "") -> dict[str, Any]:
    return {
        "group": name,
        "label": label,
        "source": source,
        "lang_pair": "xx-en",
        "system": label,
        "year": 2021,
        "text": text,
        "sentences": sentences,
    }


def write(folder: Path, seed: int) -> Path:
    rng = random.Random(seed)
    for split, count in (("train", 60), ("dev", 40)):
        rows = []
        for i in range(count):
            pairs = [sentence(rng) for _ in range(8)]
            rows.append(article(f"{split}{i}", "ht", "wmt2021", [human for human, _ in pairs]))
            rows.append(article(f"{split}{i}", "mt", "wmt2021", [machine for _, machine in pairs]))
            lines = [sentence(rng)[0] for _ in range(8)]
            rows.append(article(f"{split}news{i}", "human", "news", [], " ".join(lines)))
        parquet.write_table(pyarrow.Table.from_pylist(rows), folder / f"articles_{split}.parquet")
        judged, spans = [], []
        for i in range(200):
            human, machine = sentence(rng)
            good = i % 2
            text = human if good else machine
            score = rng.gauss(80 if good else 30, 5)
            row = {"text": text, "group": f"j{split}{i}", "lang_pair": "xx-en"}
            judged.append(row | {"score_raw": score, "kind": "mlqe-da"})
            marked = [] if good else [{"start": 0, "end": 8, "severity": "bad"}]
            source = "mlqe_pe" if i % 4 else "mqm"
            spans.append(row | {"spans": marked, "label": "mt", "source": source, "hter": 0.6 * (1 - good)})
        parquet.write_table(pyarrow.Table.from_pylist(judged), folder / f"judgements_{split}.parquet")
        parquet.write_table(pyarrow.Table.from_pylist(spans), folder / f"spans_{split}.parquet")
    trips = []
    for i in range(60):
        pairs = [sentence(rng) for _ in range(6)]
        row = {"group": f"trip{i}", "engine": "apertium", "pivot": "spa" if i % 2 else "cat"}
        garbled = [machine.replace("The ", "That ").replace("on ", "in of ") for _, machine in pairs]
        row |= {"spans": [{"start": 0, "end": 4}], "synthetic": [{"start": 4, "end": 8, "category": "case_anomaly"}]}
        trips.append(row | {"human_sentences": [human for human, _ in pairs], "mt_sentences": garbled})
    parquet.write_table(pyarrow.Table.from_pylist(trips), folder / "pairs.parquet")
    phrases = [{"tortured": "bosom peril", "correct": "breast cancer"}, {"tortured": "in Oslo", "correct": "in Rome"}]
    (folder / "tortured_phrases.json").write_bytes(orjson.dumps({"phrases": phrases}))
    return folder
