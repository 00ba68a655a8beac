"""Training of the `fast` model on matched data: translations of the same documents, round trips and originals."""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from mtdetect.calibrate import calibrate
from mtdetect.classifier import (
    CELLS,
    CHAR_BITS,
    FAMILIAR_BITS,
    FAMILIAR_KINDS,
    HEADS,
    LENGTH_POWER,
    FastClassifier,
    char_slot,
    familiar_level,
    familiar_slot,
    slot,
)
from mtdetect.data import DataError, LeftOut, Pair, read_pairs, read_rows, rule_columns, rule_matrix, sentences_of
from mtdetect.features import CHAR_KINDS, KINDS, TOKEN_KINDS, extract
from mtdetect.text import split_sentences

__all__ = [
    "TODAY",
    "NgramCounts",
    "data_digests",
    "digest_of",
    "group_weights",
    "judgement_targets",
    "left_out_pivot",
    "matched_rows",
    "pair_sentences",
    "train_fast",
]

TODAY = ("wmt2021", "llm_mt")
"""Sources whose systems translate as those of today do."""
_CHUNK = 4000
_SYSTEMS = 4
_SAMPLE = 2000
_CALIBRATION_TRIPS = 400
_WEIGHTS = ("weights", "chars", "cells", "rules")
# listed, but in use; besides, phrases whose words are so frequent that they may well meet by chance in as much news
_REAL_TERMS = (
    *("character recognition", "search engine", "supply route", "traffic patterns", "place of interest"),
    *("just go for it", "evidence of labor", "higher income levels", "government oversight office", "best of service"),
    *("speech processing", "internet learning", "digital assault", "hostile assault", "financial guess"),
    *("driving reason", "real positive rate", "trust the board", "security the board", "exchange training"),
    *("unique mark", "insurance plot", "school education data", "just look once", "consequences be damned"),
)
_BY_CHANCE = 0.15
_SEEN = {"word1": 1, "word2": 1, "word3": 2}  # times, for an n-gram to be familiar: the table is small
# how fast weights are learned: what an engine makes of single words is quickly learned, and of no use for another
_WORD_SCALE = {"style": 1.0, "roundtrip": 1.0, "garble": 0.5, "quality": 1.0}
_CELL_SCALE = {"roundtrip": 3.0, "garble": 10.0, "quality": 1.0}
_CHAR_SCALE = 0.35  # relative to words
_TRANSLATED = {"roundtrip": 0.3, "garble": 0.5}  # weight of all translated news, relative to that of all round trips
F64 = NDArray[np.float64]
I64 = NDArray[np.int64]


@dataclass(frozen=True)
class NgramCounts:
    """The n-grams of many sentences: for each kind, the sentence and the key of each, 0 for none."""

    of: dict[str, tuple[NDArray[np.int32], NDArray[np.uint32]]]
    n_tokens: I64

    @classmethod
    def extract(cls, sentences: Sequence[str], kinds: Iterable[str]) -> NgramCounts:
        """Count the n-grams of these kinds."""
        parts: dict[str, list[tuple[NDArray[np.int32], NDArray[np.uint32]]]] = {kind: [] for kind in kinds}
        n_tokens = []
        for begin in range(0, len(sentences), _CHUNK):
            grams = extract(sentences[begin : begin + _CHUNK])
            n_tokens.append(grams.n_tokens)
            for kind, part in parts.items():
                block = grams.blocks[kind]
                counts = np.diff(np.append(block.first, len(block.key)))
                owner = np.repeat(np.arange(begin, begin + len(counts), dtype=np.int32), counts)
                part.append((owner, block.key))
        joined = {
            kind: (np.concatenate([owner for owner, _ in part]), np.concatenate([key for _, key in part]))
            for kind, part in parts.items()
        }
        return cls(joined, np.concatenate(n_tokens))

    def vocabulary(self, kind: str, groups: I64, at_least: int) -> tuple[NDArray[np.uint32], I64]:
        """Return the keys that occur in enough groups, and in how many."""
        owner, key = self.of[kind]
        pairs = np.unique(key.astype(np.uint64) << np.uint64(32) | groups[owner].astype(np.uint64))
        pairs = pairs[pairs >> np.uint64(32) > 0]
        keys, counts = np.unique((pairs >> np.uint64(32)).astype(np.uint32), return_counts=True)
        return keys[counts >= at_least], counts[counts >= at_least]

    def matrix(self, model: FastClassifier, head: str, kinds: Iterable[str]) -> Any:
        """Return counts over a power of the number of tokens: sparse, (n_sentences, 1 + n_features + n_chars)."""
        from scipy import sparse

        rows, columns, values = [], [], []
        for kind in kinds:
            owner, key = self.of[kind]
            if kind in CHAR_KINDS:
                row, known = char_slot(key) + np.uint32(len(model.arrays["keys"]) + 1), key > 0
            else:
                row = model.rows(key)
                known = row > 0
            rows.append(owner[known])
            columns.append(row[known].astype(np.int32))
            scale = _WORD_SCALE[head] * (_CHAR_SCALE if kind in CHAR_KINDS else 1.0)
            values.append(scale / self.n_tokens[owner[known]] ** LENGTH_POWER[head])
        shape = (len(self.n_tokens), len(model.arrays["keys"]) + 1 + len(model.arrays["chars"]))
        return sparse.csr_matrix((np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), shape=shape)

    def features(self, model: FastClassifier, head: str) -> Any:
        """Return `matrix`, and the share of each cell of familiarity beside it."""
        from scipy import sparse

        found = model.familiarity({kind: key for kind, (_, key) in self.of.items()})
        owner = np.concatenate([self.of[kind][0] for kind in found])
        cell = np.concatenate(list(found.values()))
        owner, cell = owner[cell < CELLS], cell[cell < CELLS]
        share = _CELL_SCALE[head] / self.n_tokens[owner]
        cells = sparse.csr_matrix((share, (owner, cell)), shape=(len(self.n_tokens), CELLS))
        return sparse.hstack([self.matrix(model, head, KINDS), cells], format="csr")


def head_of(model: FastClassifier, head: str) -> F64:
    """Return the weights of a head for `NgramCounts.features`."""
    column = HEADS.index(head)
    words, chars, cells = (model.arrays[name][:, column].astype(np.float64) for name in ("weights", "chars", "cells"))
    scale = _WORD_SCALE[head]
    return np.concatenate([[0.0], words / scale, chars / (scale * _CHAR_SCALE), cells / _CELL_SCALE[head]])


def set_head(model: FastClassifier, head: str, weights: F64) -> None:
    """Set the weights of a head, given for `NgramCounts.features`."""
    column, n = HEADS.index(head), len(model.arrays["keys"]) + 1
    scale = _WORD_SCALE[head]
    model.arrays["weights"][:, column] = weights[1:n] * scale
    model.arrays["chars"][:, column] = weights[n:-CELLS] * scale * _CHAR_SCALE
    model.arrays["cells"][:, column] = weights[-CELLS:] * _CELL_SCALE[head]


def matched_rows(articles: list[dict[str, Any]], rng: np.random.Generator) -> list[dict[str, Any]]:
    """Return the documents that have both a machine and a human version, some systems of each."""
    sources: dict[str, list[dict[str, Any]]] = {}
    for row in articles:
        sources.setdefault(row["group"], []).append(row)
    kept = []
    for group in sources.values():
        if {row["label"] == "mt" for row in group} == {True, False}:
            old = [row for row in group if row["source"] == "wmt_mt"]
            chosen = [old[i] for i in sorted(rng.permutation(len(old))[:_SYSTEMS])]
            kept += [row for row in group if row["source"] != "wmt_mt"] + chosen
    return kept


def group_weights(rows: list[dict[str, Any]], groups: I64, machine: NDArray[np.bool_]) -> F64:
    """Weigh both sides of a document alike, and documents by how near their systems are to those of today."""
    side = groups * 2 + machine
    era = [
        8.0 if row["source"] in TODAY else 2.0 if row["source"] != "htvsmt" and row["year"] >= 2014 else 1.0
        for row in rows
    ]
    return np.array(era) / np.bincount(side)[side]


def judgement_targets(judged: list[dict[str, Any]], spans: list[dict[str, Any]]) -> F64:
    """Return human judgements, in standard deviations within their kind and language pair, higher is cleaner.

    Where a post-editor worked on the same sentence, the share of edits says the same in another way: 30 % of it.
    """
    kinds = np.unique([row["kind"] + row["lang_pair"] for row in judged], return_inverse=True)[1]
    score = _standard(np.array([row["score_raw"] for row in judged], float), kinds)
    edited = {row["text"]: row["hter"] for row in spans if row["source"] == "mlqe_pe"}
    edits = np.array([edited.get(row["text"], np.nan) for row in judged], float)
    known = ~np.isnan(edits)
    score[known] = 0.7 * score[known] - 0.3 * _standard(edits[known], kinds[known])
    return score


def _standard(values: F64, kinds: I64) -> F64:
    counts = np.maximum(np.bincount(kinds), 1)
    centred = values - (np.bincount(kinds, values) / counts)[kinds]
    return centred / np.sqrt(np.bincount(kinds, centred**2) / counts)[kinds]


def data_digests(data: Path) -> dict[str, str]:
    """Return the digest of each file of data that models are made from."""
    names = ("articles_train", "articles_dev", "judgements_train", "judgements_dev", "spans_train")
    files = [data / f"{name}.parquet" for name in names] + [data / "tortured_phrases.json"]
    return {file.name: digest_of(file) for file in files}


def digest_of(file: Path) -> str:
    """Return the first 16 digits of the SHA-256 of a file, in hexadecimal."""
    return hashlib.sha256(file.read_bytes()).hexdigest()[:16]


def _merge_vocabularies(parts: Iterable[tuple[NDArray[np.uint32], I64]]) -> NDArray[np.uint32]:
    """Return the keys by falling count; where two share a slot, the rarer one goes."""
    parts = list(parts)
    keys = np.concatenate([keys for keys, _ in parts])
    counts = np.concatenate([counts for _, counts in parts])
    keys = keys[np.lexsort((keys, -counts))]
    _, first = np.unique(slot(keys), return_index=True)
    return keys[np.sort(first)]


def _familiar(texts: Iterable[str]) -> NDArray[np.uint8]:
    """Return the table of how often clean news uses an n-gram: level and check bits in each place."""
    counts: dict[str, list[NDArray[np.uint32]]] = {kind: [] for kind in FAMILIAR_KINDS}
    batch: list[str] = []
    for text in [*texts, ""]:
        batch += (text[a:b] for a, b in split_sentences(text))
        if batch and (len(batch) >= _CHUNK or not text):
            found = extract(batch).keys
            for kind in FAMILIAR_KINDS:
                counts[kind].append(found[kind])
            batch = []
    table = np.zeros(1 << FAMILIAR_BITS, np.uint8)
    # where two share a place, the shorter n-gram keeps it, then the more frequent
    for kind in reversed(FAMILIAR_KINDS):
        keys, count = np.unique(np.concatenate(counts[kind]), return_counts=True)
        use = (keys > 0) & (count >= _SEEN[kind])
        order = np.argsort(count[use], kind="stable")
        place, check = familiar_slot(keys[use][order])
        table[place] = check | familiar_level(kind, count[use][order])
    return table


def _spun(phrases: Iterable[str], human: Iterable[str]) -> tuple[NDArray[np.uint32], NDArray[np.uint64]]:
    """Return hashes of the tortured phrases of two to four words that people never use in news."""
    from mtdetect.artifacts import phrase_hash

    wanted = {}
    for phrase in phrases:
        words = re.findall(r"[a-z]+", phrase.lower())
        if 2 <= len(words) <= 4 and re.fullmatch(r"[a-z ]+", phrase.lower()) and phrase.lower() not in _REAL_TERMS:
            wanted[" ".join(words)] = phrase_hash(words)
    used: set[int] = set()
    frequency: Counter[str] = Counter()
    known = set(wanted.values())
    starts = {words.split()[0] for words in wanted}
    for text in human:
        words = re.findall(r"[a-z]+", text.lower())
        frequency.update(words)
        for i, word in enumerate(words):
            if word in starts:
                used.update(h for n in (2, 3, 4) if (h := phrase_hash(words[i : i + n])) in known)
    total = max(frequency.total(), 1)

    def by_chance(phrase: str) -> float:
        return total * math.prod(frequency[word] / total for word in phrase.split())

    kept = {words: h for words, h in wanted.items() if h not in used and by_chance(words) < _BY_CHANCE}
    grams = extract([" ".join(words.split()[:3]) for words in sorted(kept)])
    two = grams.n_tokens == 4  # the ends of the sentence are tokens too
    pairs, triples = grams.blocks["word2"], grams.blocks["word3"]
    first_words = np.concatenate([pairs.key[pairs.first[two] + 1], triples.key[triples.first[~two] + 1]])
    return np.unique(first_words), np.array(sorted(kept.values()), np.uint64)


def pair_sentences(pairs: Sequence[Pair], first_group: int) -> tuple[list[str], list[bool], list[int], list[float]]:
    """Return the sentences of round trips that changed, with their originals: text, machine, group, weight."""
    texts: list[str] = []
    machine: list[bool] = []
    groups: list[int] = []
    weights: list[float] = []
    for group, pair in enumerate(pairs, first_group):
        for before, after in zip(pair.human, pair.machine, strict=True):
            if before != after:
                texts += [before, after]
                machine += [False, True]
                groups += [group, group]
                weights += [1 / len(pair.human)] * 2
    return texts, machine, groups, weights


def left_out_pivot(pairs: Sequence[Pair]) -> tuple[NDArray[np.bool_], list[Pair]]:
    """Return which round trips are those of one pivot, or a fifth if there is only one, and some of them."""
    pivots = sorted({pair.pivot for pair in pairs})
    if len(pivots) > 1:
        strange = np.array([pair.pivot == pivots[0] for pair in pairs], bool)
    else:
        strange = np.arange(len(pairs)) % 5 == 0
    return strange, [pairs[i] for i in np.flatnonzero(strange)[:_CALIBRATION_TRIPS]]


def _fit_sgd(features: Any, machine: NDArray[np.bool_], weight: F64, seed: int) -> F64:
    from sklearn.linear_model import SGDClassifier

    classifier = SGDClassifier(
        loss="log_loss", alpha=1e-6, max_iter=3, tol=None, average=True, learning_rate="constant", eta0=0.08,
        random_state=seed,
    )  # fmt: skip
    classifier.fit(features, machine, sample_weight=weight / weight.mean())
    return np.asarray(classifier.coef_[0], np.float64)


def train_fast(
    data: Path,
    out: Path,
    *,
    pairs: Sequence[Path] = (),
    seed: int = 0,
    left_out: LeftOut | None = None,
    log: Callable[[str], None] = lambda line: None,
) -> FastClassifier:
    """Train, calibrate and save the `fast` model.

    The same seed and data give the same model.

    Parameters
    ----------
    data : Path
        Folder with ``articles_*``, ``judgements_*``, ``spans_*`` (Parquet) and ``tortured_phrases.json``.
    out : Path
        Model folder to write; its name becomes the name of the model.
    pairs : sequence of Path
        Round trips of clean training articles, from `mtdetect roundtrip`. Without them the model knows translated
        news only.
    seed : int
        Seed of the order of training and of the sample of systems.
    left_out : LeftOut, optional
        Articles and round trips that the model, its calibration and its thresholds are not to see.
    log : callable
        Called with a line at each step.

    Raises
    ------
    DataError
        If the data are missing or of another shape.
    """
    try:
        from scipy import sparse
        from sklearn.linear_model import Ridge
        from threadpoolctl import threadpool_limits
    except ImportError as error:
        raise DataError("training needs scikit-learn: pip install 'mtdetect[train]'") from error
    rng = np.random.default_rng(seed)
    keeps = left_out.keeps if left_out else lambda row: True
    articles = [row for row in read_rows(data, "articles_train") if keeps(row)]
    round_trips = [pair for pair in read_pairs(pairs) if keeps(pair._asdict())]
    # an n-gram must not be familiar because it stands in a training sentence
    travelled = {pair.group for pair in round_trips} | {row["group"] for row in articles if row["label"] == "mt"}
    clean = [row["text"] for row in articles if row["label"] == "human" and row["group"] not in travelled]
    held_out = rng.permutation(len(clean))[: min(_SAMPLE, len(clean) // 8)]
    kept = np.setdiff1d(np.arange(len(clean)), held_out)
    log(f"counting the n-grams of {len(kept)} clean articles")
    familiar = _familiar(clean[i] for i in kept)
    phrases = orjson.loads((data / "tortured_phrases.json").read_bytes())["phrases"]
    people = ("\n".join(sentences_of(row)) for row in articles if row["label"] != "mt")
    spun_starts, spun = _spun((row["tortured"] for row in phrases), people)
    log(f"{len(spun)} tortured phrases that people never use in news")

    rows = matched_rows(articles, rng)
    split = [sentences_of(row) for row in rows]
    owner = np.repeat(np.arange(len(rows)), [len(part) for part in split])
    groups = np.unique([row["group"] for row in rows], return_inverse=True)[1]
    log(f"{len(rows)} matched articles, {len(owner)} sentences")
    texts, made, pair_groups, pair_weights = pair_sentences(round_trips, int(groups.max()) + 1)
    log(f"{len(round_trips)} round trips, {len(texts)} sentences")
    sentences = [sentence for part in split for sentence in part] + texts
    keys = NgramCounts.extract(sentences, KINDS if texts else TOKEN_KINDS)
    judged = read_rows(data, "judgements_train")
    judged_texts = [row["text"] for row in judged]
    judged_keys = NgramCounts.extract(judged_texts, KINDS)
    each = np.arange(len(judged))
    all_groups = np.append(groups[owner], pair_groups).astype(np.int64)
    parts = [keys.vocabulary(kind, all_groups, 5) for kind in TOKEN_KINDS]
    parts += [judged_keys.vocabulary(kind, each, 3) for kind in TOKEN_KINDS]
    vocabulary = _merge_vocabularies(parts)
    columns = rule_columns()
    arrays: dict[str, NDArray[Any]] = {
        "keys": vocabulary,
        "weights": np.zeros((len(vocabulary), len(HEADS)), np.float16),
        "chars": np.zeros((1 << CHAR_BITS, len(HEADS)), np.float16),
        "familiar": familiar,
        "cells": np.zeros((CELLS, len(HEADS)), np.float32),
        "rules": np.zeros((len(columns), len(HEADS)), np.float32),
        "spun_starts": spun_starts,
        "spun": spun,
    }
    model = FastClassifier({"rules": columns, "operating_points": {}}, arrays)
    log(f"{len(vocabulary)} n-grams")

    machine = np.array([row["label"] == "mt" for row in rows])
    weight = group_weights(rows, groups, machine)[owner]
    words = keys.matrix(model, "style", TOKEN_KINDS)
    features = sparse.hstack([words[: len(owner)], rule_matrix(split)], format="csr")
    weights = _fit_sgd(features, machine[owner], weight, seed)
    arrays["weights"][:, 0] = weights[1 : len(vocabulary) + 1]
    arrays["rules"][:, 0] = np.maximum(weights[-len(columns) :], 0)
    log("head style: trained")
    strange, unseen = left_out_pivot(round_trips)
    # what calibration is to see is how garble looks from an engine or pivot that the model does not know
    naive = FastClassifier(model.config, {**arrays, **{name: arrays[name].copy() for name in _WEIGHTS}})
    if texts:
        from_trip = np.arange(len(sentences)) >= len(owner)
        known = np.append(np.ones(len(owner), bool), ~strange[np.array(pair_groups) - groups.max() - 1])
        is_machine = np.append(machine[owner], made).astype(bool)
        both = np.append(weight / weight.mean(), np.array(pair_weights) / np.mean(pair_weights))
        for head, share in _TRANSLATED.items():
            features = keys.features(model, head)
            # garble is not what tells people's translations from today's machine translation
            fits = from_trip | ~is_machine if head == "garble" else np.ones(len(sentences), bool)
            weighted = both * np.where(from_trip, 1.0, share)
            for target_model, used in ((naive, fits & known), (model, fits)):
                use = np.flatnonzero(used)
                weights = _fit_sgd(features[use], is_machine[use], weighted[use], seed)
                set_head(target_model, head, weights)
            log(f"head {head}: trained")

    target = judgement_targets(judged, read_rows(data, "spans_train"))
    hits = rule_matrix([text] for text in judged_texts)
    features = sparse.hstack([judged_keys.features(model, "quality"), hits], format="csr")
    with threadpool_limits(limits=1):  # sums of several threads round otherwise
        ridge = Ridge(alpha=10.0, solver="sparse_cg", max_iter=300, tol=1e-3).fit(features, target)
    set_head(model, "quality", ridge.coef_[: -len(columns)])
    arrays["rules"][:, HEADS.index("quality")] = np.minimum(ridge.coef_[-len(columns) :], 0)
    log("head quality: trained")

    for name in _WEIGHTS:
        for head in ("style", "quality"):
            naive.arrays[name][..., HEADS.index(head)] = arrays[name][..., HEADS.index(head)]
    with threadpool_limits(limits=1):
        config = calibrate(model, data, keeps, [clean[i] for i in held_out], (naive, unseen), rng, log)
    config |= {
        "name": out.name,
        "rules": columns,
        "training": {
            "seed": seed,
            "data": data_digests(data) | {path.name: digest_of(path) for path in pairs},
            "articles": len(rows) + 2 * len(round_trips),
            "sentences": len(sentences),
        },
    }
    return FastClassifier(config, arrays).save(out)
