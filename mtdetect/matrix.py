"""What a model knows of what it has never seen: train without it, test on it, beside a model that has seen it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtdetect.data import LeftOut, Pair, read_pairs, read_rows, sentences_of
from mtdetect.detector import Detector
from mtdetect.evaluate import MIN_ARTICLES
from mtdetect.intervals import auroc, bootstrap, side_shares
from mtdetect.train import train_fast

__all__ = ["KINDS", "family", "train_by_test"]

_TESTED = 0.25
_SEEDS = 3
_LINE = 50  # letters and digits that two documents do not share by chance
F64 = NDArray[np.float64]


def family(row: dict[str, Any]) -> str:
    """Return what kind of system translated an article, such as rbmt or online; nothing if none did."""
    if row["label"] != "mt":
        return ""
    name = str(row.get("system") or "").lower()
    if row["source"] == "llm_mt":
        return "llm"
    for kind in ("rbmt", "online", "google", "deepl"):
        if name.startswith(kind):
            return kind
    return "neural" if row["year"] >= 2018 else "statistical"


def _field(row: dict[str, Any], name: str) -> str:
    return str(row.get(name) or "")


# what is left out: its value in a row of a translated article, and whether it is a matter of round trips
KINDS: dict[str, tuple[Callable[[dict[str, Any]], str], bool]] = {
    "system": (family, False),
    "lang_pair": (partial(_field, name="lang_pair"), False),
    "year": (partial(_field, name="year"), False),
    "engine": (partial(_field, name="pivot"), True),
    "outlet": (partial(_field, name="outlet"), True),
    "seed": (partial(_field, name="source"), False),
}


@dataclass(frozen=True)
class _Versions:
    """Machine and human versions of documents that no model of a matrix has seen."""

    sentences: list[list[str]]
    machine: NDArray[np.bool_]
    group: NDArray[np.int64]
    value: NDArray[np.str_]

    @classmethod
    def collect(cls, rows: Sequence[dict[str, Any]], column: Callable[[dict[str, Any]], str]) -> _Versions:
        """Take the machine's versions by value, and for each value the human ones of the same documents."""
        machine = [(row, column(row)) for row in rows if row["label"] == "mt"]
        values: dict[str, set[str]] = {}
        for row, value in machine:
            values.setdefault(row["group"], set()).add(value)
        people = [(row, value) for row in rows if row["label"] != "mt" for value in sorted(values[row["group"]])]
        both = machine + people
        return cls(
            [sentences_of(row) for row, _ in both],
            np.arange(len(both)) < len(machine),
            np.unique([row["group"] for row, _ in both], return_inverse=True)[1],
            np.array([value for _, value in both], str),
        )

    def figures(self, detector: Detector) -> dict[str, dict[str, Any]]:
        """Return for each value the AUROC of articles and sentences; a side of a document weighs as much as another."""
        known: dict[tuple[str, ...], Any] = {}
        for part in self.sentences:
            if tuple(part) not in known:
                known[tuple(part)] = detector.score_sentences(part)
        scored = [known[tuple(part)] for part in self.sentences]
        found = {}
        for value in np.unique(self.value):
            use = [i for i in np.flatnonzero(self.value == value) if scored[i].mt_score is not None]
            if min(self.machine[use].sum(), (~self.machine[use]).sum()) < MIN_ARTICLES:
                continue
            of_articles = np.array([scored[i].mt_score for i in use], float)
            owner = np.repeat(use, [scored[i].n_sentences for i in use])
            of_sentences = np.array([s.mt_score for i in use for s in scored[i].sentences])
            found[str(value)] = {
                "article": self._area(np.array(use), of_articles),
                "sentence": self._area(owner, of_sentences),
                "articles": len(use),
            }
        return found

    def _area(self, which: NDArray[np.int64], scores: F64) -> dict[str, float]:
        machine, group = self.machine[which], self.group[which]
        share = side_shares(machine, group)
        return bootstrap(
            [group], lambda weights: auroc(machine, scores, share if weights[0] is None else share * weights[0])
        )


def _documents(rows: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Return the document of each group: groups that share a long line by people are versions of one, whatever else."""
    parent: dict[str, str] = {}

    def root(group: str) -> str:
        while parent.setdefault(group, group) != group:
            group = parent[group]
        return group

    seen: dict[str, str] = {}
    for row in rows:
        mine = root(row["group"])
        for line in sentences_of(row) if row["label"] != "mt" else ():
            letters = "".join(filter(str.isalnum, line.lower()))
            if len(letters) >= _LINE:
                parent[root(seen.setdefault(letters, mine))] = mine
    return {group: root(group) for group in list(parent)}


def _pair_rows(pairs: Sequence[Pair], articles: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Return both sides of round trips as rows of articles."""
    rows = []
    for pair in pairs:
        row = {**articles.get(pair.group, {}), "group": pair.group, "pivot": pair.pivot}
        rows += [row | {"label": "mt", "sentences": pair.machine}, row | {"label": "human", "sentences": pair.human}]
    return rows


def train_by_test(
    data: Path, pairs: Sequence[Path], kind: str, log: Callable[[str], None] = lambda line: None
) -> dict[str, Any]:
    """Train the `fast` model without one value after the other, and test each model on all values.

    The tests are on the same documents for all models, a quarter of those that machines translated, or of the round
    trips; no model has seen them in any version. A value must have 15 articles a side.

    Parameters
    ----------
    data : Path
        Folder with the training data.
    pairs : sequence of Path
        Round trips of clean training articles.
    kind : str
        ``system`` (families of systems), ``lang_pair``, ``year``, ``engine`` (pivots), ``outlet`` (of the clean
        articles), or ``seed``: nothing is left out but the documents, by three seeds, tested by source.
    log : callable
        Called with a line after each model.

    Returns
    -------
    dict
        By what the model was trained without ("nothing" first) and what it was tested on: ``article`` and ``sentence``,
        matched AUROC with a 95 % interval from drawing documents again, and ``articles``, how many were judged.

    Raises
    ------
    DataError
        If the data are missing or of another shape.
    """
    column, of_trips = KINDS[kind]
    articles = read_rows(data, "articles_train")
    if of_trips:
        by_group = {row["group"]: {"outlet": row.get("outlet")} for row in articles}
        rows = _pair_rows(read_pairs(pairs), by_group)
    else:
        translated = {row["group"] for row in articles if row["label"] == "mt"}
        rows = [row for row in articles if row["group"] in translated]
    people = {row["group"] for row in rows if row["label"] != "mt"}
    both = {row["group"] for row in rows if row["label"] == "mt"} & people
    document = _documents(rows)
    documents = sorted({document[group] for group in both})
    order = np.random.default_rng(0).permutation(len(documents))
    chosen = {documents[i] for i in order[: round(_TESTED * len(documents))]}
    tested = frozenset(group for group, name in document.items() if name in chosen)
    versions = _Versions.collect(
        [row | {"group": document[row["group"]]} for row in rows if row["group"] in tested & both], column
    )
    of_machine = versions.value[versions.machine]
    values = [
        str(value) for value, n in zip(*np.unique(of_machine, return_counts=True), strict=True) if n >= MIN_ARTICLES
    ]
    plan = [("nothing", None, 0), *((value, value, 0) for value in values if value)]
    if kind == "seed":
        plan = [(f"nothing, seed {seed}", None, seed) for seed in range(_SEEDS)]

    def of(row: dict[str, Any]) -> str:
        if of_trips:  # the outlet of a round trip is that of its article
            return column({**by_group.get(row["group"], {}), **row})
        return "" if "pivot" in row else column(row)

    result = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, value, seed in plan:
            left_out = LeftOut(of, value, tested)
            model = train_fast(data, Path(folder, "model"), pairs=pairs, seed=seed, left_out=left_out)
            result[name] = versions.figures(Detector(model))
            log(f"without {name}: done")
    return result
