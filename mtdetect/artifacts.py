"""Rules that point at machine-translation artifacts, as named pure functions in one table.

A rule takes the whole article and yields evidence at verbatim offsets. To add one: write a function named
after its category, add a line to `RULES` and a file to ``tests/cases``.

Every rule is linear in the text: repeats are bounded, and what stands around a match is looked up in a
window of fixed size. Patterns begin with one rare literal, then look behind, which lets `re` leap from one
occurrence to the next. Where clean English comes close to an artifact the rule stays silent: accusing a
human-written article is the expensive mistake.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from itertools import islice, permutations
from typing import NamedTuple

import numpy as np

from mtdetect.text import INVISIBLE, Edits, undisguised
from mtdetect.types import Evidence, Strength

__all__ = ["RULES", "Rule", "find_artifacts", "phrase_hash", "spun_synonym"]


class Rule(NamedTuple):
    """One category of the taxonomy, and the function that finds it.

    Parameters
    ----------
    category : str
        Category of every evidence that `find` yields.
    find : callable
        Pure function from the article text to evidence, linear in its length.
    source : str
        Where the rule comes from.
    """

    category: str
    find: Callable[[str], Iterator[Evidence]]
    source: str


def _words(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


def _matches(patterns: Iterable[re.Pattern[str]], text: str) -> Iterator[re.Match[str]]:
    """Yield the matches of patterns that begin with a literal, which is looked for first.

    Most articles have neither a literal such as “;”, or the other style of quotes, nor a match.
    """
    for pattern in patterns:
        # a search that fails is quicker than `finditer`
        if pattern.pattern.lstrip("\\")[0] in text and pattern.search(text):
            yield from pattern.finditer(text)


def _both_quotes(pattern: str) -> tuple[re.Pattern[str], ...]:
    """Compile a pattern written with curly quotes for curly and for straight ones.

    Two patterns that begin with a literal are many times faster than one that begins with a set.
    """
    return re.compile(pattern), re.compile(re.sub("[“”]", '"', pattern))


def _quote_start(text: str, close: int, reach: int) -> int:
    """Return where the quote that ends at `close` opens, at most `reach` characters before, else `close`."""
    start = text.rfind("“" if text[close] == "”" else '"', max(0, close - reach), close)
    return start if start >= 0 else close


def _enclosed(text: str, spot: int) -> bool:
    """Tell whether a bracket or a quote is open at `spot`, looking back 200 characters in the same line."""
    before = text[max(0, spot - 200) : spot].rpartition("\n")[2]
    pairs = (("(", ")"), ("[", "]"), ("“", "”"), ("«", "»"))
    return before.count('"') % 2 == 1 or any(before.rfind(a) > before.rfind(b) for a, b in pairs)


# lead bytes in UTF-8 of what English pages hold anyway: Latin letters, punctuation, emoji
_LATIN_BYTES = bytes([*range(0xCD), 0xE2, *range(0xF0, 0x100)])


def _has_other_script(text: str) -> bool:
    """Tell whether letters other than Latin may be there: much faster than a search that finds nothing."""
    return not text.isascii() and bool(text.encode("utf-8", "surrogatepass").translate(None, _LATIN_BYTES))


_SAID = r"(?:said|added|stated|continued|explained|stressed|noted|concluded|declared|affirmed|replied)"
_GOES_ON = r"(?:of|on|in|against|by|to|for|from|with|and|at|was|were|is|are|has|have|that|which)\b"

# Adjectives and abstract nouns, told by their form: they take no capital of their own in mid-clause. The
# lookahead lets off words of the same form that are verbs or begin names.
_COMMON_WORD = re.compile(
    r"(?!(?:Under|Unit(?:ed|y)|Uni(?:on|versal|versity|te|que)|Unless|Until|Unle?ash|General|Federal|Operation"
    r"|President|Student|Parent|Parliament|Government|Department|Regiment|Executive|Florence|Lawrence|Clarence"
    r"|Provence|Alliance|Montreal|Portugal|January|February|Secretary|Military|Vincent|Cardinal|Bible|Nation"
    r"|Trinity|Constitution|Amendment|Testament|Sergeant|Lieutenant|Steal|Repeal|Appeal|Reveal|Drive|Strive"
    r"|Arrive|Thrive|Survive|Forgive|Enable|Disable|Prevent|Implement|Advance|Balance|Mention|Mission)\b)"
    r"(?:Un[a-z]{3,}|Il(?:le|lo|li[bcm])[a-z]{3,}|Irr[a-z]{4,}|Self-[a-z]{3,}"
    r"|[A-Z][a-z]{2,}(?:ary|ous|ive|[ai]ble|ful|less|[ea]nt|al|[ts]ion|ment|ness|ity|[ae]nce|ship)"
    r"|Absolute|Barbaric|Catastrophic|Clear|Complete|Cowardly|Cruel|Dark|Deadly|Deliberate|Direct|Evil|Extreme"
    r"|False|Grave|Heroic|Historic|Horrific|Huge|Legitimate|Racist|Savage|Severe|Strategic|Strong|Total|Tragic)\b"
)
# neither people nor events of history are called so
_COMMON_NOUN = r"(?:Attack|Danger|Demand|Effort|Failure|Measure|Number|Response|Step|Threat)s?"


_FRAGMENT = re.compile(
    r"\.[ \n](?:(?:He|She|It) (?P<verb>[a-z]{2,11}s)|They (?:attack|bomb|crash|hit|kill|raid|strike))"
    r"(?: (?:apart|away|back|down|in|off|on|out|over|up))?\.(?=[\s”\"]|\Z)"
)
# what comes second in compounds such as “drone strike”, and is rarely done by the one just spoken of
_CUT_VERB = re.compile(
    r"\w+ (?:(?:attack|blast|bomb|chase|collide|explode|hit|raid|strike)s?|crash(?:es)?)\b"
    r"|It (?:fires|goes out|lifts|surges|votes)\b"
)
_CUT_NOUN = re.compile(
    r"\b(?:(?P<compound>(?:after|by|during|in|on|with) an?)|an?|another|her|his|its|the|their|this)"
    r" (?:[\w-]{1,20} )?[\w-]{2,20}\Z"
)
_PAST = re.compile(
    r"\b(?:was|were|had|did|(?<!\b[Aa] )(?<!\b(?:[Aa]n|is) )(?<!\b(?:[Tt]he|are) )(?!hundred)[a-z]{2,15}ed"
    r"|said|told|went|came|took|gave|fell|left|lost|met|shot|began|broke|ran"
    r"|held|became|won|got|made|found|led|hit|struck|sent|grew|put|set|cut|hurt|flew|died|rose|sank|blew)\b"
)
_STANDS_ALONE = _words(
    "is was has does works matters helps hurts happens depends shows sucks stinks stings lasts counts"
    " fits sells pays knows cares agrees disagrees smiles laughs sighs nods shrugs pauses waits listens"
    " cries weeps sleeps dies lives lies wins loses stops begins starts ends leaves returns remains stays"
    " rains snows adds wonders thinks hopes prays sits stands succeeds fails varies tries sings dances"
    " drinks smokes flies grins winks blushes worries this his us its as perhaps always thus yes ours hers"
    " theirs"
)


def fragment_break(text: str) -> Iterator[Evidence]:
    """Find the rest of a cut noun phrase as a stray sentence: “in a drone. He hits.”.

    People write two-word sentences too. A hit needs a past-tense sentence that breaks off after article and
    noun, then a present-tense verb that does not usually stand alone; strong wants what makes a compound.
    """
    for match in _matches((_FRAGMENT,), text):
        before = text[max(0, match.start() - 300) : match.start()]
        before = before[max(before.rfind("\n"), before.rfind(". ")) + 1 :]
        cut = _CUT_NOUN.search(before, max(0, len(before) - 60))
        if match["verb"] in _STANDS_ALONE or cut is None or _PAST.search(before) is None:
            continue
        start = match.start() - len(before) + before.rfind(" ") + 1
        message = f"“{match[0][2:]}” does not follow: a noun phrase seems to be cut in two"
        strength: Strength = "strong" if cut["compound"] and _CUT_VERB.match(match[0], 2) else "weak"
        yield Evidence(start, match.end(), "fragment_break", message, strength)


_ALIASES = tuple(
    re.compile(
        opener + r"(?:formerly|previously|(?:also|better|sometimes|otherwise|now)(?= (?!the )[a-z]))"
        r"(?: (?:known as|called|spelled|spelt|written|named|referred to as|transliterated as|rendered as))?"
        r" (?:the )?[“\"]?(?P<alias>[A-Z][\w.&’'-]{1,30}?(?: [A-Z][\w.&’'-]{0,30}?){0,3})[”\"]?"
        r"(?=[)\]]|[,.;”\"]+(?:\s|\Z)|\s[a-z]|\Z)(?! (?:of|at|in)\b)"
    )
    for opener in (",(?= ) ", r"\((?<= \()")
)
_BOTH = re.compile(r"b(?:oth|etween) (?:the )?(?P<name>[A-Z][\w-]{2,30}) and (?:the )?(?P=name)(?![\w’'-]| [A-Z])")
_DETERMINER = _words("the this its his her their our as is was been which at")
# people repeat what hangs on these on purpose: “the best of the best of the best”, “left right left right”
_ON_PURPOSE = _words(
    "very really many far long way so too no yes ha blah big more had and or best worst what said say says"
    " know knows knew think thinks thought heart exception about behind within left"
)
_TAUTOLOGY = _words("it he she they you we")  # “once they are gone they are gone”
# “from house to house to find”, “hand in hand in the rain”
_STEPS = _words("to by in on of for after upon over against from with")
_SHORT = 10  # letters; “tick tock tick tock”, “ping pong ping pong”
_LOOP = tuple(
    re.compile(
        rf"(?P<phrase>[a-z]+(?:[’'-][a-z]+)*(?: [a-z]+(?:[’'-][a-z]+)*){{{max(size - 1, 0)}}})"
        rf"(?: (?P=phrase)){{{1 if size > 1 else 2},}}[.,;:!?”\")]*(?!\S)"
    )
    for size in range(6)
)


def _equal_aliases(text: str) -> Iterator[tuple[int, int]]:
    for match in _matches(_ALIASES, text):
        window = max(0, match.start() - 40)
        before = text[window : match.start()].rstrip(" ”\"’'")
        start = window + len(before) - len(match["alias"])
        if before.endswith(match["alias"]) and not text[max(0, start - 1) : start].isalnum():
            yield start, match.end()


def _repeats(text: str) -> Iterator[tuple[int, int]]:
    """Yield where the same words stand twice in a row, and how many words these are, up to 5.

    All words in lower case are compared at once, by the five letters from their first, as numbers.
    """
    data = b" %b { | } ~ \x7f        " % text.encode("latin-1", "replace")  # a byte a letter; five words at the end
    codes = np.frombuffer(data, np.uint8)
    starts = ((codes[:-1] <= ord(" ")) & (codes[1:] >= ord("a"))).nonzero()[0]
    keys = np.ndarray(len(data) - 8, "<u8", data, 1, (1,))[starts] << np.uint64(24)
    count = len(keys) - 5
    next_five = np.ndarray((5, count), keys.dtype, keys, 8, (8, 8))  # each row begins one word further
    for hit in (next_five == keys[:count]).ravel().nonzero()[0].tolist():
        start, again = starts[hit % count], starts[hit % count + hit // count + 1]
        if data.startswith(data[start:again], again):
            yield int(start), hit // count + 1


def repetition_collapse(text: str) -> Iterator[Evidence]:
    """Find a contrast whose sides came back equal, “(ISIS, formerly ISIS)”, and decoder loops.

    In a loop, a phrase of 2 to 5 words stands twice in a row, or a word three times. People write such things too,
    “sell sell sell”, so a short one is strong only with a determiner or long words in it, or if it never ends.
    """
    for start, end in _equal_aliases(text):
        yield Evidence(start, end, "repetition_collapse", "the two names contrasted here are the same")
    for match in _matches((_BOTH,), text):  # weak: two people, or days, may well be called the same
        yield Evidence(*match.span(), "repetition_collapse", "the two names contrasted here are the same", "weak")
    end_of_last = [0] * 6
    for start, size in _repeats(text):
        if start < end_of_last[size] or not (loop := _LOOP[size].match(text, start)):
            continue
        end_of_last[size] = loop.end()
        phrase = loop["phrase"].split(" ")
        # “step by step by step”, “dog eat dog eat dog”; “call a spade a spade”, “a friend of a friend of a friend”
        chain = size == 2 and text.startswith(f" {phrase[0]}", loop.end())
        if size < 4 and not {"a", "an"}.isdisjoint(phrase):
            chain = size == 2 or not _STEPS.isdisjoint(phrase)
        if chain or (size > 1 and phrase[0] == phrase[1]) or not _ON_PURPOSE.isdisjoint(phrase):
            continue
        step = not _STEPS.isdisjoint(phrase) and not phrase[0].endswith(("ed", "ing"))
        terse = size == 1 or (size == 2 and (len(loop["phrase"]) < _SHORT or step))
        sense = phrase[0] in _TAUTOLOGY or (terse and _DETERMINER.isdisjoint(phrase))
        clear = not sense or len(loop[0]) > 60
        # a short repeat inside a quote may be how somebody spoke
        strength: Strength = "strong" if clear and (size > 3 or not _enclosed(text, start)) else "weak"
        yield Evidence(*loop.span(), "repetition_collapse", "the same words stand again and again", strength)


_OPENING = _both_quotes(
    rf"“(?:(?P<first>[A-Z][a-z-]+)(?= [a-z])|[a-z][a-z -]{{1,40}}” (?P<word>{_COMMON_NOUN})(?= {_GOES_ON}|[.,;]))"
)
_REST_OF_QUOTE = re.compile(r"(?P<words>(?:,? [\w’'-]{1,20}){1,13})(?P<stop>\.)?[,!]?[”\"]")
_BEFORE_QUOTE = re.compile(
    r"(?:\A|(?<=[\s(—]))"
    r"(?:(?P<article>an?|another|any|her|his|its|our|the|their|this) (?:[a-z-]{2,20} )??)?"
    r"(?P<word>[a-z][a-z-]{1,19} )?\Z"
)
# what stands before titles of works, slogans and quoted sentences, all of which keep their capital
_TITLED = re.compile(
    r"(?:ad|adage|advert|album|answer|article|ballad|banner|bill|book|campaign|caption|category|chant|chapter|chart"
    r"|column|comedy|comic|command|comment|cover|documentary|drama|editorial|episode|essay|event|exhibit(?:ion)?"
    r"|figure|film|game|guide|headline|hit|hymn|label|lesson|line|list|magazine|mantra|manual|maxim|memoir"
    r"|message|motto|movie|musical|name|newspaper|nickname|note|novel|op-ed|opera|order|painting|pamphlet|paper"
    r"|phrase|photo|picture|play|podcast|poem|post|poster|principle|program(?:me)?|project|proverb|question"
    r"|quote|report|rule|saying|sculpture|section|segment|seminar|series|show|sign|single|slogan|song|speech"
    r"|sticker|story|study|table|tag|tattoo|term|text|theme|thriller|title|topic|track|tune|tweet|video|warning"
    r"|website|word|work|blog|brochure|class|concert|conference|course|debate|forum|leaflet|lecture|panel"
    r"|presentation|sermon|session|sitcom|sketch|talk|thesis|webinar|workshop"
    r"|as|called|like|named|is|and|or|than|that|are|was|were|said|says?|wrote|told|reads?|asks?|answers?"
    r"|\w+ed|\w+ing|(?:chant|headline|line|lyric|question|sign|slogan|song|term|title|word)s) "
)
_FINITE = re.compile(
    r"\b(?:is|are|was|were|am|has|have|had|will|would|can|cannot|could|must|should|shall|may|might|do|does|did"
    r"|\w+n[’']t|\w+[’'](?:s|re|ll|ve|d|m))\b"
)
_NO_NOUN = re.compile(
    r"(?:\w{3,}(?:al|ant|ary|ble|ent|ful|ial|ic|ive|less|ous)|\w+ly|big|brief|current|famous|first|former|free|full"
    r"|good|great|joint|last|little|main|major|new|next|old|own|second|short|third|top|whole"
    r"|about|against|at|by|for|from|in|into|of|on|over|to|under|with) "
)
_NEW_SENTENCE = re.compile(r" (?P<word>It|He|She|They|This|These|There|We|The|That|But|And|In|For|With) [a-z]+")
_CAPITAL_AFTER = _both_quotes(rf"”(?<=[a-z]”){_NEW_SENTENCE.pattern}")
# plurals that institutions are not named after
_STRAY_NOUNS = ("Numbers of ", "Attacks on ", "Threats to ", "Threats against ")
_AFTER_ADJECTIVE = re.compile(r"(?<=[a-z] )[a-z]+(?:al|ant|ary|ed|ent|ful|ic|ing|ive|less|ous) \Z")
_RUNS_ON = re.compile(r"[a-z]+\b(?! [A-Z])")


def case_anomaly(text: str) -> Iterator[Evidence]:
    """Find a capital in mid-clause after an opening quote, or for no reason: “another “Heinous act” It was”.

    Sentences, titles and names keep their capital in quotes. So the quote must be a fragment that opens with
    a word of common form, and the clause must be running on into it.
    """
    message = "“{}” has a capital in the middle of a clause"
    for match in _matches(_OPENING, text):
        if word := match["word"]:
            yield Evidence(*match.span(), "case_anomaly", message.format(word))
            continue
        if _COMMON_WORD.fullmatch(match["first"]) is None:
            continue
        rest = _REST_OF_QUOTE.match(text, match.end())
        if rest is None or _FINITE.search(rest["words"]):
            continue
        before = _BEFORE_QUOTE.search(text, max(0, match.start() - 64), match.start())
        if before is None or not before[0] or _TITLED.fullmatch(before["word"] or ""):
            continue
        # documents, shows and schemes have such names, but not after another noun, nor before a new sentence
        noun = before["word"] and not _NO_NOUN.fullmatch(before["word"])
        sentence = noun and rest["stop"] and rest["words"].count(" ") > 1
        clear = before["article"] and (sentence or _NEW_SENTENCE.match(text, rest.end()))
        strength: Strength = "strong" if clear else "weak"
        yield Evidence(before.start(), rest.end(), "case_anomaly", message.format(match["first"]), strength)
    for match in _matches(_CAPITAL_AFTER, text):
        start = _quote_start(text, match.start(), 100)
        # a quoted sentence that lost its stop is a human slip
        slip = start == match.start() or _FINITE.search(text, start, match.start())
        yield Evidence(start, match.end(), "case_anomaly", message.format(match["word"]), "weak" if slip else "strong")
    for noun in _STRAY_NOUNS:
        spot = text.find(noun)
        while spot >= 0:
            end = spot + len(noun)
            adjective = _AFTER_ADJECTIVE.search(text, max(0, spot - 20), spot)
            if adjective and _RUNS_ON.match(text, end):
                yield Evidence(adjective.start(), end - 1, "case_anomaly", message.format(noun.split()[0]))
            spot = text.find(noun, end)


_TAG_BEFORE = re.compile(rf"(?P<verb>{_SAID})(?:[,:]|,? that)? ?\Z")
_AFTER_QUOTE = _both_quotes(
    r"”(?:"
    # a speaker tag that may be the second one
    rf"(?<=[.!?,]”) (?:He|She|They) (?P<verb>{_SAID})(?P<participle>, [a-z]{{3,15}}ing that)?(?=[,: ])"
    # one that surely is
    rf"|(?<=,”) (?P<tag>(?:he|she|they) {_SAID}), (?P=tag)(?=[.,])"
    # speaker tags as sentences of their own, active and passive; after a name, the stop may be a human slip
    r"|(?P<orphan>(?:\.|(?<=[.]”)) "
    r"(?:(?P<name>(?!That |This |It |Nobody |None |Few |Some |Many |All |What |The )(?:[A-Z][\w’-]{0,20} ){1,4})"
    rf"|The (?:(?!he |she |they |we |I |it |was |were |less |more )[\w’-]{{1,20}} ){{1,4}}){_SAID}\."
    r"|[ \n]This (?:(?:was|has been) (?:also )?"
    r"(?:(?:stated|declared|mentioned|affirmed|expressed) (?:by|in|on)|said (?:in|on))"
    r"|came (?:in|during) (?:an?|his|her|the) (?:interview|press|speech|statement|televised))\b[^.\n]{0,80})"
    # a clause that depends on nothing
    r"|(?<=\w,”) (?:Especially|Particularly|Including|Amid|With|After|While|Which|Because|Despite|When|Where"
    r"|Who|And|But|Of|In|On|For|To|By|From|At|Against|During|Since|Between|Although|Through|Without|As)"
    r"(?= [a-z]))"
)


def quote_attribution(text: str) -> Iterator[Evidence]:
    """Find a speaker tag that is doubled, orphaned or moved: “He added: “…” He added, stressing that”."""
    for match in _matches(_AFTER_QUOTE, text):
        start = match.end() - len(match[0].lstrip('”". \n'))
        if match["orphan"]:
            message = "a speaker tag stands alone as a sentence after the quote"
        elif match["tag"]:
            message = "the speaker tag is doubled"
        elif match["verb"]:
            opening = _quote_start(text, match.start(), 1500)
            before = _TAG_BEFORE.search(text, max(0, opening - 30), opening)
            # “He said: “…” He said that …” is clumsy, but people write it
            if not before or not (match["participle"] or before["verb"] == match["verb"] != "said"):
                continue
            message = "the quote before it already has a speaker tag"
        else:
            start = _quote_start(text, match.start(), 80)
            message = "a piece of quote that belongs to no sentence"
        yield Evidence(start, match.end(), "quote_attribution", message, "weak" if match["name"] else "strong")


_LOST_STOP = tuple(
    re.compile(rf"{who} (?<=[a-z] {who} )(?:said(?=:| that)|{_SAID}(?<! said))(?:[,:]| that\b)")
    for who in ("He", "She", "They")
)
# “as He said:” is reverent
_REVERENT = _words(
    "what that when as which where who whom because if how why since before after until once and but or for than things"
    " words all everything everyone him"
)
# one pattern for each mark that damage begins with
_MARKS = (
    re.compile(r",(?:(?:(?: ?[,;:]){1,99}| ?\.)(?=\s)(?! \.)|(?= [a-z])(?<=[a-z] ,))"),
    re.compile(r"\.(?=[ .])(?<=[a-z]{3}\.)(?: ,|\.(?=\s+[A-Z“\"]|\s*\Z))"),
    re.compile(r";(?: ?[;,]){1,99}(?=\s)"),
    re.compile(r": ?,(?=\s)"),
    re.compile(r"\?(?<!\.\?) ?\.(?=\s|\Z)(?! \.)"),
)
_SLIPS = (",", "..", ",;", ",:", ", ;", ", :", ", .")  # the first with a space before it; typists do these, too
_ABBREVIATION = re.compile(
    r"\b(?:Assn|Bros|Calif|Capt|Conn|Corp|Dept|Govt|Intl|Mass|Mich|Minn|Penn|Prof|Reps|Sens|Sept|Univ|Wash"
    r"|approx|etc|dept|govt|incl|[A-Z][a-z]{1,2})\Z"
)


def punctuation_damage(text: str) -> Iterator[Evidence]:
    """Find clause punctuation that was lost, “to do so He added:”, or is not English, “Iraq. , in”."""
    for match in _matches(_LOST_STOP, text):
        start = text.rfind(" ", max(0, match.start() - 30), match.start() - 1) + 1 or match.start()
        if text[start : match.start()].rstrip() not in _REVERENT:
            yield Evidence(start, match.end(), "punctuation_damage", "no punctuation before a new sentence")
    for match in _matches(_MARKS, text):
        if match[0] in _SLIPS:
            yield Evidence(*match.span(), "punctuation_damage", "a slip of punctuation", "weak")
        elif not _ABBREVIATION.search(text, max(0, match.start() - 8), match.start()):
            yield Evidence(*match.span(), "punctuation_damage", f"“{match[0]}” is not English punctuation")


_LETTERS = (  # Greek to Armenian, Hebrew and Arabic, India to Laos, Georgian, kana, Chinese, Korean
    "\u0370-\u058f\u05d0-\u06ff\u0750-\u077f\u0900-\u0eff\u10a0-\u11ff\u1f00-\u1fff\u3041-\u30ff\u3400-\u4dbf"
    "\u4e00-\u9fff\uac00-\ud7af"
)
_FOREIGN_WORDS = re.compile(rf"[{_LETTERS}]+(?:[ -][{_LETTERS}]+){{0,2}}")
_SYMBOL = re.compile("[\u0370-\u03ff]{1,2}|Я")  # formulae and brands
_LOOKALIKES = "асеорхуіјѕһԁАВЕКМНОРСТХІЈЅ"
_MIXED_WORD = re.compile(rf"[{_LOOKALIKES}](?:(?<=[A-Za-z].)|(?=[A-Za-z]))[A-Za-z\u0400-\u04ff]{{0,20}}")
# a word that is spoken of, and words set off by punctuation, are no residue
_SPOKEN_OF = re.compile(
    r"\b(?:adjective|called|character|for|form|handle|hashtag|kanji|letter|means|meaning|name|named|noun|or|phrase"
    r"|prefix|reads?|root|script|sign|spelled|suffix|symbol|term|verb|wrote|words?|written) \Z"
)
_DOT_THOUSANDS = re.compile(
    r"\.(?<=\d\.)\d{3}(?= [a-z]{3})"
    r"(?! (?:\w*illion|percent|per|points|seconds|met[er]{2}s|miles|inches|ounces|for|and))"
)
_BEFORE_DOT = re.compile(r"(?<![\d.,$€£¥])[1-9]\d{0,2}\Z")
_COMMA_THOUSANDS = re.compile(r",(?<=\d,)\d{3}(?!\d)")


_THING_WRITTEN = r"(?:brand|calligraphy|character|emblem|glyph|hashtag|kanji|label|letter|logo|mark|script|sign|symbol)"
_RUNS_ON_AFTER = re.compile(rf" (?!{_THING_WRITTEN}s?\b)[a-z]|\.?\s*(?:\n|\Z)|\. [A-Z]")


_A_DISGUISE = 5  # so many words with look-alike letters are somebody's work, not a machine's


def _foreign_script(text: str) -> Iterator[tuple[int, int, str, Strength]]:
    for match in _FOREIGN_WORDS.finditer(text):
        start, end = match.span()
        spoken_of = _SPOKEN_OF.search(text, max(0, start - 30), start) or _SYMBOL.fullmatch(match[0])
        runs_on = _RUNS_ON_AFTER.match(text[end : end + 20])
        beside = runs_on and re.fullmatch("[a-z] ", text[max(0, start - 2) : start])
        if beside and not spoken_of and not _enclosed(text, start):
            yield start, end, "was left in another script", "strong"
    mixed = list(_MIXED_WORD.finditer(text))
    strength: Strength = "strong" if len(mixed) <= _A_DISGUISE else "weak"
    for match in mixed:
        start = match.start()
        while start and match.start() - start < 20 and text[start - 1].isalpha():
            start -= 1
        yield start, match.end(), "mixes look-alike letters of two scripts", strength


def untranslated_residue(text: str) -> Iterator[Evidence]:
    """Find foreign script in running text, look-alike letters, and thousands with a dot: “the 库 of data”.

    A name given in its own script stands in brackets, in quotes or between commas, and a word that is spoken
    of follows “the word” and the like. What is left has English words on both sides.
    """
    if _has_other_script(text):
        for start, end, what, strength in _foreign_script(text):
            yield Evidence(start, end, "untranslated_residue", f"“{text[start:end]}” {what}", strength)
    if (dotted := list(_matches((_DOT_THOUSANDS,), text))) and _COMMA_THOUSANDS.search(text):
        message = "a dot between thousands in an article that writes commas"
        for match in dotted:
            if number := _BEFORE_DOT.search(text, max(0, match.start() - 4), match.start()):
                yield Evidence(number.start(), match.end(), "untranslated_residue", message, "weak")


_NAME = "[A-ZÀ-ÖØ-Þ][a-zß-öø-ÿ-]{2,20}"
# the last two words of “General Qasem Soleimani”
_FULL_NAMES = tuple(re.compile(rf"{opener}({_NAME} {_NAME})(?![\w-]| [A-Z])") for opener in (" ", r"\n", r"\("))
_INITIAL = {"C": "K", "Q": "K"}


def _sound(name: str) -> str:
    """Fold what transliteration varies: vowels, doubled letters, and c, k and q."""
    name = re.sub(r"[aeiouy]+", "a", name.casefold())
    return re.sub(r"(.)\1+", r"\1", re.sub(r"[ckq]", "k", name))


def _respelled(names: list[str]) -> list[str]:
    sounds = [_sound(name) for name in names[:100]]
    return [name for name, sound in zip(names, sounds, strict=False) if sounds.count(sound) > 1][:4]


def entity_inconsistent(text: str) -> Iterator[Evidence]:
    """Find a name that the article spells in two ways, “Qasem” and “Qassem”, beside the same other half.

    Two people may well be called so, and reporters misspell names: strong only in “Mishal (Meshal)”.
    """
    variants_of: dict[tuple[str, str], list[str]] = {}  # by full name but for one half, and that half's initial
    patterns = _FULL_NAMES if "(" in text else _FULL_NAMES[:2]
    names = dict.fromkeys(name for pattern in patterns for name in pattern.findall("\n" + text))
    for name in islice(names, 200):
        first, last = name.split(" ")
        if len(first) >= 5:
            variants_of.setdefault((f"{{}} {last}", _INITIAL.get(first[0], first[0])), []).append(first)
        if len(last) >= 5:
            variants_of.setdefault((f"{first} {{}}", _INITIAL.get(last[0], last[0])), []).append(last)
    for (full_name, _), variants in variants_of.items():
        if len(variants) == 1:
            continue
        spelled = [re.search(rf"\b{full_name.format(variant)}\b", text) for variant in _respelled(variants)]
        for one, other in permutations([match for match in spelled if match], 2):
            between = text[min(one.end(), other.end()) : max(one.start(), other.start())]
            message = f"“{one[0]}” is also spelled “{other[0]}”"
            strength: Strength = "strong" if between == " (" else "weak"
            yield Evidence(*one.span(), "entity_inconsistent", message, strength)


_FORMULAS = (
    *("stressing that", "for his part", "is worth noting that", "is worth mentioning that"),
    *("should be noted that", "in this regard", "in this context", "pointed out that"),
)


def report_formula(text: str) -> Iterator[Evidence]:
    """Find stock phrases of translated wire copy. People write them too, so they are always weak."""
    for formula in _FORMULAS:
        spot = text.find(formula)
        while spot >= 0:
            end = spot + len(formula)
            if not (text[max(0, spot - 1) : spot].isalpha() or text[end : end + 1].isalpha()):
                message = f"“{formula}” is a stock phrase of translated wire copy"
                yield Evidence(spot, end, "report_formula", message, "weak")
            spot = text.find(formula, end)


_ENTITY = re.compile(
    r"& ?(?:amp ?; ?)?(?:# ?\d{1,6}|#[xX][0-9a-fA-F]{1,5}|amp|quot|apos|nbsp|[lg]t|[lr][sd]quo|[mn]dash"
    r"|hellip|euro|copy|[a-zA-Z](?:acute|grave|uml|circ|tilde|cedil)) ?;"
)
_GLUED_WORDS = (
    re.compile(r"T(?<=[a-z]{3}T)(?:he|his)(?= [a-z])"),
    re.compile(r"B(?<=[a-z]{3}B)ut(?= [a-z])"),
)
_GLUED_STOP = re.compile(r"\.(?=[A-Z])(?<=[a-z]{3}\.)(?:The|This|That|They|But|He|She|It|In|We|And|When)(?= [a-z])")
_BROKEN_URL = re.compile(r"https?(?: : ?/| :/|: /|:/ /|:// ) ?/? ?(?=\w)")
_ZERO_WIDTH = "\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"
_ZERO_WIDTHS = re.compile(f"[{_ZERO_WIDTH}]{{2,200}}")


def markup_damage(text: str) -> Iterator[Evidence]:
    """Find entities, words glued where a tag was cut, broken addresses and doubled zero-width marks."""
    for match in _matches((_ENTITY,), text):
        yield Evidence(*match.span(), "markup_damage", f"the entity “{match[0]}” was left in the text")
    for match in _matches(_GLUED_WORDS, text):
        head = re.split(r"[\s“”\"‘’'(—–-]", text[max(0, match.start() - 30) : match.start()])[-1]
        if head.isalpha() and head[1:].islower():  # lets off handles, addresses and names in camel case
            message = f"two words are glued: “{head}{match[0]}”"
            yield Evidence(match.start() - len(head), match.end(), "markup_damage", message)
    for match in _matches((_GLUED_STOP,), text):  # weak: some outlets' own pages lose the space
        yield Evidence(*match.span(), "markup_damage", "two sentences are glued", "weak")
    for match in _matches((_BROKEN_URL,), text):
        yield Evidence(*match.span(), "markup_damage", "a web address with spaces in it")
    if not text.isascii() and any(mark in text for mark in _ZERO_WIDTH):
        for match in _ZERO_WIDTHS.finditer(text):
            yield Evidence(*match.span(), "markup_damage", "zero-width marks in a row")


RULES: tuple[Rule, ...] = (
    Rule("fragment_break", fragment_break, "acceptance article: “in a drone. He hits.”"),
    Rule("repetition_collapse", repetition_collapse, "acceptance article: “(ISIS, formerly ISIS)”; taxonomy"),
    Rule("case_anomaly", case_anomaly, "acceptance article: “another “Heinous act” It was”; taxonomy"),
    Rule("quote_attribution", quote_attribution, "acceptance article: “He added: “…” He added, stressing”"),
    Rule("punctuation_damage", punctuation_damage, "acceptance article: “to do so He added:”; taxonomy"),
    Rule("untranslated_residue", untranslated_residue, "taxonomy: “the 库 of data”, “3.786 new cases”"),
    Rule("entity_inconsistent", entity_inconsistent, "acceptance article: Qassem and Qasem Soleimani"),
    Rule("report_formula", report_formula, "acceptance article: “stressing that”; taxonomy"),
    Rule("markup_damage", markup_damage, "taxonomy: “one&#39;s mother”; glue seen in scraped news"),
)


def find_artifacts(text: str, ignore: AbstractSet[str] = frozenset()) -> list[Evidence]:
    """Return what the rules find in an article, in the order of the text.

    Parameters
    ----------
    text : str
        The article, paragraphs separated by newlines.
    ignore : set of str
        Categories whose rules are left out.

    Returns
    -------
    list of Evidence
        Sorted by start, end and category; offsets are into `text`.
    """
    text, edits = _evenly_spaced(text)
    plain = undisguised(text)
    found = (
        evidence
        for rule in RULES
        if rule.category not in ignore
        for evidence in rule.find(text if rule.find is untranslated_residue else plain)
    )
    return sorted(
        edits.back(found) if edits else found, key=lambda evidence: (evidence.start, evidence.end, evidence.category)
    )


_SPACES = "\t\v\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
_WRAP = re.compile(r"\n(?<=[^\n]{55}\n)(?=[a-z])")  # of a long line, not of a poem or a list


_HIDDEN = re.compile(f"(?<= ) +|(?<![{INVISIBLE}])[{INVISIBLE}](?![{INVISIBLE}])")  # marks in a row are damage


def _evenly_spaced(text: str) -> tuple[str, Edits | None]:
    """Make every gap one plain space and drop single marks that are not seen; return what was cut, too."""
    for space in _SPACES[: 2 if text.isascii() else None]:
        text = text.replace(space, " ")
    text = _WRAP.sub(" ", text)
    if "  " not in text and (text.isascii() or not any(mark in text for mark in INVISIBLE)):
        return text, None
    return _HIDDEN.sub("", text), Edits((*match.span(), 0) for match in _HIDDEN.finditer(text))


_PHRASE = re.compile(r"[A-Za-z]+(?:[ -][A-Za-z]+){0,3}")


def phrase_hash(words: Sequence[str]) -> int:
    """Return the 64-bit hash of a phrase in lower case, as models store tortured phrases."""
    return int.from_bytes(hashlib.blake2b(" ".join(words).encode(), digest_size=8).digest(), "little")


def spun_synonym(text: str, start: int, phrases: AbstractSet[int]) -> Evidence | None:
    """Find a tortured phrase, the spun synonym of a set term, that begins at `start`: “counterfeit consciousness”.

    The list is that of the Problematic Paper Screener (Cabanac, Labbé and Magazinov), less what clean news uses.
    It comes hashed with the model; the detector looks up where a phrase may begin.
    """
    match = _PHRASE.match(text, start, start + 120)
    words = re.split("[ -]", match[0]) if match else []
    for count in range(len(words), 1, -1):
        if phrase_hash([word.lower() for word in words[:count]]) in phrases:
            end = start + len(" ".join(words[:count]))
            message = f"“{text[start:end]}” looks like the spun synonym of a set phrase"
            return Evidence(start, end, "spun_synonym", message)
    return None
