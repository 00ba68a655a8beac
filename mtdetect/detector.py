"""The detector: from text to sentences with evidence, and to the quality of the article."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import accumulate, pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mtdetect.accurate import AccurateClassifier, in_article, load_model
from mtdetect.artifacts import find_artifacts, spun_synonym
from mtdetect.categories import ignored
from mtdetect.classifier import (
    FastClassifier,
    ModelError,
    article_features,
    article_mt_features,
    model_folder,
    said_first,
    sentence_weights,
    sigmoid,
)
from mtdetect.encoder import Marks
from mtdetect.encoding import mended
from mtdetect.features import MAX_CHARS, Grams, extract
from mtdetect.reasons import PHRASING, garbled, is_dense, machine_like
from mtdetect.residue import page_residue
from mtdetect.text import Edits, looks_english, split_sentences
from mtdetect.types import ArticleScore, Evidence, OperatingPoint, SentenceScore
from mtdetect.version import __version__

__all__ = ["DEFAULT_POINT", "MIN_WORDS", "Detector", "uncertain"]

DEFAULT_POINT = "fpr_1"
MIN_WORDS = 25
"""An article of fewer words gets no quality."""
_BATCH_CHARS = 100_000
F64 = NDArray[np.float64]


class _Draft(NamedTuple):
    """An article on its way: what is known before the classifier has seen it."""

    verbatim: str
    text: str  # that is judged, and that the offsets here refer to
    edits: Edits | None
    damage: tuple[Evidence, ...]  # in the verbatim text
    spans: list[tuple[int, int]]
    evidence: list[Evidence]
    residue: tuple[Evidence, ...]
    reason: str | None


class Detector:
    """Finds machine-translation artifacts in English news.

    Use `from_pretrained` to get one. A detector keeps no state between articles: the same text gets the same
    scores, whatever was scored before or beside it.

    Parameters
    ----------
    classifier : FastClassifier or AccurateClassifier
        The trained model.
    point : str
        Name of the operating point, such as ``"fpr_1"``.
    ignore : iterable of str
        Categories that are switched off: what they would find is neither shown nor counted in any score. Without
        ``"unnatural_phrasing"``, `mt_score` alone flags no sentence; without ``"page_residue"``, such lines are text.
    cascade : bool
        Whether the linear model of an accurate classifier judges every article first, and the encoder only where that
        is uncertain.

    Raises
    ------
    ValueError
        If a category is none of `mtdetect.categories.CATEGORIES`.

    Examples
    --------
    >>> from mtdetect import Detector
    >>> detector = Detector.from_pretrained("fast")
    >>> article = detector.score("He was killed in a drone. He hits.")
    >>> article.sentences[1].flagged
    True
    """

    def __init__(
        self,
        classifier: FastClassifier | AccurateClassifier,
        point: str = DEFAULT_POINT,
        *,
        ignore: Iterable[str] = (),
        cascade: bool = False,
    ) -> None:
        self.classifier = classifier
        self._encoded = classifier if isinstance(classifier, AccurateClassifier) else None
        self._linear = classifier.fast if isinstance(classifier, AccurateClassifier) else classifier
        self.point = point
        self.ignore = ignored(ignore)
        self.cascade = cascade and self._encoded is not None
        self._first = Detector(self._linear, point, ignore=self.ignore) if self.cascade else None
        self._points: Mapping[str, OperatingPoint] = classifier.points
        if PHRASING in self.ignore:
            self._points = {name: replace(one, sentence=math.inf) for name, one in classifier.points.items()}

    @classmethod
    def from_pretrained(
        cls, name: str | Path = "fast", *, point: str = DEFAULT_POINT, ignore: Iterable[str] = ()
    ) -> Detector:
        """Load a model.

        Parameters
        ----------
        name : str or Path
            ``"fast"``, ``"accurate"``, ``"cascade"`` (accurate where fast is uncertain), or a model folder.
        point : str
            Name of the operating point: ``"fpr_0.1"``, ``"fpr_1"`` or ``"fpr_5"``.
        ignore : iterable of str
            Categories that are switched off, as for the class.

        Raises
        ------
        ModelError
            If there is no such model, it is damaged, or has no such operating point.
        ValueError
            If there is no such category.
        """
        folder = model_folder(name)
        classifier = load_model(folder)
        if point not in classifier.points:
            raise ModelError(f"no operating point {point!r}; this model has {', '.join(classifier.points)}")
        return cls(classifier, point, ignore=ignore, cascade=str(name) == "cascade" and folder != Path(name))

    def score(self, text: str) -> ArticleScore:
        """Score one article.

        Parameters
        ----------
        text : str
            The article, verbatim; all offsets index it.

        Returns
        -------
        ArticleScore
        """
        return self._judge([self._draft(text)])[0]

    def score_sentences(self, sentences: Sequence[str]) -> ArticleScore:
        r"""Score an article that is already split; every sentence is judged, page residue too.

        Parameters
        ----------
        sentences : sequence of str
            Offsets refer to ``"\n".join(sentences)``.

        Returns
        -------
        ArticleScore
        """
        return self._judge([self._draft("\n".join(sentences), sentences)])[0]

    def score_many(self, texts: Iterable[str]) -> Iterator[ArticleScore]:
        """Score articles lazily, in order, in batches inside.

        Parameters
        ----------
        texts : iterable of str
            Any number of articles.

        Yields
        ------
        ArticleScore
            One for each text, the same as from `score`.

        Raises
        ------
        TypeError
            If `texts` is a string, or holds something else than strings.
        """
        if isinstance(texts, str):
            raise TypeError("texts is one str, not an iterable of them")
        batch: list[_Draft] = []
        size = 0
        for text in texts:
            batch.append(self._draft(text))
            size += len(text)
            if size >= _BATCH_CHARS or len(batch) >= 1000:
                yield from self._judge(batch)
                batch, size = [], 0
        yield from self._judge(batch)

    @cached_property
    def _signature(self) -> str:
        config = self.classifier.config
        model = f"{config['name']}@{self.classifier.digest}"
        if self._first:
            model = f"cascade:{self._first.classifier.config['name']}@{self._first.classifier.digest}+{model}"
        off = f"|ignore:{','.join(sorted(self.ignore))}" if self.ignore else ""
        return f"mtdetect:{__version__}|model:{model}|op:{self.point}|min_words:{MIN_WORDS}{off}"

    @cached_property
    def _phrases(self) -> tuple[NDArray[np.bool_], frozenset[int], frozenset[int]]:
        arrays = self._linear.arrays
        starts = np.zeros(1 << 20, bool)
        starts[arrays["spun_starts"] >> np.uint32(12)] = True
        return starts, frozenset(arrays["spun_starts"].tolist()), frozenset(arrays["spun"].tolist())

    def _draft(self, verbatim: str, sentences: Sequence[str] | None = None) -> _Draft:
        if not isinstance(verbatim, str):
            raise TypeError(f"text is {type(verbatim).__name__}, not str")
        mend = mended if "encoding_damage" not in self.ignore else _as_it_is
        text, damage, edits = mend(verbatim)
        residue: tuple[Evidence, ...] = ()
        if sentences is not None:
            sizes = [len(mend(sentence)[0]) for sentence in sentences] if edits else list(map(len, sentences))
            spans = [
                (end - size, end) for size, end in zip(sizes, accumulate(sizes, lambda a, b: a + 1 + b), strict=True)
            ]
        else:
            residue = () if "page_residue" in self.ignore else tuple(page_residue(text))
            spans = split_sentences(text)
            if residue:
                outside = _Outside(residue)
                spans = [span for span in spans if outside(*span)]
        draft = _Draft(verbatim, text, edits, damage, spans, [], residue, reason=None)
        page_words = sum(len(text[item.start : item.end].split()) for item in residue)
        words = len(text.split(None, MIN_WORDS + page_words)) - page_words  # no need to count on
        if not words:
            return draft._replace(spans=[], reason="no sentences")
        if not looks_english(text):
            return draft._replace(spans=[], reason="not English" if any(map(str.isalpha, text)) else "no sentences")
        evidence = find_artifacts(text, self.ignore)
        if residue:
            evidence = [item for item in evidence if outside(item.start, item.end)]
        reason = None if words >= MIN_WORDS else f"too short: {words} words, {MIN_WORDS} needed"
        return draft._replace(evidence=evidence, reason=reason)

    def _judge(self, drafts: list[_Draft]) -> list[ArticleScore]:
        if self._first is None:
            return self._judge_all(drafts)
        found = [replace(article, signature=self._signature) for article in self._first._judge_all(drafts)]
        open_ = [i for i, article in enumerate(found) if uncertain(article, self.classifier.config["cascade"])]
        for i, article in zip(open_, self._judge_all([drafts[i] for i in open_]), strict=True):
            found[i] = article
        return found

    def _judge_all(self, drafts: list[_Draft]) -> list[ArticleScore]:
        texts = [draft.text[start:end] for draft in drafts for start, end in draft.spans]
        if not texts:
            return [self._article(draft, (), None, None) for draft in drafts]
        starts = [start for draft in drafts for start, _ in draft.spans]
        evidence: dict[int, list[Evidence]] = {}  # of the sentences that have any
        first = 0
        for draft in drafts:
            _assign(draft, first, evidence)
            first += len(draft.spans)
        z = np.concatenate([self._logits(texts, chunk, evidence, starts) for chunk in _chunks(texts)], axis=1)
        config = self.classifier.config
        if self._encoded is not None:
            bounds = list(accumulate((len(draft.spans) for draft in drafts), initial=0))
            joined, marks = self._encoded.join(z[:-1], [texts[a:b] for a, b in pairwise(bounds)])
            z[:-1], said = joined[:-1], joined[-1:]
        else:
            said, marks = z[:2], []
        style, roundtrip, quality_z, garble_z, weights = z
        fitted = config["mt"]["sentence"]
        own = sum((w * row for w, row in zip(fitted["weights"], said, strict=True)), fitted["intercept"])
        sizes = np.array([len(draft.spans) for draft in drafts])
        mt = sigmoid(own) if self._encoded is None else in_article(own, sizes)
        scale = config["quality"]["sentence"]
        clean = sigmoid(scale["intercept"] + scale["slope"] * quality_z)
        strong = np.zeros(len(texts), bool)
        for i, items in evidence.items():
            strong[i] = any(item.strength == "strong" for item in items)
        suspect = mt >= min(point.sentence for point in self._points.values())
        self._give_reasons(texts, marks, suspect, strong, evidence, starts)

        point = self._points[self.point]
        flagged = strong | (mt >= point.sentence)
        columns = zip(texts, mt.tolist(), (100 * clean).tolist(), flagged.tolist(), strict=True)
        sentences = [
            SentenceScore(starts[i], starts[i] + len(column[0]), *column, _ordered(evidence.get(i)))
            for i, column in enumerate(columns)
        ]
        ends = np.cumsum(sizes)
        begins = (ends - sizes)[sizes > 0]
        weights *= np.concatenate([said_first(texts[a:b]) for a, b in zip(ends - sizes, ends, strict=True)])
        fitted = config["quality"]["article"]
        features = article_features(1 - clean, sigmoid(garble_z), strong, weights, begins, fitted["usual"])
        quality = np.full(len(drafts), np.nan)
        # not a matrix product: that rounds otherwise when there are more rows
        quality[sizes > 0] = 100 * sigmoid(fitted["intercept"] + (features * fitted["weights"]).sum(axis=1))
        fitted = config["mt"]["article"]
        mt_score = np.full(len(drafts), np.nan)
        means = [np.add.reduceat(part, begins) / sizes[sizes > 0] for part in (style, roundtrip)]
        features = article_mt_features(means[0], means[1], features[:, 1], fitted)
        mt_score[sizes > 0] = sigmoid(fitted["intercept"] + (features * fitted["weights"]).sum(axis=1))
        rows = zip(drafts, ends - sizes, ends, quality.tolist(), mt_score.tolist(), strict=True)
        return [self._article(draft, tuple(sentences[a:b]), q, mt) for draft, a, b, q, mt in rows]

    def _article(
        self, draft: _Draft, sentences: tuple[SentenceScore, ...], quality: float | None, mt_score: float | None
    ) -> ArticleScore:
        if draft.reason is not None:
            quality = mt_score = None
        residue = draft.residue
        if draft.edits:
            residue = draft.edits.back(residue)
            sentences = tuple(_verbatim(sentence, draft.verbatim, draft.edits) for sentence in sentences)
        return ArticleScore(
            quality, mt_score, draft.reason, sentences, residue, draft.damage, self._signature,
            self._points[self.point], self._points, draft.verbatim,
        )  # fmt: skip

    def _logits(self, texts: list[str], chunk: range, evidence: dict[int, list[Evidence]], starts: list[int]) -> F64:
        """Return what the heads say of a chunk of sentences, a row each, and what they weigh in their article."""
        sentences = [texts[i] for i in chunk]
        grams = extract(sentences)
        self._add_spun(grams, texts, chunk, evidence, starts)
        hits = np.zeros((len(chunk), len(self._rules)), bool)
        for i in chunk:
            for item in evidence.get(i, ()):
                if (column := self._rules.get((item.category, item.strength))) is not None:
                    hits[i - chunk.start, column] = True
        return np.vstack([self._linear.logits(grams, hits), sentence_weights(sentences, grams.n_tokens)])

    @cached_property
    def _rules(self) -> dict[tuple[str, str], int]:
        return {(category, strength): i for i, (category, strength) in enumerate(self._linear.config["rules"])}

    def _add_spun(
        self, grams: Grams, texts: list[str], chunk: range, evidence: dict[int, list[Evidence]], starts: list[int]
    ) -> None:
        """Add tortured phrases to the evidence: hashes of their first words tell where to look."""
        if "spun_synonym" in self.ignore:
            return
        begins, first_words, phrases = self._phrases
        for kind in ("word2", "word3"):
            key = grams.blocks[kind].key
            for i in np.flatnonzero(begins[key >> np.uint32(12)]):
                if int(key[i]) in first_words:
                    place = grams.token_start[i]
                    sentence = int(np.searchsorted(grams.first, place, side="right")) - 1 + chunk.start
                    spot = int(grams.origin[place])
                    found = spun_synonym(texts[sentence], spot, phrases) if spot >= 0 else None
                    if found and not any(item.category == found.category for item in evidence.get(sentence, ())):
                        evidence.setdefault(sentence, []).append(_moved(found, starts[sentence]))

    def _give_reasons(
        self,
        texts: list[str],
        marks: list[Marks],
        suspect: NDArray[np.bool_],
        strong: NDArray[np.bool_],
        evidence: dict[int, list[Evidence]],
        starts: list[int],
    ) -> None:
        """Add what is garbled in sentences that are likely or surely damaged, and words that speak for a machine.

        The latter for every other sentence that some operating point flags.
        """
        silent = np.flatnonzero(suspect).tolist()
        mix = self._linear.config["mt"]["sentence"]["weights"]
        if self._encoded is not None:
            for i, marked in enumerate(marks):
                if suspect[i] or strong[i] or is_dense(marked):
                    found = garbled(texts[i], marked, self._encoded.config["spans"]["limit"], sure=bool(strong[i]))
                    found = [_moved(item, starts[i]) for item in found if item.category not in self.ignore]
                    if found:
                        evidence.setdefault(i, []).extend(found)
            silent = [i for i in silent if not any(item.source == "model" for item in evidence.get(i, ()))]
            blend = self._encoded.config["blend"]
            style, *_, roundtrip = blend["sentence"]
            mix = [style, roundtrip * blend["roundtrip"][1]]
        if silent:
            spread = self._linear.contributions([texts[i] for i in silent], mix)
            for i, values in zip(silent, spread, strict=True):
                evidence.setdefault(i, []).append(_moved(machine_like(texts[i], values), starts[i]))


def uncertain(article: ArticleScore, limits: Mapping[str, float]) -> bool:
    """Return whether the linear model leaves open what an article is: neither clearly clean nor clearly garbled."""
    if article.quality is None or article.mt_score is None:
        return False
    clean = article.quality >= limits["clean"] and article.mt_score <= limits["human"]
    return not clean and article.quality >= limits["garbled"]


def _as_it_is(text: str) -> tuple[str, tuple[Evidence, ...], Edits | None]:
    return text, (), None


def _verbatim(sentence: SentenceScore, text: str, edits: Edits) -> SentenceScore:
    start, end = edits.span(sentence.start, max(sentence.end, sentence.start + 1))
    end = end if sentence.text else start
    return replace(sentence, start=start, end=end, text=text[start:end], evidence=edits.back(sentence.evidence))


class _Outside:
    """Tells whether a span touches none of the given ones, which are ordered."""

    def __init__(self, spans: Sequence[Evidence]) -> None:
        self.starts = [span.start for span in spans]
        self.ends = [span.end for span in spans]

    def __call__(self, start: int, end: int) -> bool:
        i = bisect_right(self.ends, start)
        return i == len(self.starts) or self.starts[i] >= end


def _assign(draft: _Draft, first: int, evidence: dict[int, list[Evidence]]) -> None:
    """Give evidence to its sentences, counted from `first`; what reaches over several belongs to each."""
    starts = [start for start, _ in draft.spans] if draft.evidence else []
    for item in draft.evidence:
        for i in range(max(bisect_right(starts, item.start) - 1, 0), bisect_left(starts, item.end)):
            if draft.spans[i][1] > item.start:
                evidence.setdefault(first + i, []).append(item)


def _chunks(texts: list[str]) -> Iterator[range]:
    """Cut a batch into pieces of bounded size, so that memory stays flat however long an article is."""
    begin = size = 0
    for i, text in enumerate(texts):
        size += min(len(text), MAX_CHARS)
        if size >= 2 * _BATCH_CHARS:
            yield range(begin, i + 1)
            begin, size = i + 1, 0
    if begin < len(texts):
        yield range(begin, len(texts))


def _ordered(items: list[Evidence] | None) -> tuple[Evidence, ...]:
    return tuple(sorted(items, key=lambda item: (item.start, item.end, item.category))) if items else ()


def _moved(item: Evidence, offset: int) -> Evidence:
    return replace(item, start=item.start + offset, end=item.end + offset)
