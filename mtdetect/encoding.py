"""What wrong encodings did to a text, “donâ€™t”: seen through and reported, and never taken for garble."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from mtdetect.text import Edits
from mtdetect.types import Evidence

__all__ = ["mended"]

_CATEGORY = "encoding_damage"
# English pages seldom have one; only then is ftfy imported, and each character looked at
_SUSPECT = re.compile("[\x80-\x84\x86-\x9f\xc2-\u1fff\ufffd]")
_LOST = "\ufffd+"
_UNDECODED = "[\x80-\x84\x86-\x9f]"  # \x85 ends a line, too
_SHORT_FORM = re.compile(r"(?:s|t|d|m|re|ve|ll)\b")
_SHORT = 40  # characters
_UNSEEN = "\u2060"  # a word joiner: no rule, sentence or feature sees it


def mended(text: str) -> tuple[str, tuple[Evidence, ...], Edits | None]:
    r"""Return the text as it was before its encoding was mistaken, to be judged in place of it.

    What ftfy takes for UTF-8 that was read as something else is decoded, as are bytes 80 to 9F of Windows-1252 that
    were taken for Latin-1; lost characters, ``\ufffd``, become an apostrophe in “it\ufffds”, and else are not seen.

    Parameters
    ----------
    text : str
        The article, verbatim.

    Returns
    -------
    text : str
        The article to judge.
    damage : tuple of Evidence
        The places, in order; strength ``context``.
    edits : Edits or None
        Where its characters stand in the original; None if nothing is damaged.
    """
    if text.isascii() or not _SUSPECT.search(text):
        return text, (), None
    parts: list[str] = []
    damage: list[Evidence] = []
    changes: list[tuple[int, int, int]] = []
    done = 0
    for match in _damaged().finditer(text):
        start, end = match.span()
        if match["utf8"]:
            # what is long is hardly met again, and would stay in the memory
            intended = (_decoded if end - start <= _SHORT else _decoded.__wrapped__)(match[0])
            if intended == match[0]:
                continue
        elif match["lost"]:
            short = text[start - 1 : start].isalpha() and _SHORT_FORM.match(text, end)
            intended = "’" if short else _UNSEEN
        else:
            intended = _windows(match[0])
        shown = "a space" if intended.isspace() else f"“{intended[:_SHORT]}”"
        known = shown.isprintable() and not match["lost"]
        message = f"a mistaken encoding: {shown} was meant" if known else "a mistaken encoding: a character was lost"
        parts += [text[done:start], intended]
        changes += _letter_by_letter(start, end, intended)
        damage.append(Evidence(start, end, _CATEGORY, message, "context"))
        done = end
    if not damage:
        return text, (), None
    return "".join([*parts, text[done:]]), tuple(damage), Edits(changes)


def _letter_by_letter(start: int, end: int, intended: str) -> Iterator[tuple[int, int, int]]:
    """Yield a change for each letter, so that sentences which meet in between do not overlap."""
    widths = [len(letter.encode()) for letter in intended]
    if sum(widths) != end - start:  # mistaken twice, or by another encoding
        widths = [(end - start) // len(intended)] * len(intended)
        widths[-1] = end - start - sum(widths[:-1])
    for width in widths:
        yield start, start + width, 1
        start += width


@lru_cache(1)
def _damaged() -> re.Pattern[str]:
    from ftfy.chardata import UTF8_DETECTOR_RE

    utf8 = f"(?x:{UTF8_DETECTOR_RE.pattern})"
    return re.compile(f"(?P<utf8>{utf8})|(?P<lost>{_LOST})|{_UNDECODED}")


@lru_cache(4096)
def _decoded(piece: str) -> str:
    import ftfy
    from ftfy.badness import is_bad

    if not is_bad(piece):
        return piece
    intended = ftfy.fix_encoding(piece)
    return intended if 0 < len(intended) < len(piece) else piece


@lru_cache(32)
def _windows(control: str) -> str:
    try:
        return control.encode("latin-1").decode("windows-1252")
    except UnicodeDecodeError:
        return _UNSEEN
