from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtdetect import corrupt as module
from mtdetect.artifacts import RULES, find_artifacts
from mtdetect.corrupt import CORRUPTIONS, Corrupted, corrupt

NAMED = "Hassan Qassem came on Monday. "
# corruption, sentence, what stands before, text, span, category; what chance picks stands in braces
EXAMPLES = [
    (
        "cut_compound", "Three men were killed on Friday in a drone strike.", "",
        "Three men were killed on Friday in a drone. {He|It} hits.", "drone. {He|It} hits.", "fragment_break",
    ),
    (
        "cut_compound", "She was taken off after the second car crash.", "",
        "She was taken off after the second car. {He|It} crashes.", "car. {He|It} crashes.", "fragment_break",
    ),
    (
        "collapse_alias", "The Maritime Safety Bureau (MSB) opened an inquiry.", "",
        "The Maritime Safety Bureau (MSB, {formerly|previously|also known as|now} MSB) opened an inquiry.",
        "MSB, {formerly|previously|also known as|now} MSB", "repetition_collapse",
    ),
    (
        "collapse_alias", "They live in Gdansk, formerly Danzig, by the sea.", "",
        "They live in Gdansk, formerly Gdansk, by the sea.", "Gdansk, formerly Gdansk", "repetition_collapse",
    ),
    (
        "capital_after_quote", 'The mayor spoke of "sufficient grounds" for it.', "",
        'The mayor spoke of "Sufficient grounds" for it.', '"Sufficient grounds"', "case_anomaly",
    ),
    (
        "double_tag", "He added: “The harbour is safe, and the ships will be able to leave.”", "",
        "He added: “The harbour is safe.” He added, {stressing|adding|noting|explaining} that the ships will be able"
        " to leave.",
        "He added, {stressing|adding|noting|explaining} that", "quote_attribution",
    ),
    (
        "orphan_tag", "“We will protect our security,” he said.", "",
        "“We will protect our security.” He said.", "He said.", "quote_attribution",
    ),
    (
        "orphan_tag", '"The road is closed," the mayor said.', "",
        '"The road is closed." The mayor said.', "The mayor said.", "quote_attribution",
    ),
    (
        "move_tag", "“The talks went well,” Helen Strand said on Friday.", "",
        "“The talks went well.” This was {stated|said|declared} by Helen Strand, on Friday.",
        "This was {stated|said|declared} by Helen Strand, on Friday.", "quote_attribution",
    ),
    (
        "lose_stop", "The crew promised to do so, he added, before noon.", "",
        "The crew promised to do so He added: before noon.", "so He added:", "punctuation_damage",
    ),
    (
        "stray_mark", "The troops left Iraq after that, in addition to the others.", "",
        "The troops left Iraq after that{. ,|, ,| ,,|; ,} in addition to the others.", "{. ,|, ,| ,,|; ,}",
        "punctuation_damage",
    ),
    (
        "double_phrase", "The members of the council voted again.", "",
        "The members of the members of the council voted again.", "members of the members of the",
        "repetition_collapse",
    ),
    (
        "respell_name", "Later Hassan Qassem left the town.", NAMED,
        "Later {Hasan Qassem|Hassan Qasem|Hessan Qassem|Hassan Qessem} left the town.",
        "{Hasan Qassem|Hassan Qasem|Hessan Qassem|Hassan Qessem}", "entity_inconsistent",
    ),
]  # fmt: skip
NONE = [
    ("cut_compound", "The strike killed three men."),
    ("cut_compound", "It happened in a drone strike, he said."),
    ("cut_compound", "They won in the first test."),  # “in the first.” is good English
    ("collapse_alias", "The bureau (msb) opened an inquiry."),
    ("capital_after_quote", "“We are here,” he said."),
    ("capital_after_quote", "He called it “Necessary and proportionate action”."),
    ("double_tag", "He added: “It is safe.”"),
    ("double_tag", "He added that it was safe, and the ships will be able to leave."),
    ("orphan_tag", "“The talks went well,” Helen Strand said on Friday."),
    ("orphan_tag", "He said: “The talks went well.”"),
    ("move_tag", "“We will protect our security,” he said."),
    ("lose_stop", "He said that the crew was late."),
    ("lose_stop", "“The crew is late, he added, and tired."),  # a quote that goes on
    ("stray_mark", "Rain, Wind and 1,000 men."),
    ("double_phrase", "Oslo, Bergen."),
    ("respell_name", "Later Hassan Qassem left the town."),  # first mention
]


def choices(pattern: str) -> set[str]:
    if "{" not in pattern:
        return {pattern}
    head, _, rest = pattern.partition("{")
    inside, _, tail = rest.partition("}")
    return {head + choice + end for choice in inside.split("|") for end in choices(tail)}


@pytest.mark.parametrize(("name", "sentence", "before", "text", "span", "category"), EXAMPLES)
def test_broken(name: str, sentence: str, before: str, text: str, span: str, category: str) -> None:
    for seed in range(20):
        broken = getattr(module, name)(sentence, before, random.Random(seed))
        assert broken.category == category
        if name == "respell_name":  # one letter of one of the names
            assert broken.text != sentence and broken.text.startswith("Later ")
            assert sentence.endswith(broken.text[broken.end :])
            first, last = broken.text[broken.start : broken.end].split()
            assert (first == "Hassan") != (last == "Qassem")
        elif name == "double_phrase":  # of all phrases that fit
            half = broken.text[broken.start : broken.end]
            phrase = half[: len(half) // 2]
            assert half == f"{phrase} {phrase}" and phrase in sentence
        else:
            assert broken.text in choices(text)
            assert broken.text[broken.start : broken.end] in choices(span)


def test_every_corruption_has_examples() -> None:
    names = {corruption.__name__ for corruption in CORRUPTIONS}
    assert names == {example[0] for example in EXAMPLES} == {name for name, _ in NONE}


@pytest.mark.parametrize(("name", "sentence"), NONE)
def test_nothing_to_break(name: str, sentence: str) -> None:
    assert all(getattr(module, name)(sentence, "", random.Random(seed)) is None for seed in range(5))


@pytest.mark.parametrize(("name", "sentence", "before", "text", "span", "category"), EXAMPLES)
def test_rules_find_what_was_broken(name: str, sentence: str, before: str, text: str, span: str, category: str) -> None:
    found = 0
    for seed in range(20):
        broken = getattr(module, name)(sentence, before, random.Random(seed))
        start, end = len(before) + broken.start, len(before) + broken.end
        evidence = find_artifacts(f"{before}{broken.text} The rest of the town went to bed.")
        found += any(item.category == category and item.start < end and start < item.end for item in evidence)
    assert found >= 10  # some of the choices look like good English


def test_rare_ones_first() -> None:
    sentence = "The members of the council were killed on Friday, in a drone strike."
    assert {corrupt(sentence, "", random.Random(seed)).category for seed in range(10)} == {"fragment_break"}  # type: ignore[union-attr]
    assert corrupt("Oslo.", "", random.Random(0)) is None


PIECES = [example[1] for example in EXAMPLES] + [
    "Oslo",
    "(ISIS)",
    "“",
    "”",
    '"',
    " ",
    ", he said, ",
    "in a drone raid.",
]
TEXTS = st.one_of(
    st.text(max_size=80), st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=5)), max_size=4).map("".join)
)


@settings(max_examples=200, deadline=None)
@given(TEXTS, st.integers(0, 1000))
def test_any_text(sentence: str, seed: int) -> None:
    categories = {rule.category for rule in RULES}
    for function in (*CORRUPTIONS, corrupt):
        broken = function(sentence, NAMED, random.Random(seed))
        assert broken == function(sentence, NAMED, random.Random(seed))
        if broken is not None:
            assert isinstance(broken, Corrupted)
            assert broken.text != sentence
            assert 0 <= broken.start < broken.end <= len(broken.text)
            assert broken.category in categories
