"""Many scored articles as one result: what a report, a table or a plot shows of a corpus."""

from __future__ import annotations

import heapq
import io
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields, replace
from itertools import tee
from pathlib import Path
from statistics import median
from typing import IO, TYPE_CHECKING, Any

import orjson

from mtdetect.corpus import ID_FIELDS, TEXT_FIELDS, InputError, Opened, Record, files_below, read_records
from mtdetect.detector import Detector
from mtdetect.output import CLEAN
from mtdetect.streams import CHUNK, ReadError
from mtdetect.summary import host_of, wilson
from mtdetect.types import SCORE_TYPES, ArticleScore
from mtdetect.units import ERRORS, MANIFEST
from mtdetect.writers import KEY, stored_scores

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["Example", "Row", "ScoredCorpus"]

_EXAMPLES = 10
_BORDER, _NEAR = 50.0, 30.0


@dataclass(frozen=True, slots=True)
class Row:
    """One article, without its text.

    Parameters
    ----------
    id : str
        As in its input.
    host : str or None
        The outlet: the host of the article's address.
    quality, mt_score : float or None
        As in `ArticleScore`; None if they can't be told.
    machine_translated : bool or None
        The decision at the operating point.
    reason : str or None
        Why there is no quality.
    n_sentences, n_flagged : int
        Sentences that were judged, and flagged.
    categories : tuple of str
        Categories of the reasons for which sentences are flagged.
    rejected : str or None
        Why `filter` rejected it.
    """

    id: str
    host: str | None
    quality: float | None
    mt_score: float | None
    machine_translated: bool | None
    reason: str | None
    n_sentences: int
    n_flagged: int
    categories: tuple[str, ...]
    rejected: str | None


@dataclass(frozen=True, slots=True)
class Example:
    """An article that is shown, with what is known of its text.

    Parameters
    ----------
    row : Row
        Its scores.
    title : str or None
        Its title.
    url : str or None
        Its address.
    scores : dict
        The article as from `ArticleScore.to_dict`; without ``sentences`` if only the text is known.
    text : str or None
        The article, verbatim; None in the output of `score`, which holds sentences.
    file : Path or None
        Where the text is, if `filter` copied it as a file.
    """

    row: Row
    title: str | None
    url: str | None
    scores: dict[str, Any]
    text: str | None
    file: Path | None = None


class ScoredCorpus:
    """The scores of many articles, in order, and the text of a few: the worst, and the nearest to a quality of 50.

    Use `score` or `read` to get one. It holds a short row for each article, so 100,000 of them take some 50 MB.

    Attributes
    ----------
    rows : list of Row
        One for each article.
    signatures : Counter
        Articles by signature: more than one means that scores of several settings are mixed.
    n_unscored : int
        Rows that hold no scores, or could not be read.
    n_unexplained : int
        Examples without reasons: their sentences were not stored, and can't be scored again.

    Examples
    --------
    >>> from mtdetect import Detector, ScoredCorpus
    >>> corpus = ScoredCorpus.score(["notebooks/articles/clean"], Detector.from_pretrained())
    >>> len(corpus)
    14
    """

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.signatures: Counter[str] = Counter()
        self.n_unscored = self.n_unexplained = 0
        self._worst: list[tuple[float, int, Example]] = []
        self._border: list[tuple[float, int, Example]] = []

    def __len__(self) -> int:
        return len(self.rows)

    @classmethod
    def score(
        cls,
        paths: Iterable[str | Path],
        detector: Detector,
        *,
        text_field: str | None = None,
        id_field: str | None = None,
    ) -> ScoredCorpus:
        """Read articles and score them.

        Parameters
        ----------
        paths : iterable of str or Path
            Files and folders, as for `mtdetect.corpus.read_records`.
        detector : Detector
            The model, at an operating point.
        text_field, id_field : str, optional
            As for `read_records`.

        Raises
        ------
        InputError
            If a path does not exist.
        """
        corpus = cls()
        ahead, behind = tee(read_records(paths, text_field=text_field, id_field=id_field))
        for record, article in zip(behind, detector.score_many(record.text or "" for record in ahead), strict=True):
            corpus.add(article, record)
        return corpus

    @classmethod
    def read(
        cls, paths: Iterable[str | Path], detector: Detector | None = None, *, text_field: str | None = None
    ) -> ScoredCorpus:
        """Read what `score` or `filter` has written: JSON Lines, Parquet or web archives, or folders of them.

        Parameters
        ----------
        paths : iterable of str or Path
            Files and folders.
        detector : Detector, optional
            Scores the examples again if their rows hold no sentences, as those of `filter`, with the settings that
            their signature names; used only if the model is the same.
        text_field : str, optional
            The field of a row of `filter` that holds the text, as for `read_records`.

        Raises
        ------
        InputError
            If a path does not exist, can't be read to its end, or nothing there has scores.
        """
        corpus = cls()
        names = [str(path) for path in paths]
        for name in names:
            if not Path(name).exists():
                raise InputError(f"no such file or folder: {name}")
            inside = Path(name).is_dir()
            for file in files_below(name)[0] if inside else [Path(name)]:
                if not inside or (file.is_file() and file.name not in (MANIFEST, ERRORS)):
                    with file.open("rb") as opened:
                        corpus._read(opened, str(file), inside, text_field)
        if not corpus.rows:
            raise InputError(f"no scores in {', '.join(names)}: give the output of mtdetect score or filter")
        if detector is not None:
            corpus._explain(detector)
        return corpus

    def _read(self, file: IO[bytes], name: str, inside: bool, text_field: str | None) -> None:
        try:
            opened = Opened(file, name)
            if opened.kind in ("jsonl", "json"):
                folder = Path(name).parent
                for line in io.BufferedReader(opened.stream, CHUNK):
                    if not line.isspace():
                        self._add_line(line, text_field, folder)
                opened.stream.check()
            elif opened.kind in ("parquet", "warc"):
                for record in opened.records(text_field=text_field):
                    if record.is_article:
                        self._add(stored_scores(record), record)
            elif not inside:  # else a text or a page that was filtered, with its scores beside it
                raise ReadError("neither JSON Lines nor Parquet nor a web archive")
        except ReadError as error:
            raise InputError(f"{name}: {error}") from error

    def _add_line(self, line: bytes, text_field: str | None, folder: Path) -> None:
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError:
            row = None
        if not isinstance(row, dict):
            self.n_unscored += 1
            return
        of_filter = KEY in row
        scores = row[KEY] if of_filter else row
        texts = (row.get(name) for name in ([text_field] if text_field else TEXT_FIELDS)) if of_filter else ()
        text = next((text for text in texts if isinstance(text, str) and text), None)
        name = next((str(row[name]) for name in ID_FIELDS if row.get(name) is not None), str(len(self) + 1))
        beside = row.get("file") if of_filter and text is None else None
        self._add(scores, Record(name, text, "", fields=row), _below(folder, beside))

    def add(self, article: ArticleScore, record: Record) -> None:
        """Add an article.

        Parameters
        ----------
        article : ArticleScore
            Its scores.
        record : Record
            What it was read from; if that has an error, this is the reason why there is no quality.
        """
        if record.error is not None:
            article = replace(article, reason=f"error: {record.error}")
        self._add(article.to_dict(), replace(record, text=article.text))

    def _add(self, scores: Any, record: Record, file: Path | None = None) -> None:
        if not _are_scores(scores):
            self.n_unscored += 1
            return
        rejected = scores.get("rejected")
        row = Row(
            record.id,
            host_of(record.url),
            scores["quality"],
            scores["mt_score"],
            scores["machine_translated"],
            scores["reason"],
            scores["n_sentences"],
            scores["n_flagged"],
            tuple(scores["categories"]),
            rejected and str(rejected),
        )
        self.signatures[scores["signature"]] += 1
        self.rows.append(row)
        if row.quality is None:
            return
        far = abs(row.quality - _BORDER)
        for heap, distance, most in ((self._worst, row.quality, CLEAN), (self._border, far, _NEAR)):
            if distance < most and (len(heap) < _EXAMPLES or distance < -heap[0][0]):
                example = Example(row, record.title, record.url, scores, record.text, file)
                push = heapq.heappush if len(heap) < _EXAMPLES else heapq.heappushpop
                push(heap, (-distance, -len(self), example))

    def _explain(self, detector: Detector) -> None:
        """Score the examples again that have a text but no sentences, with the settings of their signature."""
        unknown = set()
        for heap in (self._worst, self._border):
            for i, (distance, number, example) in enumerate(heap):
                if "sentences" in example.scores:
                    continue
                same = _with_settings_of(example.scores["signature"], detector)
                text = _text_of(example) if same is not None else None
                if same is None or text is None:
                    unknown.add(number)
                else:
                    heap[i] = distance, number, replace(example, scores=same.score(text).to_dict())
        self.n_unexplained = len(unknown)

    @property
    def worst(self) -> list[Example]:
        """The articles of the lowest quality, below 70 and ten at most, the worst first."""
        return [example for _, _, example in sorted(self._worst, reverse=True)]

    @property
    def borderline(self) -> list[Example]:
        """The articles whose quality is nearest to 50, not 30 away and ten at most, the nearest first."""
        return [example for _, _, example in sorted(self._border, reverse=True)]

    def reasons(self) -> dict[str, int]:
        """Return in how many articles a category is a reason to flag a sentence, by falling count."""
        counts = Counter(name for row in self.rows for name in row.categories)
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))

    def hosts(self) -> list[dict[str, Any]]:
        """Return the outlets, those first whose share of articles under a quality of 50 is proven to be the largest.

        Returns
        -------
        list of dict
            ``host``, ``n`` judged articles, ``n_below`` a quality of 50, the ends of a 95 % interval for their share,
            ``low`` and ``high`` (Wilson's), and the ``median`` quality.
        """
        qualities: dict[str, list[float]] = {}
        for row in self.rows:
            if row.host is not None and row.quality is not None:
                qualities.setdefault(row.host, []).append(row.quality)
        found = []
        for host, values in qualities.items():
            below = sum(value < _BORDER for value in values)
            found.append(
                {"host": host, "n": len(values), "n_below": below, **wilson(below, len(values)),
                 "median": median(values)}
            )  # fmt: skip
        return sorted(found, key=lambda row: (-row["low"], -row["n"], row["host"]))

    def to_pandas(self) -> DataFrame:
        """Return the rows as a table, one article each; needs pandas.

        Returns
        -------
        pandas.DataFrame
            The columns are the fields of `Row`.
        """
        from pandas import DataFrame

        return DataFrame([astuple(row) for row in self.rows], columns=[field.name for field in fields(Row)])

    def to_html(self) -> str:
        """Return a report as one HTML file that needs nothing else."""
        from mtdetect.report import corpus_page

        return corpus_page(self)

    def _repr_html_(self) -> str:
        from mtdetect.report import corpus_fragment

        return corpus_fragment(self)


def _below(folder: Path, name: Any) -> Path | None:
    """Return a file below a folder; whoever wrote the name has no say in what else is read."""
    if not isinstance(name, str) or "\0" in name:
        return None
    path = folder / name
    return path if path.resolve().is_relative_to(folder.resolve()) and path.is_file() else None


def _text_of(example: Example) -> str | None:
    if example.text is None and example.file is not None:
        return next(read_records([example.file])).text
    return example.text


def _with_settings_of(signature: str, detector: Detector) -> Detector | None:
    """Return the detector with the operating point and the categories that made a signature; None for another model."""
    point = re.search(r"\|op:([^|]+)", signature)
    ignore = re.search(r"\|ignore:([^|]+)", signature)
    if point is None or point[1] not in detector.classifier.points:
        return None
    try:
        off = ignore[1].split(",") if ignore else ()
        same = Detector(detector.classifier, point[1], ignore=off, cascade=detector.cascade)
    except ValueError:
        return None
    return same if same.score("").signature == signature else None


def _are_scores(value: Any) -> bool:
    """Return whether this is what `ArticleScore.to_dict` returns, whoever has written it."""
    if not (isinstance(value, dict) and SCORE_TYPES.keys() <= value.keys() and isinstance(value["categories"], list)):
        return False
    quality, mt_score, counts = value["quality"], value["mt_score"], (value["n_sentences"], value["n_flagged"])
    return (
        ((quality is None and mt_score is None) or (_within(quality, 100) and _within(mt_score, 1)))
        and value["machine_translated"] in (None, True, False)
        and all(type(count) is int and count >= 0 for count in counts)
        and isinstance(value["reason"], str | None)
        and all(isinstance(name, str) for name in (*value["categories"], value["signature"]))
    )


def _within(value: Any, most: float) -> bool:
    return type(value) in (int, float) and 0 <= value <= most
