"""Evidence in articles by people, read one by one: python tests/benchmarks/read_hits.py DATA OUT, or without arguments.

With arguments, draws up to 200 articles a category that have such evidence, the first hit of each, and writes them to
OUT/CATEGORY.txt for reading, and where they are to OUT/CATEGORY.json. Verdicts go to tests/reading/hits.json, as places
and no text. Without arguments, prints the table of what was read.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import Any

import orjson
from scipy.stats import binomtest

from mtdetect import Detector
from mtdetect.artifacts import find_artifacts
from mtdetect.data import read_rows
from mtdetect.types import Evidence

READ = Path(__file__).parents[1] / "reading" / "hits.json"
AT_MOST = 200
Hit = dict[str, Any]


def draw(data: Path) -> dict[str, list[tuple[Hit, str]]]:
    """Return places and texts by category: rules in train and dev articles, the model's own words in dev."""
    found: dict[str, list[tuple[Hit, str]]] = {}
    detector = Detector.from_pretrained("fast")
    for name in ("articles_train", "articles_dev"):
        for row in read_rows(data, name):
            if row["label"] != "human" or not row["text"]:
                continue
            evidence = find_artifacts(row["text"])
            if name == "articles_dev":
                sentences = detector.score(row["text"]).sentences
                evidence += [e for s in sentences for e in s.evidence if e.category == "unnatural_phrasing"]
            first: dict[str, Evidence] = {}
            for item in evidence:
                first.setdefault(item.category, item)
            for item in first.values():
                hit = {"doc_id": row["doc_id"], "start": item.start, "end": item.end, "strength": item.strength}
                found.setdefault(item.category, []).append((hit | {"message": item.message}, row["text"]))
    rng = random.Random(0)
    return {name: rng.sample(hits, min(AT_MOST, len(hits))) for name, hits in found.items()}


def write(hits: dict[str, list[tuple[Hit, str]]], out: Path) -> None:
    """Write what is to be read, the marked words in brackets."""
    out.mkdir(exist_ok=True)
    for name, chosen in hits.items():
        lines = []
        for i, (hit, text) in enumerate(chosen):
            a, b = hit["start"], hit["end"]
            shown = f"{text[max(0, a - 110) : a]}⟦{text[a:b]}⟧{text[b : b + 90]}".replace("\n", " ⏎ ")
            lines.append(f"{i}\t{hit['strength']}\t{hit['message']}\t{shown}\n")
        (out / f"{name}.txt").write_text("".join(lines), "utf-8")
        (out / f"{name}.json").write_bytes(orjson.dumps([hit for hit, _ in chosen]))


def table() -> list[str]:
    """Return the lines of a table: what share of the hits is damage, whoever did it, with a 95 % interval (Wilson)."""
    lines = ["| evidence in news by people | read | real damage | of all, with those unclear as not | unclear |"]
    lines.append("| --- " * 5 + "|")
    for name, hits in orjson.loads(READ.read_bytes())["hits"].items():
        for strength in ("strong", "weak"):
            verdicts = [hit["verdict"] for hit in hits if hit["strength"] == strength]
            if verdicts:
                n = verdicts.count("damaged")
                low, high = binomtest(n, len(verdicts)).proportion_ci(method="wilson")
                share = f"{n / len(verdicts):.2f} [{low:.2f}, {high:.2f}]"
                lines.append(f"| {name}, {strength} | {len(verdicts)} | {n} | {share} | {verdicts.count('unclear')} |")
    return lines


if __name__ == "__main__":
    if len(sys.argv) > 1:
        write(draw(Path(sys.argv[1])), Path(sys.argv[2]))
    else:
        print("\n".join(table()))
