"""Corruptions of clean sentences, as published round trips show them and rule-based engines don't make them.

Each is a pure function of the sentence, of what stands before it in the article, and of a random generator. It
returns None where the sentence gives it nothing to break.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from typing import NamedTuple

__all__ = ["CORRUPTIONS", "Corrupted", "corrupt"]


class Corrupted(NamedTuple):
    """A sentence that was broken on purpose.

    Parameters
    ----------
    text : str
        The broken sentence, or two where it was cut.
    start, end : int
        What is wrong, as offsets into `text`.
    category : str
        Category of the taxonomy.
    """

    text: str
    start: int
    end: int
    category: str


Corruption = Callable[[str, str, random.Random], "Corrupted | None"]

# nouns that come back as verbs when a language without noun compounds has been in between
_VERBS = {
    "accident": "crashes", "attack": "attacks", "ban": "bans", "battle": "fights", "blast": "blows", "bombing": "bombs",
    "campaign": "campaigns", "collapse": "falls", "crash": "crashes", "cut": "cuts", "deal": "deals", "drill": "drills",
    "explosion": "explodes", "fight": "fights", "fire": "burns", "flight": "flies", "game": "plays", "hike": "climbs",
    "hit": "hits", "killing": "kills", "launch": "launches", "leak": "leaks", "march": "walks", "meeting": "meets",
    "operation": "operates", "plan": "plans", "protest": "protests", "race": "runs", "raid": "raids",
    "rally": "gathers", "rescue": "rescues", "ride": "rides", "sale": "sells", "search": "searches",
    "shooting": "shoots", "show": "plays",
    "speech": "speaks", "strike": "hits", "surge": "jumps", "swap": "swaps", "test": "tests", "tour": "tours",
    "trial": "judges", "trip": "travels", "visit": "visits", "vote": "votes", "walk": "goes", "war": "fights",
}  # fmt: skip
_COMPOUND = re.compile(
    r"\b(?:after|at|by|during|for|from|in|into|of|on|through|to|under|with) (?:an?|the|his|her|its|their|this|another)"
    rf" (?:[a-z-]+ )?(?P<head>[a-z][a-z-]{{2,19}}) (?P<noun>{'|'.join(_VERBS)})\."
)
_NO_HEAD = frozenset(
    "first second third last next new big major former recent possible deadly early late same other only final huge"
    " great good bad long short small large the and public local national annual failed new historic joint special"
    .split()
)  # fmt: skip


def cut_compound(sentence: str, before: str, rng: random.Random) -> Corrupted | None:
    """Cut a noun compound at the end and start again with a pronoun and a verb: “in a drone. He hits.”."""
    match = _COMPOUND.search(sentence)
    if match is None or match.end() != len(sentence) or match["head"] in _NO_HEAD:
        return None
    stray = f" {rng.choice(('He', 'It'))} {_VERBS[match['noun']]}."
    head = sentence[: match.end("head")] + "."
    return Corrupted(head + stray, match.start("head"), len(head + stray), "fragment_break")


_ACRONYM = re.compile(r" \((?P<name>[A-Z]{2,6})\)")
_ALIAS = re.compile(
    r"\b(?P<name>[A-Z][a-z]{2,20})(?P<link>, (?:formerly|previously|also) (?:known as |called )?)"
    r"(?P<alias>[A-Z][a-z]{2,20})(?=[,.)])"
)


def collapse_alias(sentence: str, before: str, rng: random.Random) -> Corrupted | None:
    """Let both sides of a contrast of names come back equal: “(ISIS, formerly ISIS)”."""
    if match := _ALIAS.search(sentence):
        text = sentence[: match.start("alias")] + match["name"] + sentence[match.end("alias") :]
        return Corrupted(text, match.start(), match.start("alias") + len(match["name"]), "repetition_collapse")
    if match := _ACRONYM.search(sentence):
        link = rng.choice(("formerly", "previously", "also known as", "now"))
        inside = f"{match['name']}, {link} {match['name']}"
        start = match.start("name")
        return Corrupted(
            sentence[:start] + inside + sentence[match.end("name") :],
            start,
            start + len(inside),
            "repetition_collapse",
        )
    return None


_FRAGMENT_QUOTE = re.compile(r"(?<=[a-z] )[“\"](?P<first>[a-z])[a-z-]+(?: [\w’'-]+){1,6}[.,]?[”\"]")


def capital_after_quote(sentence: str, before: str, rng: random.Random) -> Corrupted | None:
    """Begin a fragment of a quote with a capital in mid-clause: “a strike “Necessary and proportionate action.””."""
    matches = list(_FRAGMENT_QUOTE.finditer(sentence))
    if not matches:
        return None
    match = rng.choice(matches)
    spot = match.start("first")
    text = sentence[:spot] + sentence[spot].upper() + sentence[spot + 1 :]
    return Corrupted(text, match.start(), match.end(), "case_anomaly")


_SPEECH = r"(?:said|added|stated|explained|continued|stressed|noted)"
_LEADING_TAG = re.compile(
    r"(?P<who>He|She|They) (?P<verb>added|stated|explained|said)(?:,|:) (?P<open>[“\"])(?P<one>[^“”\"]+?),?"
    r" (?:and|but|because|so|that) (?P<two>[a-z][^“”\".!?]{10,})[.!?][”\"]"
)
_TRAILING_TAG = re.compile(
    rf"[“\"][^“”\"]{{3,}}(?P<stop>,)(?P<close>[”\"]) (?P<who>(?:[A-Z][\w’-]* ){{1,3}}|he |she |they |the [a-z]+ )"
    rf"(?P<verb>{_SPEECH})(?P<when> (?:on|in) (?:an? )?[\w ]{{3,40}})?\."
)


def double_tag(sentence: str, before: str, rng: random.Random) -> Corrupted | None:
    """Say twice who speaks: “He added: “…” He added, stressing that …”."""
    match = _LEADING_TAG.fullmatch(sentence)
    if match is None:
        return None
    close = "”" if match["open"] == "“" else '"'
    head = f"{match['who']} {match['verb']}: {match['open']}{match['one']}.{close} "
    tag = f"{match['who']} {match['verb']}, {rng.choice(('stressing', 'adding', 'noting', 'explaining'))} that"
    return Corrupted(f"{head}{tag} {match['two']}.", len(head), len(head + tag), "quote_attribution")


def orphan_tag(sentence: str, before: str, rng: random.Random) -> Corrupted | None:
    """Make the speaker tag a sentence of its own: “…security.” He said."."""
    match = _TRAILING_TAG.fullmatch(sentence)
    if match is None or match["when"]:
        return None
    who = match["who"][0].upper() + match["who"][1:]
    head = f"{sentence[: match.start('stop')]}.{match['close']} "
    tag = f"{who}{match['verb']}."
    return Corrupted(head + tag, len(head), len(head + tag), "quote_attribution")


def move_tag(sentence: str, before: str, rng: random.Random) -> Corrupted | None:
    """Move the speaker into a passive sentence after the quote: “…” This was stated by the minister, on Friday."""
    match = _TRAILING_TAG.fullmatch(sentence)
    if match is None or match["who"] in ("he ", "she ", "they "):
        return None
    head = f"{sentence[: match.start('stop')]}.{match['close']} "
    verb = rng.choice(("stated", "said", "declared"))
    tag = f"This was {verb} by {match['who'].strip()}{',' if match['when'] else ''}{match['when'] or ''}."
    return Corrupted(head + tag, len(head), len(head + tag), "quote_attribution")


_CLAUSE_TAG = re.compile(
    rf"(?P<word>[a-z]{{2,}})(?P<stop>, )(?P<who>he|she|they) (?P<verb>{_SPEECH})(?P<next>, | that )"
)


def lose_stop(sentence: str, before: str, rng: random.Random) -> Corrupted | None:
    """Lose the mark between a clause and its speaker tag: “promised to do so He added: …”."""
    match = _CLAUSE_TAG.search(sentence)
    if match is None or sentence.count("“") > sentence.count("”") or sentence.count('"') % 2:
        return None
    tag = f" {match['who'].capitalize()} {match['verb']}:"
    text = f"{sentence[: match.start('stop')]}{tag} {sentence[match.end() :]}"
    return Corrupted(text, match.start("word"), match.start("stop") + len(tag), "punctuation_damage")


_COMMA = re.compile(r"(?<=[a-z]{3}), (?=[a-z])")


def stray_mark(sentence: str, before: str, rng: random.Random) -> Corrupted | None:
    """Put marks where English has none: “Iraq. , in addition”."""
    matches = list(_COMMA.finditer(sentence))
    if not matches:
        return None
    match = rng.choice(matches)
    mark = rng.choice((". , ", ", , ", " ,, ", "; , "))
    text = sentence[: match.start()] + mark + sentence[match.end() :]
    return Corrupted(text, match.start(), match.start() + len(mark.rstrip()), "punctuation_damage")


_PHRASE = re.compile(
    r"(?<![\w’'-])(?:(?:the|a|of|in|to|by|for|with|on) )?[a-z]{4,} (?:of |in |to |for |and )?[a-z]{2,}(?= [a-z])"
)


def double_phrase(sentence: str, before: str, rng: random.Random) -> Corrupted | None:
    """Say a phrase twice, as a decoder that loops: “the members of the members of the council”."""
    matches = [match for match in _PHRASE.finditer(sentence) if " and" not in match[0]]
    if not matches:
        return None
    match = rng.choice(matches)
    text = f"{sentence[: match.end()]} {match[0]}{sentence[match.end() :]}"
    return Corrupted(text, match.start(), match.end() + 1 + len(match[0]), "repetition_collapse")


_FULL_NAME = re.compile(r"(?<![\w’'-])(?P<first>[A-Z][a-z]{4,15}) (?P<last>[A-Z][a-z]{4,15})(?![\w-]| [A-Z])")
_SPELLINGS = (
    ("ss", "s"), ("q", "k"), ("k", "c"), ("kh", "k"), ("ou", "u"), ("ee", "i"), ("ll", "l"), ("ei", "i"), ("ia", "iya"),
    ("s", "ss"), ("m", "mm"), ("l", "ll"), ("n", "nn"), ("e", "i"), ("o", "u"), ("i", "e"),
)  # fmt: skip


def respell_name(sentence: str, before: str, rng: random.Random) -> Corrupted | None:
    """Spell a name that came before in another way: “Qassem … Qasem”."""
    for match in _FULL_NAME.finditer(sentence):
        if match[0] not in before:
            continue
        part = rng.choice(("first", "last"))
        name = match[part]
        for old, new in rng.sample(_SPELLINGS, len(_SPELLINGS)):
            if (spot := name.find(old, 1)) > 0 and spot + len(old) < len(name):
                other = name[:spot] + new + name[spot + len(old) :]
                text = sentence[: match.start(part)] + other + sentence[match.end(part) :]
                return Corrupted(text, match.start(), match.end() + len(other) - len(name), "entity_inconsistent")
    return None


CORRUPTIONS: tuple[Corruption, ...] = (
    cut_compound, collapse_alias, double_tag, move_tag, orphan_tag, lose_stop, capital_after_quote, respell_name,
    stray_mark, double_phrase,
)  # fmt: skip
"""From the ones that find their place rarely to those that nearly always do."""
_RARE = 8


def corrupt(sentence: str, before: str, rng: random.Random) -> Corrupted | None:
    """Break a sentence in one of the ways that it allows, rare ones first.

    Parameters
    ----------
    sentence : str
        A clean sentence.
    before : str
        What stands before it in the article.
    rng : random.Random
        The only source of chance.

    Returns
    -------
    Corrupted or None
        None if the sentence allows none.
    """
    order = [*rng.sample(CORRUPTIONS[:_RARE], _RARE), *rng.sample(CORRUPTIONS[_RARE:], len(CORRUPTIONS) - _RARE)]
    for corruption in order:
        if broken := corruption(sentence, before, rng):
            return broken
    return None
