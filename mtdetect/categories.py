"""The categories of evidence that a detector can find: the table behind ``--ignore``, ``info``, reports and pages."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from mtdetect.types import Strength

__all__ = ["CATEGORIES", "Category", "ignored"]

Family = Literal["cut", "repeat", "mark", "word", "foreign", "page"]


@dataclass(frozen=True, slots=True)
class Category:
    """A kind of artifact.

    Parameters
    ----------
    what : str
        What happened to the text, in a line.
    example : str
        A text that has it.
    strengths : tuple of {"strong", "weak", "context"}
        What its evidence can be; ``strong`` flags a sentence alone.
    family : {"cut", "repeat", "mark", "word", "foreign", "page"}
        Categories that reports show in one colour.
    """

    what: str
    example: str
    strengths: tuple[Strength, ...]
    family: Family


_BOTH: tuple[Strength, ...] = ("strong", "weak")

CATEGORIES: dict[str, Category] = {
    "fragment_break": Category(
        "a noun phrase was cut, and its rest became a stray sentence", "The talks collapsed in a walk. It goes out.",
        _BOTH, "cut",
    ),
    "repetition_collapse": Category(
        "two different words came back as one, or the same words again and again",
        "The city of Kyiv, also spelled Kyiv, was founded long ago.", _BOTH, "repeat",
    ),
    "case_anomaly": Category(
        "a capital in the middle of a clause", "The army feared an “imminent” Attack on its bases.", _BOTH, "mark"
    ),
    "quote_attribution": Category(
        "the tag of a speaker is doubled, orphaned or moved",
        "He added: “We will not leave.” He added, stressing that the talks go on.", _BOTH, "mark",
    ),
    "punctuation_damage": Category(
        "punctuation between clauses was lost, or stands where English has none",
        "The mayor promised to resign He added: “Give me time.”", _BOTH, "mark",
    ),
    "untranslated_residue": Category(
        "foreign script, look-alike letters or a foreign number format were left in",
        "They stored the 库 of data in a vault.", _BOTH, "foreign",
    ),
    "entity_inconsistent": Category(
        "one name is spelled in two ways", "Hassan Kanaani denied it. Hasan Kanaani later agreed.", _BOTH, "repeat"
    ),
    "spun_synonym": Category(
        "a set term was replaced by synonyms of its words",
        "Researchers say counterfeit consciousness will change how hospitals work.", ("strong",), "word",
    ),
    "markup_damage": Category(
        "entities, glued words, broken addresses or zero-width marks of a page were left in",
        "The one&#39;s mother left.", _BOTH, "foreign",
    ),
    "report_formula": Category(
        "a stock phrase of translated wire copy; people write it, too",
        "He left, stressing that talks would go on.", ("weak",), "word",
    ),
    "unnatural_phrasing": Category(
        "the words that speak most for a machine, or that no fluent writer would choose, in a suspicious sentence",
        "", ("weak",), "word",
    ),
    "page_residue": Category(
        "a line that a scraper left around the article: kept out of every score, never evidence of translation",
        "Leave a Reply", ("context",), "page",
    ),
    "encoding_damage": Category(
        "letters that a mistaken encoding spoilt: judged as they were meant, never evidence of translation",
        "The mayor of CataluÃ±a said she wouldnâ€™t resign.", ("context",), "page",
    ),
}  # fmt: skip
"""By name, in the order of the taxonomy."""
_CONTEXT = {name for name, category in CATEGORIES.items() if category.strengths == ("context",)}


def ignored(ignore: Iterable[str] = (), only: Iterable[str] = ()) -> frozenset[str]:
    """Return the categories that are switched off.

    Parameters
    ----------
    ignore : iterable of str
        Categories to switch off.
    only : iterable of str
        If there are any, all others are switched off, but for ``page_residue`` and ``encoding_damage``, which are no
        artifacts of translation.

    Raises
    ------
    ValueError
        If a name is none of `CATEGORIES`, or nothing is left.
    """
    if isinstance(ignore, str) or isinstance(only, str):
        raise ValueError("categories are a list of names, not a str")
    ignore, only = frozenset(ignore), frozenset(only)
    for name in sorted(ignore | only):
        if name not in CATEGORIES:
            raise ValueError(f"no category {name!r}: choose from {', '.join(CATEGORIES)}")
    others = CATEGORIES.keys() - only - _CONTEXT if only else frozenset[str]()
    if CATEGORIES.keys() - ignore - others <= _CONTEXT:
        raise ValueError("no category of evidence is left: nothing would be found")
    return ignore | others
