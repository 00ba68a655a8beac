"""How results look: one JSON object a line for programs, text with marks for people."""

from __future__ import annotations

import os
import re
import shutil
import sys
import textwrap
from collections.abc import Iterator
from typing import Any

from mtdetect.corpus import Record
from mtdetect.types import ArticleScore, SentenceScore

__all__ = ["CLEAN", "as_json", "as_text", "safe", "verdict"]

_BOLD, _DIM, _RED, _GREEN, _YELLOW, _MARK = "1", "2", "31", "32", "33", "1;31"
CLEAN = 70.0
"""From this quality on an article is called clean: 1.1 % of the news by people is below, and 0.2 % below 50."""
_VERDICTS = ((CLEAN, "clean"), (50, "some damage"), (0, "garbled"))
_STYLES = {"clean": _GREEN, "some damage": _YELLOW, "garbled": _RED}
_STYLED = re.compile(r"\x1b\[[\d;]*m")
_MAX_SHOWN = 2000
# They stand around a garbled part until lines are wrapped; `safe` lets neither through.
_OPEN, _CLOSE = "\x02", "\x03"
_SURROGATE = re.compile("[\ud800-\udfff]")
# In UTF-8: DEL, C1, soft hyphen, zero-width and bidi controls, line separators, byte-order mark.
_INVISIBLE = re.compile(
    rb"\x7f|\xc2[\x80-\x9f\xad]|\xd8\x9c|\xe2\x80[\x8b-\x8f\xa8-\xae]|\xe2\x81[\xa0-\xaf]|\xef\xbb\xbf"
)


def as_json(record: Record, article: ArticleScore) -> bytes:
    """Return one line of JSON: the fields of `ArticleScore.to_dict`, and what is known of the record."""
    import orjson

    row = {
        "id": record.id,
        "source": record.source,
        "url": record.url,
        "title": record.title,
        **article.to_dict(),
        "encoding": record.encoding,
        "warnings": list(record.warnings),
    }
    try:
        line = orjson.dumps(row)
    except orjson.JSONEncodeError:
        line = orjson.dumps(_without_surrogates(row))
    # JSON leaves these raw; escaped they mean the same, and do nothing to a terminal at the end of the pipe
    return _INVISIBLE.sub(lambda match: f"\\u{ord(match[0].decode()):04x}".encode(), line)


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", value)
    if isinstance(value, dict):
        return {name: _without_surrogates(item) for name, item in value.items()}
    return [_without_surrogates(item) for item in value] if isinstance(value, list) else value


def safe(text: str) -> str:
    r"""Return the text in one line, with what a terminal would obey or hide made visible: ESC becomes ``\x1b``."""
    text = re.sub(r"[^\S ]+", " ", text)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def verdict(quality: float | None) -> str:
    """Return a quality in words: clean, some damage, garbled, or not judged."""
    if quality is None:
        return "not judged"
    return next(words for low, words in _VERDICTS if round(quality) >= low)


def as_text(record: Record, article: ArticleScore, *, plain: bool = False) -> str:
    """Return quality, verdict, and each flagged sentence with the garbled part marked and the reason.

    Parameters
    ----------
    record : Record
        What was read.
    article : ArticleScore
        Its scores.
    plain : bool
        Whether to leave out colours, which are there only for a terminal anyway.
    """
    shown = "\n".join([*_text(record, article), ""])
    return _STYLED.sub("", shown) if plain else shown


def _text(record: Record, article: ArticleScore) -> list[str]:
    name = "standard input" if record.source == "-" else safe(record.source)
    if record.id != record.source:
        name = f"{safe(record.id)} ({name})"
    if record.error is not None:
        return [f"{name}: {_styled('not scored', _RED)}, {safe(article.reason or '')}"]
    lines = [_styled(name, _BOLD)]
    if article.quality is None or article.mt_score is None:
        lines.append(f"  not scored: {safe(article.reason or '')}")
    else:
        words = verdict(article.quality)
        says = "reads like" if article.machine_translated else "not called"
        lines += [
            f"  quality   {article.quality:.0f} / 100, {_styled(words, _STYLES[words])} (higher is cleaner)",
            f"  mt_score  {article.mt_score:.2f}, {says} machine translation (from {article.point.article:.2f} on)",
        ]
    if article.sentences:
        lines.append(f"  flagged   {article.n_flagged} of {article.n_sentences} sentences")
    width = min(max(shutil.get_terminal_size().columns, 40), 120)
    for number, sentence in enumerate(article.sentences, 1):
        if sentence.flagged:
            lines += ["", *_flagged(number, sentence, width)]
    lines.append("")
    if article.residue:
        n = len(article.residue)
        lines.append(f"  {n} {'line' if n == 1 else 'lines'} of page residue kept out of the score")
    if article.encoding_damage:
        n = len(article.encoding_damage)
        lines.append(f"  {n} {'place' if n == 1 else 'places'} with encoding damage, judged as they were meant")
    lines += [f"  warning: {safe(warning)}" for warning in record.warnings]
    lines.append(_styled(f"  {safe(article.signature)}", _DIM))
    return lines


def _flagged(number: int, sentence: SentenceScore, width: int) -> Iterator[str]:
    """Yield a sentence with its garbled parts between « and », and below it the reasons, the strong ones if any."""
    marked, done = "", 0
    text = sentence.text[:_MAX_SHOWN]
    for item in sentence.reasons:
        start, end = max(item.start - sentence.start, done), min(item.end - sentence.start, len(text))
        if start < end:
            if start == done and marked.endswith(_CLOSE):
                marked = marked[:-1] + safe(text[start:end]) + _CLOSE
            else:
                marked += safe(text[done:start]) + _OPEN + safe(text[start:end]) + _CLOSE
            done = end
    marked += safe(text[done:]) + ("…" if len(sentence.text) > len(text) else "")
    start_mark, stop_mark = _styled("|", _MARK).split("|")
    inside = False
    for line in textwrap.wrap(marked, width, initial_indent=f"{number:5}  ", subsequent_indent=" " * 7):
        body = start_mark * inside + line[7:].replace(_OPEN, f"{start_mark}«").replace(_CLOSE, f"»{stop_mark}")
        inside = line.rfind(_OPEN) > line.rfind(_CLOSE) or (inside and _CLOSE not in line)
        yield line[:7] + body + stop_mark * inside
    for item in sentence.reasons:
        reason = f"{item.category}: {safe(item.message)} ({item.source})"
        yield from textwrap.wrap(reason, width, initial_indent=" " * 7 + "→ ", subsequent_indent=" " * 9)


def _styled(text: str, style: str) -> str:
    plain = "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb" or not sys.stdout.isatty()
    return text if plain else f"\x1b[{style}m{text}\x1b[0m"
