"""Where the sentences are, and whether the text is English at all."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import replace

from mtdetect.types import Evidence

__all__ = ["INVISIBLE", "LOOKALIKES", "Edits", "english_share", "looks_english", "split_sentences", "undisguised"]

INVISIBLE = "\u00ad\u200b\u200c\u200d\u2060\ufeff"
"""Characters that stand in words and are not seen: soft hyphens, zero-width spaces and joiners."""
LOOKALIKES = {
    char: letter
    for chars, letters in (
        ("АВЕЅІЈКМНОРСТХаеѕіјкорсухԁһӏԛԝ", "ABESIJKMHOPCTXaesijkopcyxdhlqw"),
        ("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧοινκρυχ", "ABEZHIKMNOPTYXoivkpux"),
        ("ɑɡ", "ag"),
    )
    for char, letter in zip(chars, letters, strict=True)
}
"""Letters of other alphabets that look like Latin ones, and are put in words to hide them."""


def _words(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


_BREAKS = "\n\x0b\x0c\r\x85\u2028\u2029"
_LINE_BREAKS = frozenset(_BREAKS)
# No repetition is followed by anything that can fail: no backtracking over it, so the scan is linear on
# any input. The pattern opens with one character class because `re` searches for that at full speed.
_MARK = re.compile(
    rf"[.!?…{_BREAKS}](?:(?<=[{_BREAKS}])|[.!?…\"'”’»)\]}}\u200b-\u200f\u2060\ufeff]*"
    r"(?:[ \u00a0\u202f][”’](?!\S)|(?<=[\"'”’])[ \u00a0\u202f][\"'](?!\S))?)"  # “He said: ‘Go.’ ”
    r"(\s*)"
)
_QUOTES = frozenset("\"'“‘«„")
_CONTINUES = frozenset(",;:.!?…”’»)]}%&/=+_")
# A name or a number follows these, so their full stop never ends a sentence.
_TITLES = _words(
    "mr mrs ms mx messrs dr prof gen sen sens rep reps gov govs lt col sgt capt cpl pvt cmdr adm maj brig "
    "supt det insp rev hon pres msgr fr st ste mt ft vs v cf ca approx viz dep atty asst ing mgr mme mlle rt "
    "e.g i.e"
)
# Only a number after these makes an abbreviation of them: "No. 5", "Jan. 5", but "He said no. Then he left."
_NUMBERED = _words("no nos p pp art sec fig figs vol ch para rs op jan feb mar apr jun jul aug sept sep oct nov dec")
# These stand inside a sentence as often as at its end; the next word decides. So do U.S., a.m. and initials.
_EITHER = _words(
    "inc corp co cos ltd plc bros jr sr esq etc al dept univ assn ave blvd rd est ext min max calif conn fla "
    "ga ill ind kan ky la md mass mich minn mo neb nev okla ore pa tenn tex va wash wis wyo ariz ark colo"
)
_STARTER = re.compile(
    r"[\"'“‘«„(\[]*(?:A|About|According|After|All|Also|Although|Among|An|And|Another|Any|As|At|Because|Before|Both"
    r"|But|By|Despite|During|Each|Even|Every|First|For|From|He|Her|Here|His|How|However|I|If|In|Instead|It|Its|Just"
    r"|Last|Like|Many|Meanwhile|Most|My|Nearly|Neither|No|Nobody|None|Nor|Not|Nothing|Now|Of|On|Once|One|Only|Or|Our"
    r"|Over|Police|She|Since|So|Some|Still|Such|That|The|Their|Then|There|These|They|This|Those|Though|Through|To"
    r"|Today|Two|Under|Until|Unlike|We|Well|What|When|Whether|Which|While|Who|Why|With|Without|Yes|Yet|You|Your)"
    r"\b(?!\.)"  # "A." and "I." are initials
)
_SPEAKER = re.compile(r"(?:[A-Z][\w.'’-]{0,30} ){1,3}(?:said|says|asked|asks|wrote|told|added|replied|shouted)\b")
_ACRONYM = re.compile(r"(?:[^\W\d_]{1,2}\.)+[^\W\d_]{1,2}")

# Frequent in English news and rare elsewhere.
_ENGLISH = _words(
    "the and that with this which were from they their been would said who not it his what when there about "
    "after could should because these those into than other while how its our your she him if you or be "
    "monday tuesday wednesday thursday friday saturday sunday january february july october percent year years says "
    "told two three four five seven eight did does them then where through during against between before until since "
    "many very only both each another down off next month months days children being having according killed died"
)
# Each is a word of some other language too, but hardly one has more than three of them: "of", "was" and "is" in
# Dutch, "to", "for" and "at" in Danish, "a", "an" and "on" in French. A brief may have few others.
_SHARED = _words("a an of to on for at was is are has he")
_WORD = re.compile(r"\w+")
# English news has 0.1 to 0.3, other languages at most 0.01.
_MIN_ENGLISH = 0.04


def split_sentences(text: str) -> list[tuple[int, int]]:
    """Return where each sentence of `text` starts and ends.

    The spans are ordered, do not overlap and are trimmed; only whitespace lies outside them. A line break
    ends a sentence unless the text is hard-wrapped. The time is linear in the length of any input.

    Parameters
    ----------
    text : str
        The article, verbatim.

    Returns
    -------
    list of (int, int)
        Character offsets: ``text[start:end]`` is the sentence.

    Examples
    --------
    >>> split_sentences("Mr. Bean left. “Why?” J. K. Rowling asked.")
    [(0, 14), (15, 42)]
    """
    spans = []
    start = len(text) - len(text.lstrip())
    for match in _MARK.finditer(text, start):
        mark, (stop, follower) = match.start(), match.span(1)
        if follower == len(text) or not _is_boundary(text, start, mark, stop, follower):
            continue
        end = stop
        if text[mark] in _LINE_BREAKS:
            end = start + len(text[start:mark].rstrip())
        spans.append((start, end))
        start = follower
    end = len(text.rstrip())
    if start < end:
        spans.append((start, end))
    return spans


def _is_boundary(text: str, start: int, mark: int, stop: int, follower: int) -> bool:
    """Decide whether the mark ``text[mark:stop]`` ends a sentence when ``text[follower]`` comes next."""
    first, gap, after = text[mark], text[stop:follower], text[follower]
    if first in _LINE_BREAKS:
        return not (after.islower() and _is_wrapped(text, mark, follower))
    if (len(gap) > 1 and not _LINE_BREAKS.isdisjoint(gap)) or gap in _LINE_BREAKS:
        return True
    if after.islower() or after in _CONTINUES:
        return False
    if not gap:  # "the end.The next": only where a word that opens sentences follows
        return text[mark - 1 : mark].islower() and _STARTER.match(text, follower) is not None
    run = text[mark:stop]
    if run not in (".", ".)", ".]"):
        if first in "?!" and run[-1] in "\"”’'":  # “Why?” Smith asked.
            return _SPEAKER.match(text, follower) is None or _STARTER.match(text, follower) is not None
        # "ends. “imminent” attack" is a break, "he spoke of … “great” plans" is not
        paused = run == "…" or run.startswith("..")
        return not (paused and after in _QUOTES and text[follower + 1 : follower + 2].islower())
    if text[mark - 7 : mark].isalpha() and text[mark - 7 : mark].islower():  # no abbreviation is that long
        return True
    word = (text[max(start, mark - 16) : mark].split() or [""])[-1].lstrip("\"'“‘«„([{—–-")
    lower = word.lower()
    if lower in _TITLES or (word.isdigit() and mark - start <= 3):  # "1. First item"
        return False
    if lower in _EITHER or (len(word) == 1 and word.isupper()) or ("." in word and _ACRONYM.fullmatch(word)):
        return _STARTER.match(text, follower) is not None
    return lower not in _NUMBERED or not after.isdigit()


def _is_wrapped(text: str, line_end: int, follower: int) -> bool:
    """Tell whether the one line break before `follower` was put in by hard wrapping at 50 to 90 columns."""
    if text[line_end:follower].strip(" \t") not in ("\n", "\r\n"):
        return False
    width = line_end - 1 - text.rfind("\n", max(0, line_end - 91), line_end)
    fits = len(text) - follower <= 90 or "\n" in text[follower : follower + 91]
    return fits and 50 <= width <= 90


class Edits:
    """Where the characters of an edited text stood before.

    Parameters
    ----------
    changes : iterable of (int, int, int)
        Start and end of what was replaced, in order, and the length of what stands there now.
    """

    def __init__(self, changes: Iterable[tuple[int, int, int]]) -> None:
        self._begins, self._origins, self._ends = [0], [0], [-1]  # of pieces now, and then; no end if they were kept
        done = 0
        for start, end, length in changes:
            place = self._begins[-1] + start - done
            self._begins += [place, place + length]
            self._origins += [start, end]
            self._ends += [end, -1]
            done = end

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Return where a span that is not empty was; it begins and ends with whole replacements."""
        first = bisect_right(self._begins, start) - 1
        last = bisect_right(self._begins, end - 1) - 1
        begin = self._origins[first] + (start - self._begins[first] if self._ends[first] < 0 else 0)
        stop = self._ends[last] if self._ends[last] >= 0 else self._origins[last] + end - self._begins[last]
        return begin, stop

    def back(self, items: Iterable[Evidence]) -> tuple[Evidence, ...]:
        """Return evidence of the edited text where it was before."""
        return tuple(
            replace(item, start=start, end=end) for item in items for start, end in [self.span(item.start, item.end)]
        )


_DISGUISED = re.compile(f"[A-Za-z{''.join(LOOKALIKES)}]+")
_IS_LOOKALIKE = re.compile(f"[{''.join(LOOKALIKES)}]")
_AS_LATIN = str.maketrans(LOOKALIKES)
_WITHOUT_INVISIBLE = dict.fromkeys(map(ord, INVISIBLE))


def undisguised(text: str) -> str:
    """Return the text, as long, with Latin letters for those that only look like them, in words that have both."""
    if text.isascii() or not _IS_LOOKALIKE.search(text):
        return text
    return _DISGUISED.sub(lambda word: _latin(word[0]), text)


def _latin(word: str) -> str:
    return word.translate(_AS_LATIN) if re.search("[A-Za-z]", word) else word


def english_share(text: str) -> float:
    """Return the share of common English words among the first 400 words or so.

    Those that other languages share count only where many different ones meet. The share is scaled by that of ASCII
    characters, so that an English menu does not make a Chinese page English.

    Parameters
    ----------
    text : str
        The article.

    Returns
    -------
    float
        Between 0 and 1; higher is more English; 0 for a text without words.
    """
    head = text.lstrip()[:2500]
    if not head.isascii():
        head = undisguised(head.translate(_WITHOUT_INVISIBLE))
    words = _WORD.findall(head.lower())
    found = sum(map(_ENGLISH.__contains__, words)) + max(len(_SHARED.intersection(words)) - 3, 0)
    ascii_share = len(head.encode("ascii", "ignore")) / (len(head) or 1)
    return found / (len(words) or 1) * ascii_share


def looks_english(text: str) -> bool:
    """Tell whether `text` is English.

    Below 20 words, too few for function words to tell, a text in ASCII letters gets the benefit of the doubt.

    Parameters
    ----------
    text : str
        The article.

    Returns
    -------
    bool
        False for other languages and for a text without words.
    """
    if english_share(text[:300]) > 2 * _MIN_ENGLISH:  # settles most news at an eighth of the cost
        return True
    if len(text.split(None, 20)) < 20:
        return any(map(str.isalpha, text)) and len(undisguised(text).encode("ascii", "ignore")) > 0.9 * len(text)
    return english_share(text) >= _MIN_ENGLISH
