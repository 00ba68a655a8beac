"""Results as HTML for people: one article with its garbled spans and the reasons, or a whole corpus.

A page is one file that needs no network and no script. Everything that comes from outside is escaped by the templates;
a content security policy lets nothing run or load even so.
"""

from __future__ import annotations

import base64
import hashlib
import heapq
from bisect import bisect_right
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from mtdetect.categories import CATEGORIES
from mtdetect.output import safe, verdict
from mtdetect.summary import kept_by_limits
from mtdetect.types import ArticleScore

if TYPE_CHECKING:
    from jinja2 import Environment

    from mtdetect.scored import Example, ScoredCorpus

__all__ = ["article_fragment", "article_page", "corpus_fragment", "corpus_page"]

_STRENGTHS = ("strong", "weak", "context")
_EXCERPTS = 3
_PLAIN = 300
_BINS = 20


def article_page(article: ArticleScore, *, name: str, title: str | None = None, warnings: Sequence[str] = ()) -> str:
    """Return a report on one article as one HTML file.

    Parameters
    ----------
    article : ArticleScore
        The article.
    name : str
        Where it comes from.
    title : str, optional
        Its title.
    warnings : sequence of str
        What the reader had to put up with.
    """
    view = _article(article, name) | {"name": name, "title": title, "warnings": warnings}
    return _page("article.html", title or name, a=view)


def article_fragment(article: ArticleScore) -> str:
    """Return a report on one article as HTML to stand among other things, as in a notebook."""
    view = _article(article, article.text) | {"name": None, "title": None, "warnings": ()}
    return _fragment("article.html", a=view)


def corpus_page(corpus: ScoredCorpus) -> str:
    """Return a report on a corpus as one HTML file."""
    return _page("corpus.html", f"{len(corpus):,} {'article' if len(corpus) == 1 else 'articles'}", c=_corpus(corpus))


def corpus_fragment(corpus: ScoredCorpus) -> str:
    """Return a report on a corpus as HTML to stand among other things, as in a notebook."""
    return _fragment("corpus.html", c=_corpus(corpus))


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("mtdetect"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {"shown": _shown, "line": safe, "words": _words, "family": _family}
    return environment


def _style() -> Markup:
    source = _environment().loader.get_source(_environment(), "report.css")[0]  # type: ignore[union-attr]
    return Markup(source)


def _page(template: str, title: str, **views: Any) -> str:
    style = _style()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    body = Markup(_environment().get_template(template).render(top="h1", sub="h2", **views))
    return _environment().get_template("page.html").render(body=body, title=title, style=style, digest=digest) + "\n"


def _fragment(template: str, **views: Any) -> str:
    body = Markup(_environment().get_template(template).render(top="h3", sub="h4", **views))
    return Markup('<div class="mtdetect"><style>{}</style>{}</div>').format(_style(), body)


def _shown(text: str) -> str:
    r"""Return the text with what hides or turns it made visible, as ``\u202e``; line breaks and spaces stay."""
    if text.isprintable():
        return text
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(c if c.isprintable() or (c.isspace() and c not in _CONTROLS) else _escaped(c) for c in text)


_CONTROLS = "\x0b\x0c\x1c\x1d\x1e\x1f\x85\u2028\u2029"


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()


def _article(article: ArticleScore, name: str) -> dict[str, Any]:
    """Return what the template shows of an article."""
    scores = article.to_dict()
    key = hashlib.sha256(f"{name}\n{article.text}".encode("utf-8", "surrogatepass")).hexdigest()[:8]
    pieces, notes = _pieces(article.text, scores["sentences"], scores["residue"] + scores["encoding_damage"])
    return {
        "key": key,
        "scores": scores,
        "verdict": verdict(article.quality),
        "threshold": article.point.article,
        "point": article.point.name,
        "share": float(article.point.name.removeprefix("fpr_")),
        "pieces": pieces,
        "notes": notes,
        "strip": _strip(article),
        "families": _families(notes),
    }


def _strip(article: ArticleScore) -> list[dict[str, Any]]:
    """Return where the flagged sentences are, in thousandths of the article."""
    scale = 1000 / max(len(article.text), 1)
    return [
        {
            "number": number,
            "x": round(sentence.start * scale, 2),
            "width": round(max((sentence.end - sentence.start) * scale, 4), 2),
            "strong": any(item.strength == "strong" for item in sentence.evidence),
            "reasons": ", ".join(dict.fromkeys(_words(item.category) for item in sentence.reasons)),
        }
        for number, sentence in enumerate(article.sentences, 1)
        if sentence.flagged
    ]


def _families(notes: list[dict[str, Any]]) -> dict[str, str]:
    """Return the families of categories that occur, and the names of their categories, for the legend."""
    used = {item["category"] for note in notes for item in note["items"]}
    names: dict[str, list[str]] = {}
    for name in CATEGORIES:
        if name in used:
            names.setdefault(_family(name), []).append(_words(name))
    return {family: ", ".join(listed) for family, listed in names.items()}


def _family(category: str) -> str:
    return CATEGORIES[category].family if category in CATEGORIES else "word"


def _words(category: str) -> str:
    return safe(category).replace("_", " ")


def _pieces(
    text: str, sentences: list[dict[str, Any]], context: list[dict[str, Any]]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Cut a text where a sentence or evidence begins or ends.

    Returns
    -------
    pieces : list of dict
        ``parts``, in order; together they are the text. Those of one note are one piece, with its ``note``.
    notes : list of dict
        Evidence that overlaps is one note: ``number``, ``items``, ``family``, ``strength``, ``sentence``.
    """
    found = {
        (item["start"], item["end"], item["category"], item["message"]): item
        for sentence in sentences
        for item in sentence["evidence"]
    }
    notes: list[dict[str, Any]] = []
    for item in sorted([*found.values(), *context], key=lambda item: (item["start"], item["end"])):
        if notes and item["start"] < notes[-1]["end"]:
            notes[-1]["items"].append(item)
            notes[-1]["end"] = max(notes[-1]["end"], item["end"])
        else:
            notes.append({"start": item["start"], "end": item["end"], "items": [item]})
    starts = [sentence["start"] for sentence in sentences]
    number = 0
    for note in notes:
        leading = min(note["items"], key=lambda item: _STRENGTHS.index(item["strength"]))
        note["strength"] = leading["strength"]
        note["family"] = _family(leading["category"])
        note["sentence"] = bisect_right(starts, leading["start"])
        number += note["strength"] != "context"
        note["number"] = number if note["strength"] != "context" else None
    first = [note["start"] for note in notes]
    edges = {0, len(text)}
    for span in (*sentences, *(item for note in notes for item in note["items"])):
        edges.update((span["start"], span["end"]))
    pieces: list[dict[str, Any]] = []
    begun = 0  # sentences
    for start, end in pairwise(sorted(edges)):
        i = bisect_right(starts, start) - 1
        within = i >= 0 and start < sentences[i]["end"]
        j = bisect_right(first, start) - 1
        over = notes[j] if j >= 0 and start < notes[j]["end"] else None
        part = {
            "text": text[start:end],
            "flagged": within and sentences[i]["flagged"],
            "anchor": i + 1 if within and i + 1 > begun and sentences[i]["flagged"] else None,
        }
        if within:
            begun = max(begun, i + 1)
        if over is not None and pieces and pieces[-1]["note"] is over:
            pieces[-1]["parts"].append(part)
        else:
            pieces.append({"note": over, "parts": [part]})
    return pieces, [note for note in notes if note["number"] is not None]


def _corpus(corpus: ScoredCorpus) -> dict[str, Any]:
    """Return what the template shows of a corpus."""
    judged = [row for row in corpus.rows if row.quality is not None]
    not_judged: dict[str, int] = {}
    rejected: dict[str, int] = {}
    for row in corpus.rows:
        if row.quality is None:
            reason = ":".join((row.reason or "").split(":")[:1])
            not_judged[reason] = not_judged.get(reason, 0) + 1
        if row.rejected is not None:
            reason = row.rejected.split(":")[0]
            rejected[reason] = rejected.get(reason, 0) + 1
    limits: dict[str, list[tuple[float, int]]] = {}
    for name, limit, kept in kept_by_limits(corpus.rows):
        limits.setdefault(name, []).append((limit, kept))
    hosts = corpus.hosts()
    key = hashlib.sha256(repr(corpus.rows[:100]).encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return {
        "key": key,
        "n": len(corpus),
        "n_judged": len(judged),
        "n_below": sum(row.quality < 50 for row in judged if row.quality is not None),
        "n_machine": sum(row.machine_translated is True for row in judged),
        "n_unscored": corpus.n_unscored,
        "not_judged": sorted(not_judged.items(), key=lambda item: -item[1]),
        "rejected": sorted(rejected.items(), key=lambda item: -item[1]),
        "signatures": corpus.signatures.most_common(5),
        "quality": _histogram([row.quality for row in judged if row.quality is not None], 100),
        "mt_score": _histogram([row.mt_score for row in judged if row.mt_score is not None], 1),
        "reasons": list(corpus.reasons().items()),
        "known": CATEGORIES,
        "hosts": hosts[:_BINS],
        "n_hosts": len(hosts),
        "limits": limits,
        "worst": [_excerpt(example) for example in corpus.worst],
        "borderline": [_excerpt(example) for example in corpus.borderline],
    }


def _histogram(values: list[float], most: float) -> list[dict[str, Any]]:
    """Return bins of equal width from 0 to `most`: ``low``, ``high``, ``n`` and ``height``, 0 to 100."""
    counts = [0] * _BINS
    for value in values:
        counts[min(int(value * _BINS / most), _BINS - 1)] += 1
    top = max(*counts, 1)
    step = most / _BINS
    return [
        {"low": i * step, "high": (i + 1) * step, "n": n, "height": round(100 * n / top, 2)}
        for i, n in enumerate(counts)
    ]


def _excerpt(example: Example) -> dict[str, Any]:
    """Return an article with its most machine-like sentences, the flagged ones first, or else with its beginning."""
    scores, row = example.scores, example.row
    pieces: list[dict[str, Any]] = []
    known = _sound(scores.get("sentences"))
    for sentence in sorted(heapq.nlargest(_EXCERPTS, known, key=_telling), key=lambda s: s["start"]):
        text = sentence["text"]
        moved = [
            {**item, "start": max(item["start"] - sentence["start"], 0), "end": item["end"] - sentence["start"]}
            for item in sentence["evidence"]
        ]
        inside = [{**item, "end": min(item["end"], len(text))} for item in moved if item["start"] < len(text)]
        whole = {"start": 0, "end": len(text), "flagged": sentence["flagged"], "evidence": inside}
        cut, notes = _pieces(text, [whole], [])
        items = {
            item["category"]: item["message"] if item["strength"] == "strong" else ""
            for note in notes
            for item in note["items"]
        }
        pieces.append({"pieces": cut, "items": items})
    return {
        "row": row,
        "title": example.title,
        "url": example.url,
        "verdict": verdict(row.quality),
        "sentences": pieces,
        "begin": None if pieces or example.text is None else example.text[:_PLAIN].strip(),
    }


def _telling(sentence: dict[str, Any]) -> tuple[bool, bool, float]:
    strong = any(item["strength"] == "strong" for item in sentence["evidence"])
    return sentence["flagged"], strong, sentence["mt_score"]


def _sound(value: Any) -> list[dict[str, Any]]:
    """Return the sentences that a file holds, whoever has written it, if they are what `SentenceScore.to_dict` says."""
    found = []
    try:
        for sentence in value or ():
            start, end, text = int(sentence["start"]), int(sentence["end"]), sentence["text"]
            evidence = [
                {
                    "start": int(item["start"]),
                    "end": int(item["end"]),
                    "category": str(item["category"]),
                    "message": str(item["message"]),
                    "strength": item["strength"],
                }
                for item in sentence["evidence"]
                if item["strength"] in _STRENGTHS and max(start, int(item["start"])) < min(end, int(item["end"]))
            ]
            if end - start == len(text) and isinstance(text, str):
                scores = {"flagged": bool(sentence["flagged"]), "mt_score": float(sentence["mt_score"])}
                found.append({"start": start, "text": text, "evidence": evidence, **scores})
    except (TypeError, KeyError, ValueError, OverflowError):
        return []
    return found
