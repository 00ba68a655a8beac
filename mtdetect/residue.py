"""Leftovers of the page around an article: "Source link", "Leave a Reply". Never evidence of translation."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mtdetect.types import Evidence

__all__ = ["page_residue"]

_NETWORK = r"(?:facebook|twitter|x|whatsapp|linkedin|instagram|pinterest|reddit|telegram|youtube|e-?mail)"
_BUTTON = rf"(?:share|tweet|post|print|comments?|pin it|{_NETWORK})"
_PAGE_LINE = re.compile(
    r"(?:original )?source(?: link)?|(?:read|see|learn) (?:more|next|also|the full (?:article|story)).{0,3}"
    r"|(?:read (?:more|next|also|the original article)|see also|also read|more from|related|recommended) ?:"
    r".{0,150}"
    r"|(?:related|recommended|popular|recent|latest|more|similar|trending) (?:articles?|stories|posts?|news"
    r"|topics|content|coverage|comments|videos|links):?"
    r"|(?:you (?:may|might) also (?:like|enjoy)|don['’]t miss|most (?:read|popular|viewed|shared)).{0,3}"
    r"|(?:leave|post|add|write) a (?:reply|comment)(?: cancel reply| below| here)?[.!]?|cancel reply"
    r"|(?:\d{1,6}|no|view|show|load|see all) (?:comments?|shares?|replies)(?: yet)?|comments are closed\.?"
    r"|(?:your email address will not be published|required fields are marked|save my name, email"
    r"|notify me of (?:follow|new)|learn how your comment data).{0,120}"
    r"|(?:back|return|scroll|go) to (?:the )?top(?: button)?|skip to (?:main )?content"
    r"|(?:previous|next) (?:post|article|story)(?: ?[:»→].{0,100})?"
    rf"|(?:share|pin|save) (?:this|it|on|via)(?: (?:article|story|post|page|on|via|{_NETWORK})){{0,4}}:?"
    rf"|(?:tweet|share|e-?mail|print)(?: (?:this|it))?|{_BUTTON}(?:[ |·•,/]{{1,3}}{_BUTTON}){{1,8}}"
    r"|(?:(?:this (?:web)?site|we) uses? (?:cookies (?:to|and|on|for)|akismet)"
    r"|(?:accept|manage)(?: all)? cookies"
    r"|by (?:clicking|continuing|signing up|using (?:this|our)) .{0,80}you agree).{0,180}"
    r"|(?:(?:please )?(?:subscribe|sign up)|join) (?:now |today |here )?(?:to|for) (?:our|the|my|free)\b"
    r"[^“”\"]{0,60}(?:newsletters?|updates|mailing list|channel|alerts|inbox)\b[^“”\"]{0,60}"
    r"|subscribe(?: now)?"
    rf"|(?:follow|like|find|join) us on {_NETWORK}.{{0,60}}|click here (?:to|for) .{{1,120}}"
    r"|advertisements?|sponsored(?: content)?|(?:story|article) continues below.{0,30}"
    r"|(?:posted|published|updated) (?:on|at):? .{0,30}\d{4}(?:.{0,12} by .{1,40})?|posted by [^.]{1,40}"
    r"|(?:filed under|tagged(?: with)?|tags?|categor(?:y|ies)|posted in) ?:.{1,150}"
    r"|(?:copyright|©|\(c\))(?: ©| \(c\))? ?\d{4}.{0,100}|all rights reserved\.?|(?:log|sign) ?in"
    r"|loading[.…]{0,3}"
    r"|(?:(?:privacy|cookie) policy|terms of (?:use|service))(?: ?[|·•] ?[a-z ]{3,30}){0,8}"
    r"|(?:read or share this story"
    r"|this (?:article|story|post) (?:was )?(?:originally|first) (?:appeared|published)) .{1,150}"
)
# the first three letters of all of them, or their second character is no letter: this settles nearly all prose
_STARTS = frozenset(
    "acc|add|adv|all|art|bac|by |can|cat|cli|com|coo|cop|don|ema|fac|fil|fin|fol|go |ins|joi|lat|lea|lik|lin|loa|log"
    "|man|mor|mos|nex|no |not|ori|pin|ple|pop|pos|pre|pri|pub|rea|rec|red|rel|req|ret|sav|scr|see|sha|sho|sig|sim|ski"
    "|sou|spo|sto|sub|tag|tel|ter|thi|tre|twe|twi|upd|vie|we |wha|wri|you".split("|")
)


def page_residue(text: str) -> Iterator[Evidence]:
    """Find lines that a scraper left around the article: “Leave a Reply”, “Related Articles”, share buttons.

    They say nothing about translation. A hit is always a whole line, without the spaces around it: a
    sentence of prose that mentions such words has more to it than the patterns allow.

    Parameters
    ----------
    text : str
        The article as it was scraped.

    Yields
    ------
    Evidence
        Strength ``context``.
    """
    start = 0
    for line in text.split("\n"):
        if 3 <= len(line) <= 300 and (line[:3].lower() in _STARTS or not line[:2].isalpha()):
            content = line.strip()
            if 3 <= len(content) <= 200 and _PAGE_LINE.fullmatch(" ".join(content.lower().split())):
                spot = start + line.index(content)
                yield Evidence(spot, spot + len(content), "page_residue", "a leftover of the web page", "context")
        start += len(line) + 1
