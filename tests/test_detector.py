from __future__ import annotations

import re
import subprocess
import sys
import tracemalloc
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from linear import assert_linear

import mtdetect
from mtdetect import ArticleScore, Detector
from mtdetect.classifier import ModelError, model_folder

ROOT = Path(__file__).parents[1]
SEED_ARTICLE = ROOT.parent / "shared" / "data" / "seed_article.txt"
CLEAN = """The harbour town of Velmar voted on Sunday to keep its last ferry running through the winter.

Turnout was 61 percent, the highest in any local vote since 1998, and the result was not close. “People here do not \
own two cars,” said Ida Holm, who runs the bakery beside the pier. “They own a bicycle and a ferry pass.”

The council had argued that the route loses about 400,000 crowns a year. It will now have to find the money elsewhere, \
most likely from the fund that was meant to repave the market square."""
WORDS = st.sampled_from(
    "the a minister said that “Heavy rain” in Oslo . , : He hits. and it 3,500 \u200b 库 members of the members".split(
        " "
    )
) | st.sampled_from(["(ISIS, formerly ISIS)", "\n\n", "Source link\n"])
HOSTILE = st.sampled_from(
    [
        *("\ud800", "\udfff\ud800", "\0", "\ufeff", "\u202eabc\u202c", "сouncil", "mayоr’s", "cafe\u0301"),
        *("👩‍👩‍👧", "\u200b\u200c\u200d", "of\u00adfice", "\x1b[31mred\x1b[0m", "\u0085", "\u2028", "ﬁnal", "𝐛𝐨𝐥𝐝"),
        *("cafÃ©", "itâ€™s", "\u0301\u0301\u0301", "\u3000", "\r", "\ufffd"),
    ]
)
ARTICLES = st.lists(WORDS | HOSTILE, max_size=80).map(" ".join) | st.text(st.characters(), max_size=200)


def test_exports_are_what_all_says() -> None:
    assert all(getattr(mtdetect, name) is not None for name in mtdetect.__all__)
    with pytest.raises(AttributeError, match="Detektor"):
        mtdetect.Detektor  # noqa: B018


def check(text: str, article: ArticleScore) -> None:
    place = 0
    for sentence in article.sentences:
        assert place <= sentence.start <= sentence.end <= len(text)
        assert text[sentence.start : sentence.end] == sentence.text
        place = sentence.end
        assert 0 <= sentence.mt_score <= 1
        assert 0 <= sentence.quality <= 100
        assert not sentence.flagged or sentence.evidence
        for item in sentence.evidence:
            assert 0 <= item.start < item.end <= len(text)
            assert item.start < sentence.end and sentence.start < item.end
            assert item.category and item.message
            assert item.strength in ("strong", "weak")
            assert item.source in ("rule", "model")
        assert list(sentence.evidence) == sorted(sentence.evidence, key=lambda e: (e.start, e.end, e.category))
    for item in article.residue:
        assert text[item.start : item.end].strip()
        assert all(item.end <= s.start or s.end <= item.start for s in article.sentences)
    assert (article.quality is None) == (article.mt_score is None) == (article.reason is not None)
    assert article.quality is None or 0 <= article.quality <= 100
    assert article.n_flagged == sum(sentence.flagged for sentence in article.sentences)


@settings(max_examples=10_000, deadline=None)
@given(ARTICLES)
def test_offsets_and_ranges_hold_for_any_text(detector: Detector, text: str) -> None:
    check(text, detector.score(text))


@settings(max_examples=100, deadline=None)
@given(st.lists(ARTICLES, max_size=5))
def test_batches_score_as_single_articles_in_order(detector: Detector, texts: list[str]) -> None:
    assert list(detector.score_many(iter(texts))) == [detector.score(text) for text in texts]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(max_size=60), max_size=8))
def test_given_sentences_are_all_kept(detector: Detector, sentences: list[str]) -> None:
    article = detector.score_sentences(sentences)
    text = "\n".join(sentences)
    if article.reason not in ("no sentences", "not English"):
        assert [sentence.text for sentence in article.sentences] == sentences
    for sentence in article.sentences:
        assert text[sentence.start : sentence.end] == sentence.text


def test_scoring_many_is_lazy(detector: Detector) -> None:
    def texts() -> Any:
        for number in range(100_000):
            assert number < 2000, "read too far ahead"
            yield CLEAN

    first = next(detector.score_many(texts()))
    assert first.quality is not None


@pytest.mark.parametrize(("size", "ahead"), [(60_000, 2), (200_000, 1), (100, 1000)])
def test_scoring_many_reads_on_for_one_batch_only(detector: Detector, size: int, ahead: int) -> None:
    read = []

    def texts() -> Any:
        for number in range(2 * ahead + 1):
            read.append(number)
            yield CLEAN[:size] if size < len(CLEAN) else CLEAN + "\n\nRain." * (size // 7)

    scores = detector.score_many(texts())
    first = next(scores)
    assert len(read) <= ahead
    rest = list(scores)
    assert len(rest) == 2 * ahead and all(score == first for score in rest)


def test_a_long_article_is_scored_as_its_sentences(detector: Detector) -> None:
    few = [
        "The council voted on Tuesday to close the old bridge until the spring.",
        "It paid the members of the members of the council.",
        "Counterfeit consciousness and counterfeit consciousness again were built by the lab, stressing that it works.",
        "The language of thought is called a counterfeit mind, and rain fell on the town.",
        "For the account of the reason of the delay, the ministry it made the explanation to the journalists.",
    ]
    wanted = detector.score_sentences(few).sentences
    assert [sorted({e.category for e in s.evidence if e.source == "rule"}) for s in wanted] == [
        [],
        ["repetition_collapse"],
        ["report_formula", "spun_synonym"],
        [],
        [],
    ]
    spun = [e for e in wanted[2].evidence if e.category == "spun_synonym"]
    assert [(e.start - wanted[2].start, e.end - wanted[2].start) for e in spun] == [(0, 25)]
    sentences = few * 1200
    text = "\n".join(sentences)
    assert len(text) > 400_000
    found = detector.score_sentences(sentences).sentences
    assert [s.text for s in found] == sentences
    for number, sentence in enumerate(found):
        one = wanted[number % len(few)]
        assert (sentence.mt_score, sentence.quality, sentence.flagged) == (one.mt_score, one.quality, one.flagged)
        moved = sentence.start - one.start
        assert [(e.category, e.start - moved, e.end - moved) for e in sentence.evidence] == [
            (e.category, e.start, e.end) for e in one.evidence
        ]


def test_the_words_shown_speak_most_for_a_machine(detector: Detector, articles: dict[str, str]) -> None:
    mix = detector.classifier.config["mt"]["sentence"]["weights"]
    rows = [orjson.loads(line) for line in (model_folder("fast") / "reference.jsonl").read_bytes().splitlines()]
    shown = first = 0
    for text in (articles["garbled"], *(row["text"] for row in rows)):
        for sentence in detector.score(text).at("fpr_5").sentences:
            for item in sentence.evidence:
                if item.category == "unnatural_phrasing":
                    assert (item.source, item.strength) == ("model", "weak")
                    assert item.message == "wording more usual in machine translation than in human English"
                    words = [match.span() for match in re.finditer(r"\S+", sentence.text)]
                    (values,) = detector.classifier.contributions([sentence.text], mix)
                    # what lies between two words goes with the first
                    sums = np.add.reduceat(values[: words[-1][1]], [begin for begin, _ in words])
                    sums -= sums.mean()
                    runs = {
                        (words[i][0], words[j][1]): sums[i : j + 1].sum()
                        for i in range(len(words))
                        for j in range(i, len(words))
                    }
                    span = item.start - sentence.start, item.end - sentence.start
                    assert runs[span] == pytest.approx(max(runs.values()))
                    shown += 1
                    first += span[0] == 0
    assert shown >= 10 and first >= 2


def test_memory_stays_flat(detector: Detector) -> None:
    list(detector.score_many([CLEAN] * 300))
    tracemalloc.start()
    peaks = []
    for count in (400, 4000):
        tracemalloc.reset_peak()
        for _ in detector.score_many(CLEAN for _ in range(count)):
            pass
        peaks.append(tracemalloc.get_traced_memory()[1])
    tracemalloc.stop()
    assert peaks[1] < peaks[0] + 2_000_000


def test_clean_text_is_left_alone(detector: Detector) -> None:
    article = detector.score(CLEAN)
    assert article.quality is not None and article.quality >= 80
    assert article.n_flagged == 0
    assert article.n_sentences == 6


def test_shipped_articles(detector: Detector, articles: dict[str, str]) -> None:
    garbled, clean = detector.score(articles["garbled"]), detector.score(articles["clean"])
    assert garbled.quality is not None and garbled.quality <= 35
    assert garbled.residue
    assert clean.quality is not None and clean.quality >= 85
    assert clean.n_flagged == 0
    assert clean.n_sentences >= 10


@pytest.mark.skipif(not SEED_ARTICLE.exists(), reason="the acceptance article lies in ../shared/data")
def test_acceptance_article(detector: Detector) -> None:
    text = SEED_ARTICLE.read_text("utf-8")
    article = detector.score(text)
    assert article.quality is not None and article.quality <= 35
    wanted = {
        "He hits.": "fragment_break",
        "ISIS, formerly ISIS": "repetition_collapse",
        "“Self-defense,” Especially": "quote_attribution",
        "“Necessary and proportionate action.”": "case_anomaly",
        "He added, stressing": "quote_attribution",
        "“Heinous act” It": "case_anomaly",
    }
    for words, category in wanted.items():
        spot = text.index(words)
        sentences = [s for s in article.sentences if s.start < spot + len(words) and spot < s.end]
        assert any(s.flagged for s in sentences), words
        hits = [e for s in sentences for e in s.evidence if e.category == category]
        assert any(e.start < spot + len(words) and spot < e.end for e in hits), words
    residue = {text[item.start : item.end] for item in article.residue}
    assert {"Source link", "Related Articles", "Leave a Reply", "Back to top button"} <= residue
    assert not any("Source link" in sentence.text for sentence in article.sentences)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no sentences"),
        (" \n\u200b \n", "no sentences"),
        ("Source link\n\nLeave a Reply\n", "no sentences"),
        ("Rain fell on Oslo.", "too short: 4 words, 25 needed"),
        (
            "Der Stadtrat hat am Montag beschlossen, dass die alte Brücke bis zum Frühjahr gesperrt bleibt, weil das "
            "Geld für die Reparatur fehlt und niemand weiß, woher es kommen soll.",
            "not English",
        ),
    ],
)
def test_what_cannot_be_judged_says_why(detector: Detector, text: str, reason: str) -> None:
    article = detector.score(text)
    assert article.quality is None and article.mt_score is None
    assert article.machine_translated is None
    assert article.reason == reason
    assert article.text == text
    assert bool(article.sentences) == reason.startswith("too short")


def test_sentences_without_words_are_none(detector: Detector) -> None:
    article = detector.score_sentences(["", " "])
    assert (article.reason, article.sentences, article.text) == ("no sentences", (), "\n ")


def test_25_words_are_enough(detector: Detector) -> None:
    words = CLEAN.split()
    assert detector.score(" ".join(words[:25])).reason is None
    assert detector.score(" ".join(words[:24])).reason == "too short: 24 words, 25 needed"
    residue = detector.score("Leave a Reply\n\n" + " ".join(words[:24]) + "\n\nSource link")
    assert residue.reason == "too short: 24 words, 25 needed" and len(residue.residue) == 2


def test_short_text_still_gets_sentences(detector: Detector) -> None:
    article = detector.score("Two soldiers were killed in a drone. He hits.")
    assert [sentence.flagged for sentence in article.sentences] == [True, True]


def test_page_residue_changes_no_score(detector: Detector) -> None:
    plain = detector.score(CLEAN)
    scraped = detector.score(f"{CLEAN}\n\nSource link\n\nRelated Articles\n\nLeave a Reply\n")
    assert (scraped.quality, scraped.mt_score) == (plain.quality, plain.mt_score)
    assert scraped.sentences == plain.sentences
    assert [item.category for item in scraped.residue] == ["page_residue"] * 3


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("“", '"').replace("”", '"'),
        lambda text: text.replace(" ", "  "),
        lambda text: text.replace("\n", "\r\n"),
        lambda text: unicodedata.normalize("NFD", text),
        lambda text: text.rstrip("."),
        lambda text: f"{text}\n\n{text}",
    ],
)
@pytest.mark.parametrize("name", ["clean", "garbled"])
def test_looks_do_not_move_quality(detector: Detector, articles: dict[str, str], name: str, change: Any) -> None:
    text = articles[name].split("Source link")[0]
    before, after = detector.score(text), detector.score(change(text))
    assert before.quality is not None and after.quality is not None
    assert after.quality == pytest.approx(before.quality, abs=2)


def test_order_of_sentences_does_not_move_quality(detector: Detector) -> None:
    sentences = [sentence.text for sentence in detector.score(CLEAN).sentences]
    before = detector.score_sentences(sentences)
    after = detector.score_sentences(sentences[::-1])
    assert after.quality == pytest.approx(before.quality)
    assert after.mt_score == pytest.approx(before.mt_score)


def test_more_damage_never_raises_quality(detector: Detector, articles: dict[str, str]) -> None:
    text = articles["clean"]
    last = 100.0
    for old, new in [
        (" said", " said  He added: said"),
        (". The ", " . , The "),
        (" of ", " of the members of the members of "),
    ]:
        text = text.replace(old, new, 1)
        quality = detector.score(text).quality
        assert quality is not None and quality <= last
        last = quality
    assert last < 85


def test_decisions_can_be_taken_again(detector: Detector, articles: dict[str, str]) -> None:
    article = detector.score(articles["garbled"])
    counts = []
    for name in ("fpr_0.1", "fpr_1", "fpr_5"):
        other = article.at(name)
        assert (other.quality, other.mt_score) == (article.quality, article.mt_score)
        assert [s.mt_score for s in other.sentences] == [s.mt_score for s in article.sentences]
        assert f"|op:{name}|" in other.signature
        assert other == Detector(detector.classifier, name).score(articles["garbled"])
        counts.append(other.n_flagged)
    assert counts == sorted(counts)
    with pytest.raises(ValueError, match=r"fpr_0\.1, fpr_1, fpr_5"):
        article.at("fpr_2")


def test_scores_survive_json(detector: Detector, articles: dict[str, str]) -> None:
    article = detector.score(articles["garbled"])
    row = orjson.loads(orjson.dumps(article.to_dict()))
    assert row == article.to_dict()
    assert row["n_flagged"] == sum(sentence["flagged"] for sentence in row["sentences"]) > 0
    text = articles["garbled"]
    for sentence in row["sentences"]:
        assert text[sentence["start"] : sentence["end"]] == sentence["text"]


def test_tortured_phrases_are_found(detector: Detector) -> None:
    text = "The lab has long worked on counterfeit consciousness, its head said."
    hits = [e for s in detector.score(text).sentences for e in s.evidence if e.category == "spun_synonym"]
    assert [text[e.start : e.end] for e in hits] == ["counterfeit consciousness"]
    assert hits[0].strength == "strong"


def test_unknown_model_says_what_was_looked_for_and_where() -> None:
    with pytest.raises(ModelError) as caught:
        Detector.from_pretrained("nonsense")
    assert "'nonsense'" in str(caught.value)
    places = (ROOT / "mtdetect" / "models" / "nonsense", ROOT / "models" / "nonsense")
    assert str(caught.value).endswith(f"no config.json in nonsense, {places[0]}, {places[1]}")
    with pytest.raises(ModelError, match=r"no operating point 'fpr_2'; this model has fpr_0\.1, fpr_1, fpr_5"):
        Detector.from_pretrained("fast", point="fpr_2")


def test_text_must_be_text(detector: Detector) -> None:
    with pytest.raises(TypeError, match="text is NoneType, not str"):
        detector.score(None)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="text is int, not str"):
        list(detector.score_many([CLEAN, 5]))  # type: ignore[list-item]
    with pytest.raises(TypeError, match="texts is one str, not an iterable of them"):
        list(detector.score_many("Rain fell on Oslo."))


def test_the_default_is_the_fast_model(detector: Detector) -> None:
    default = Detector.from_pretrained()
    assert (
        default.score(CLEAN) == detector.score(CLEAN) == Detector.from_pretrained(model_folder("fast-v4")).score(CLEAN)
    )
    other = Detector.from_pretrained(point="fpr_5", ignore=["report_formula", "case_anomaly"])
    assert other.score(CLEAN).signature == (
        default.score(CLEAN).signature.replace("op:fpr_1", "op:fpr_5") + "|ignore:case_anomaly,report_formula"
    )


def test_nothing_heavy_is_imported() -> None:
    code = (
        "import sys, mtdetect; d = mtdetect.Detector.from_pretrained('fast'); d.score('Rain fell on Oslo. ' * 9);"
        "print([m for m in ('torch', 'transformers', 'sklearn', 'scipy', 'datasets', 'trafilatura', 'pyarrow', 'rich')"
        " if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "unit", [" ", ".", ". ", "Mr. ", "“", "(", "\u200d", "\u0301", "7", "\n", "a", "\u202e", "He added: “"]
)
def test_time_is_linear(detector: Detector, unit: str) -> None:
    assert_linear(detector.score, unit, prefix="The the and " * 3)


def test_golden_references(detector: Detector) -> None:
    rows = [orjson.loads(line) for line in (model_folder("fast") / "reference.jsonl").read_bytes().splitlines()]
    assert len(rows) >= 60
    for row, article in zip(rows, detector.score_many(row["text"] for row in rows), strict=True):
        assert [s.mt_score for s in article.sentences] == pytest.approx(row["sentences"]["mt_score"], abs=1e-4)
        assert [s.quality for s in article.sentences] == pytest.approx(row["sentences"]["quality"], abs=0.01)
        assert [s.flagged for s in article.sentences] == row["sentences"]["flagged"], row["text"]
        assert article.quality == pytest.approx(row["quality"], abs=0.01)
        assert article.mt_score == pytest.approx(row["mt_score"], abs=1e-4)
