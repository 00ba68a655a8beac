"""The nouns of mtdetect: evidence, sentence scores and article scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, overload

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["SCORE_TYPES", "ArticleScore", "Evidence", "ModelError", "OperatingPoint", "SentenceScore", "decide"]

SCORE_TYPES = {
    "quality": "double",
    "mt_score": "double",
    "machine_translated": "bool",
    "reason": "string",
    "n_sentences": "int64",
    "n_flagged": "int64",
    "n_encoding_damage": "int64",
    "categories": "list<string>",
    "signature": "string",
}
"""The scores of an article in a table, and their Arrow types."""

Strength = Literal["strong", "weak", "context"]
Source = Literal["rule", "model"]


class ModelError(ValueError):
    """A model folder that is missing, damaged or made for another version."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """A span of the article that speaks for garbling, and why.

    Parameters
    ----------
    start, end : int
        Character offsets into the article as the caller passed it.
    category : str
        A category of the artifact taxonomy, such as ``"fragment_break"``.
    message : str
        The reason, for people.
    strength : {"strong", "weak", "context"}
        ``strong`` flags a sentence alone, ``weak`` never does, ``context`` is no evidence of translation.
    source : {"rule", "model"}
        Who found it.
    """

    start: int
    end: int
    category: str
    message: str
    strength: Strength = "strong"
    source: Source = "rule"

    def to_dict(self) -> dict[str, Any]:
        """Return the evidence as plain JSON types."""
        return {
            "start": self.start,
            "end": self.end,
            "category": self.category,
            "message": self.message,
            "strength": self.strength,
            "source": self.source,
        }


@dataclass(frozen=True, slots=True)
class SentenceScore:
    """One sentence: ``article_text[start:end] == text``.

    Parameters
    ----------
    start, end : int
        Character offsets into the article.
    text : str
        The sentence, verbatim.
    mt_score : float
        Calibrated probability in [0, 1] that the sentence is machine-translated; higher is more so. That of an
        `accurate` model takes the other sentences of the article into account.
    quality : float
        Predicted human judgement of the sentence, 0 to 100; higher is cleaner.
    flagged : bool
        Whether the sentence is garbled at the operating point: `mt_score` reaches its threshold, or a strong
        rule hit.
    evidence : tuple of Evidence
        Why, ordered by position.
    """

    start: int
    end: int
    text: str
    mt_score: float
    quality: float
    flagged: bool
    evidence: tuple[Evidence, ...] = ()

    @property
    def reasons(self) -> tuple[Evidence, ...]:
        """Why it is flagged: the strong evidence, or all of it if none is strong; empty if it is not flagged."""
        if not self.flagged:
            return ()
        return tuple(item for item in self.evidence if item.strength == "strong") or self.evidence

    def to_dict(self) -> dict[str, Any]:
        """Return the sentence as plain JSON types."""
        return {
            "start": self.start,
            "end": self.end,
            "text": self.text,
            "mt_score": _rounded(self.mt_score),
            "quality": _rounded(self.quality, 2),
            "flagged": self.flagged,
            "evidence": [evidence.to_dict() for evidence in self.evidence],
        }


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """A threshold named by its false-positive rate on human-written sentences.

    Parameters
    ----------
    name : str
        For example ``"fpr_1"``: 1 % of human sentences are flagged.
    sentence, article : float
        The `mt_score` from which on a sentence is flagged, and an article called machine-translated.
    """

    name: str
    sentence: float
    article: float


@dataclass(frozen=True, slots=True)
class ArticleScore:
    """What mtdetect says about one article.

    Parameters
    ----------
    quality : float or None
        Text quality, 0 to 100; higher is cleaner. None when it cannot be told; then `reason` says why.
    mt_score : float or None
        Calibrated probability in [0, 1] that the article is machine-translated, on matched documents with as many
        machine as human versions; higher is more so. None when `quality` is.
    reason : str or None
        Why there is no `quality`.
    sentences : tuple of SentenceScore
        In order of the text, without page residue.
    residue : tuple of Evidence
        Page residue ("Leave a Reply"), kept out of every score.
    encoding_damage : tuple of Evidence
        What mistaken encodings did, “donâ€™t”. It is judged as it was meant, and changes no score.
    signature : str
        Model, version, operating point and settings behind the numbers.
    point : OperatingPoint
        Where the decisions were taken.
    points : mapping of str to OperatingPoint
        Where they can be taken, for `at`.
    text : str
        The article as it was passed; what all offsets index.
    """

    quality: float | None
    mt_score: float | None
    reason: str | None
    sentences: tuple[SentenceScore, ...]
    residue: tuple[Evidence, ...]
    encoding_damage: tuple[Evidence, ...]
    signature: str
    point: OperatingPoint = field(repr=False)
    points: Mapping[str, OperatingPoint] = field(repr=False)
    text: str = field(repr=False)

    @property
    def n_sentences(self) -> int:
        """Number of sentences that were judged; page residue is not."""
        return len(self.sentences)

    @property
    def n_flagged(self) -> int:
        """Number of flagged sentences."""
        return sum(sentence.flagged for sentence in self.sentences)

    @property
    def categories(self) -> tuple[str, ...]:
        """Categories of the reasons for which sentences are flagged, each once, sorted."""
        return tuple(sorted({item.category for sentence in self.sentences for item in sentence.reasons}))

    @property
    def machine_translated(self) -> bool | None:
        """Whether `mt_score` reaches the article threshold of the operating point; None when it is None."""
        return None if self.mt_score is None else self.mt_score >= self.point.article

    def at(self, name: str) -> ArticleScore:
        """Take the decisions again at another operating point; the scores stay.

        Parameters
        ----------
        name : str
            ``"fpr_0.1"``, ``"fpr_1"`` or ``"fpr_5"``.

        Raises
        ------
        ValueError
            If the model has no such operating point.
        """
        if name not in self.points:
            raise ValueError(f"no operating point {name!r}; this model has {', '.join(self.points)}")
        point = self.points[name]
        sentences = tuple(replace(s, flagged=decide(s.mt_score, s.evidence, point)) for s in self.sentences)
        signature = self.signature.replace(f"|op:{self.point.name}|", f"|op:{name}|")
        return replace(self, sentences=sentences, point=point, signature=signature)

    def to_pandas(self) -> DataFrame:
        """Return the sentences as a table, one each; needs pandas.

        Returns
        -------
        pandas.DataFrame
            ``start``, ``end``, ``text``, ``mt_score``, ``quality``, ``flagged``, and ``categories``: those of the
            reasons, with commas between.
        """
        from pandas import DataFrame

        rows = [
            [
                s.start,
                s.end,
                s.text,
                s.mt_score,
                s.quality,
                s.flagged,
                ", ".join(dict.fromkeys(e.category for e in s.reasons)),
            ]
            for s in self.sentences
        ]
        return DataFrame(rows, columns=["start", "end", "text", "mt_score", "quality", "flagged", "categories"])

    def to_html(self, *, name: str = "article") -> str:
        """Return a report as one HTML file that needs nothing else.

        Parameters
        ----------
        name : str
            What its heading says.
        """
        from mtdetect.report import article_page

        return article_page(self, name=name)

    def _repr_html_(self) -> str:
        from mtdetect.report import article_fragment

        return article_fragment(self)

    def to_dict(self, *, sentences: bool = True) -> dict[str, Any]:
        """Return the article as plain JSON types: the schema of ``mtdetect score --format jsonl``.

        Parameters
        ----------
        sentences : bool
            Whether to go into detail, with `sentences`, `residue` and `encoding_damage`. Without, it is what `filter`
            and the integrations add to a row: the fields of `SCORE_TYPES`.
        """
        row: dict[str, Any] = {
            "quality": _rounded(self.quality, 2),
            "mt_score": _rounded(self.mt_score),
            "machine_translated": self.machine_translated,
            "reason": self.reason,
            "n_sentences": self.n_sentences,
            "n_flagged": self.n_flagged,
            "n_encoding_damage": len(self.encoding_damage),
            "categories": list(self.categories),
        }
        if sentences:
            row["sentences"] = [sentence.to_dict() for sentence in self.sentences]
            row["residue"] = [evidence.to_dict() for evidence in self.residue]
            row["encoding_damage"] = [evidence.to_dict() for evidence in self.encoding_damage]
        return {**row, "signature": self.signature}


def decide(mt_score: float, evidence: tuple[Evidence, ...], point: OperatingPoint) -> bool:
    """Return whether a sentence with this score and evidence is flagged at the operating point."""
    return mt_score >= point.sentence or any(item.strength == "strong" for item in evidence)


@overload
def _rounded(value: float, digits: int = ...) -> float: ...
@overload
def _rounded(value: None, digits: int = ...) -> None: ...
@overload
def _rounded(value: float | None, digits: int = ...) -> float | None: ...
def _rounded(value: float | None, digits: int = 5) -> float | None:
    return None if value is None else round(value, digits)
