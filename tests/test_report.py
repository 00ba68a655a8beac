"""The HTML pages: what they say, that all of the text is there, and that nothing in them is active."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from linear import of_children
from lxml import html
from payloads import PAYLOADS

from mtdetect import Detector, ScoredCorpus
from mtdetect.classifier import FastClassifier
from mtdetect.corpus import InputError, Record
from mtdetect.filter import Rule, filter_corpus
from mtdetect.report import article_page, corpus_page

ROOT = Path(__file__).parents[1]
GARBLED = "notebooks/articles/garbled.txt"
CLEAN = "notebooks/articles/clean.txt"
COMMAND = [sys.executable, "-c", "from mtdetect.cli import main; main()"]
TAGS = set(
    "html head meta title style body main article header footer section nav div p span a sup b bdi strong ul ol li dl"
    " dt dd h1 h2 h3 h4 svg path rect line text table thead tbody tr th td figure figcaption details summary".split()
)
ATTRIBUTES = set(
    "class id href lang charset content name scope role aria-label aria-hidden aria-describedby http-equiv viewbox"
    " title preserveaspectratio d pathlength stroke-dasharray x y x1 y1 x2 y2 width height text-anchor".split()
)


def command(*args: object, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *map(str, args)], cwd=ROOT, capture_output=True, text=True, **options)


def inactive(page: str) -> html.HtmlElement:
    """Parse a page and check that it has none but elements that only show something."""
    tree = html.fromstring(page)
    for element in tree.iter():
        if not isinstance(element.tag, str):
            continue
        assert element.tag in TAGS, element.tag
        for name, value in element.attrib.items():
            assert name.lower() in ATTRIBUTES, (element.tag, name)
            assert name != "href" or value.startswith("#"), value
            assert name != "http-equiv" or value == "Content-Security-Policy"
    return tree


def words(page: str) -> str:
    """Return what a page says, with single blanks."""
    tree = inactive(page)
    for style in list(tree.iter("style")):
        style.drop_tree()
    return " ".join(" ".join(tree.itertext()).split())


def shown(tree: html.HtmlElement) -> str:
    """Return the text of the article as the page shows it."""
    (body,) = tree.find_class("text")
    for extra in (*body.find_class("tip"), *body.find_class("tag"), *body.iter("sup")):
        extra.drop_tree()
    return body.text_content().replace(" page residue ", "")


@pytest.fixture(scope="session")
def page(detector: Detector, articles: dict[str, str]) -> str:
    return article_page(detector.score(articles["garbled"]), name=GARBLED)


def test_all_of_the_text_is_there_and_only_once(page: str, articles: dict[str, str]) -> None:
    tree = inactive(page)
    for residue in tree.find_class("residue"):  # the blank after the tag is ours
        residue[0].tail = None
    assert shown(tree) == articles["garbled"]


def test_marks_and_reasons_belong_together(page: str, detector: Detector, articles: dict[str, str]) -> None:
    tree = inactive(page)
    ids = [element.get("id") for element in tree.iter() if isinstance(element.tag, str) and element.get("id")]
    assert len(ids) == len(set(ids))
    links = [element for element in tree.iter("a")]
    assert links and all(link.get("href")[1:] in ids for link in links)
    assert all(link.get("aria-describedby", link.get("href")[1:]) in ids for link in links)
    score = detector.score(articles["garbled"])
    text = articles["garbled"]
    for sentence in score.sentences:
        for item in sentence.evidence:
            name = item.category.replace("_", " ")
            span = text[item.start : item.end]
            mark = next(a for a in tree.find_class("note") if a.tag == "a" and span in a.text_content())
            why = tree.get_element_by_id(mark.get("href")[1:]).text_content()
            assert name in why and item.message in why and item.strength in why and item.source in why
    strip = [link.get("href") for link in tree.xpath("//nav//a")]
    assert len(strip) == score.n_flagged


def test_policy_is_that_of_the_only_style(page: str) -> None:
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'sha256-{digest}'" in page
    assert "style=" not in page.replace("<style>", "") and "http://" not in page and "https://" not in page


def test_it_says_what_is_known(page: str) -> None:
    says = words(page)
    assert re.search(r"garbled ?, quality \d+ of 100 \(higher is cleaner\)", says)
    assert "7 of 16 sentences" in says and "5 lines, kept out of the scores" in says
    assert "fpr_1" in says and "|op:fpr_1|" in says


def test_an_article_that_cannot_be_judged(detector: Detector) -> None:
    for text in ("", "Too short.", "Das ist ein deutscher Text, der lang genug ist, um beurteilt zu werden. " * 3):
        score = detector.score(text)
        says = words(article_page(score, name="x"))
        assert f"not judged : {score.reason}" in says and "quality 0" not in says


@pytest.mark.parametrize("place", ["text", "title", "name", "warning", "sentence"])
def test_nothing_becomes_active_in_an_article(detector: Detector, place: str) -> None:
    filler = "The mayor promised to resign He added: “Give me time.” " * 3
    for payload in PAYLOADS:
        text = f"{filler}\n{payload}\n{filler}{payload} and so on." if place == "text" else filler
        score = detector.score(text)
        if place == "sentence":  # not even if the detector itself were made to say it
            evidence = replace(score.sentences[0].evidence[0], message=payload, category=payload)
            sentence = replace(score.sentences[0], evidence=(evidence,))
            score = replace(score, sentences=(sentence, *score.sentences[1:]), signature=payload)
        fields = {name: payload for name in ("title", "name") if name == place}
        page = article_page(
            score, **{"name": "x", **fields}, warnings=[payload] if place == "warning" else []
        )  # fmt: skip
        inactive(page)
        page.encode()
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", page)
        assert "<script" not in page


def test_encoding_damage_is_marked_where_it_stands(detector: Detector) -> None:
    text = "The mayor wouldnâ€™t resign over the cafÃ©. It rained. " * 6
    tree = inactive(article_page(detector.score(text), name="a"))
    marked = tree.find_class("damage")
    assert [mark.text_content() for mark in marked] == ["â€™", "Ã©"] * 6
    assert marked[0].get("title") == "a mistaken encoding: “’” was meant"
    (body,) = tree.find_class("text")
    assert body.text_content().strip() == text.strip()
    assert "12 places, judged as they were meant" in tree.text_content()


def hostile_rows() -> Iterator[dict[str, Any]]:
    scores = {
        "quality": 3.0, "mt_score": 0.9, "machine_translated": True, "reason": None, "n_sentences": 1, "n_flagged": 1,
        "n_encoding_damage": 0,
    }  # fmt: skip
    for payload in PAYLOADS:
        payload = payload.encode("utf-8", "replace").decode()
        item = {"start": 0, "end": 1, "category": payload, "message": payload, "strength": "strong", "source": payload}
        sentence = {"start": 0, "end": len(payload), "text": payload, "mt_score": 1, "quality": 1, "flagged": True}
        yield {
            "id": payload, "source": payload, "url": f"https://{payload}/", "title": payload, **scores,
            "categories": [payload], "sentences": [{**sentence, "evidence": [item]}], "residue": [],
            "signature": f"mtdetect:{payload}", "rejected": payload,
        }  # fmt: skip


def test_nothing_becomes_active_in_a_corpus(tmp_path: Path) -> None:
    for number, row in enumerate(hostile_rows()):
        path = tmp_path / f"{number}.jsonl"
        path.write_bytes(orjson.dumps(row))
        page = corpus_page(ScoredCorpus.read([path]))
        tree = inactive(page)
        assert tree.find_class("example") and not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e]", page)


def test_rows_that_are_no_scores_are_counted(tmp_path: Path, detector: Detector, articles: dict[str, str]) -> None:
    good = detector.score(articles["clean"]).to_dict()
    bad: list[Any] = [
        5, None, {}, {"text": "x"}, {**good, "quality": "high"}, {**good, "quality": -1}, {**good, "mt_score": None},
        {**good, "categories": "x"}, {**good, "categories": [5]}, {**good, "n_flagged": 1.5}, {**good, "reason": 5},
        {**good, "quality": 1e300}, {"mtdetect": 5}, {"mtdetect": {}}, {**good, "signature": None},
        {**good, "machine_translated": "no"},
    ]  # fmt: skip
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(["{broken", *map(json.dumps, bad), json.dumps(good)]) + "\n", "utf-8")
    corpus = ScoredCorpus.read([path])
    assert (len(corpus), corpus.n_unscored) == (1, len(bad) + 1)
    assert f"rows without scores {len(bad) + 1}" in words(corpus.to_html())
    ran = command("report", path, "-o", tmp_path / "out.html")
    assert ran.returncode == 0 and ran.stderr == f"mtdetect: {len(bad) + 1} rows hold no scores\n"


KEYS = st.sampled_from("start end text flagged mt_score evidence category message strength".split())
LEAVES = st.none() | st.integers() | st.text() | st.floats()


@given(st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner), max_leaves=20))
@settings(deadline=None, max_examples=200)
def test_sentences_of_any_shape_break_nothing(sentences: Any) -> None:
    corpus = ScoredCorpus()
    row = next(hostile_rows()) | {"sentences": sentences}
    corpus._add(row, Record("x", None, ""))
    inactive(corpus.to_html())


@given(st.text(st.characters(codec=None), max_size=300))
@settings(deadline=None, max_examples=300)
def test_any_text_is_shown(detector: Detector, text: str) -> None:
    page = article_page(detector.score(text), name=text, title=text)
    inactive(page)
    page.encode()


def corpus_file(folder: Path, n: int = 24) -> Path:
    """Write rows with articles that we wrote ourselves, clean and garbled ones, of three outlets."""
    garbled = (ROOT / GARBLED).read_text("utf-8")
    clean = [path.read_text("utf-8") for path in sorted((ROOT / "notebooks" / "articles" / "clean").glob("*.txt"))]
    rows = [
        {
            "id": f"a{i}",
            "url": f"https://{('good.example', 'mixed.example', 'bad.example')[i % 3]}/{i}",
            "title": f"Story {i}",
            "text": garbled if i % 3 == 2 or i % 6 == 1 else clean[i % len(clean)],
        }
        for i in range(n)
    ]
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in [*rows, {"id": "b", "text": "Too short."}]), "utf-8")
    return path


def test_report_is_the_same_from_score_and_from_filter(tmp_path: Path, detector: Detector) -> None:
    rows = corpus_file(tmp_path)
    scored = ScoredCorpus.score([rows], detector)
    assert command("score", rows, "-o", tmp_path / "scores.jsonl").returncode == 0
    by_score = ScoredCorpus.read([tmp_path / "scores.jsonl"])
    filter_corpus([rows], tmp_path / "out", Rule(50), detector, rejects=True)
    by_filter = ScoredCorpus.read([tmp_path / "out"], detector)
    assert [row.id for row in by_score.rows] == [row.id for row in scored.rows]
    assert by_score.to_html() == scored.to_html()
    assert sorted(by_filter.rows, key=lambda row: row.id) == sorted(
        (replace(row, rejected=kept.rejected) for row, kept in zip(
            sorted(scored.rows, key=lambda row: row.id), sorted(by_filter.rows, key=lambda row: row.id), strict=True)),
        key=lambda row: row.id,
    )  # fmt: skip
    assert {row.rejected for row in by_filter.rows} == {None, "quality", "not judged: too short: 2 words, 25 needed"}
    says = words(by_filter.to_html())
    assert "rejected: quality 12" in says and "rejected: not judged 1" in says
    # the examples of filter, which stores no sentences, were scored again
    assert 'class="note strong' in by_filter.to_html() and "has a capital in the middle" in by_filter.to_html()
    # with the settings of their signature, whatever those of the detector are
    assert (
        ScoredCorpus.read([tmp_path / "out"], Detector(detector.classifier, "fpr_5")).to_html() == by_filter.to_html()
    )


def test_examples_are_explained_with_the_settings_that_they_were_scored_with(
    tmp_path: Path, detector: Detector, trained: FastClassifier
) -> None:
    rows = corpus_file(tmp_path)
    strict = Detector(detector.classifier, "fpr_0.1", ignore=["punctuation_damage"])
    filter_corpus([rows], tmp_path / "out", Rule(50), strict, rejects=True)
    corpus = ScoredCorpus.read([tmp_path / "out"], detector)
    assert corpus.n_unexplained == 0 and "punctuation damage" not in words(corpus.to_html())
    assert "fragment break" in words(corpus.to_html())
    other = ScoredCorpus.read([tmp_path / "out"], Detector(trained))
    shown = {example.row.id for example in (*other.worst, *other.borderline)}
    assert other.n_unexplained == len(shown) and 'class="note' not in other.to_html()


def test_texts_of_a_folder_are_found_beside_their_scores_and_nowhere_else(tmp_path: Path, detector: Detector) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").write_bytes((ROOT / GARBLED).read_bytes())
    (tmp_path / "secret.txt").write_text(
        "The secret is known to nobody. He added: “Never.” He added, stressing that. " * 5
    )
    filter_corpus([tmp_path / "in"], tmp_path / "out", Rule(0), detector)
    assert "has a capital in the middle" in ScoredCorpus.read([tmp_path / "out"], detector).to_html()
    scores = tmp_path / "out" / "scores.jsonl"
    row = json.loads(scores.read_text())
    for name in ("../secret.txt", str(tmp_path / "secret.txt"), "a.txt\0", "missing.txt", 5):
        scores.write_text(json.dumps(row | {"file": name}) + "\n")
        corpus = ScoredCorpus.read([scores], detector)
        assert corpus.n_unexplained == 1 and "secret is known" not in corpus.to_html()


@pytest.mark.parametrize("form", ["rows.parquet", "rows.jsonl.gz", "rows.jsonl.zst", "folder", "page.warc"])
def test_report_reads_what_filter_writes(tmp_path: Path, detector: Detector, form: str) -> None:
    rows = corpus_file(tmp_path)
    source = tmp_path / "in" / form
    source.parent.mkdir()
    if form == "rows.parquet":
        import pyarrow
        from pyarrow import json as arrow_json
        from pyarrow import parquet

        table = arrow_json.read_json(rows)
        parquet.write_table(pyarrow.Table.from_batches(table.to_batches()), source)
    elif form == "folder":
        source.mkdir()
        (source / "a.txt").write_bytes((ROOT / GARBLED).read_bytes())
        (source / "b.txt").write_bytes((ROOT / CLEAN).read_bytes())
    elif form == "page.warc":
        records = []
        for row in map(json.loads, rows.read_text().splitlines()):
            body = row["text"].encode()
            head = f"WARC/1.0\r\nWARC-Type: conversion\r\nWARC-Target-URI: {row.get('url', 'https://x.example/')}\r\n"
            head += f"Content-Type: text/plain\r\nContent-Length: {len(body)}\r\n\r\n"
            records.append(head.encode() + body + b"\r\n\r\n")
        source.write_bytes(b"".join(records))
    else:
        from mtdetect.streams import Sealed

        packed = Sealed(source, "gz" if form.endswith("gz") else "zst")
        packed.write(rows.read_bytes())
        packed.close()
    out = tmp_path / "out"
    manifest = filter_corpus([source], out, Rule(50), detector, rejects=True)
    corpus = ScoredCorpus.read([out], detector)
    assert len(corpus) == manifest["n_in"] > 1
    again = [row.quality for row in ScoredCorpus.score([source], detector).rows if row.quality is not None]
    assert sorted(row.quality for row in corpus.rows if row.quality is not None) == sorted(round(q, 2) for q in again)


def test_outlets_are_ordered_by_what_is_proven(tmp_path: Path, detector: Detector) -> None:
    hosts = ScoredCorpus.score([corpus_file(tmp_path)], detector).hosts()
    assert [row["host"] for row in hosts] == ["bad.example", "mixed.example", "good.example"]
    assert [(row["n"], row["n_below"]) for row in hosts] == [(8, 8), (8, 4), (8, 0)]
    assert hosts[0]["low"] > 0.5 > hosts[2]["high"] and hosts[0]["high"] == 1 and hosts[2]["low"] == 0


def test_examples_are_the_worst_and_the_nearest(tmp_path: Path, detector: Detector) -> None:
    corpus = ScoredCorpus.score([corpus_file(tmp_path)], detector)
    qualities = sorted(row.quality for row in corpus.rows if row.quality is not None)
    assert [example.row.quality for example in corpus.worst] == qualities[:10]
    near = [distance for distance in sorted(abs(quality - 50) for quality in qualities) if distance < 30][:10]
    assert [abs(example.row.quality - 50) for example in corpus.borderline if example.row.quality is not None] == near


def test_clean_articles_are_no_worst_ones(detector: Detector) -> None:
    corpus = ScoredCorpus.score([ROOT / "notebooks" / "articles" / "clean"], detector)
    assert all(example.row.quality < 70 for example in corpus.worst if example.row.quality is not None)
    good = ScoredCorpus.score([ROOT / CLEAN], detector)
    assert not good.worst and not good.borderline and "No article has a quality below 70." in words(good.to_html())


def test_pandas(tmp_path: Path, detector: Detector, articles: dict[str, str]) -> None:
    pytest.importorskip("pandas")
    table = ScoredCorpus.score([corpus_file(tmp_path)], detector).to_pandas()
    assert len(table) == 25 and table.quality.isna().sum() == 1
    assert table[table.host == "bad.example"].quality.max() < 50
    article = detector.score(articles["garbled"])
    table = article.to_pandas()
    assert list(table.text) == [sentence.text for sentence in article.sentences]
    assert table.flagged.sum() == article.n_flagged and "fragment_break" in set(table.categories)


def test_notebooks_show_results(tmp_path: Path, detector: Detector, articles: dict[str, str]) -> None:
    for result in (detector.score(articles["garbled"]), ScoredCorpus.score([corpus_file(tmp_path)], detector)):
        fragment = result._repr_html_()
        assert (
            fragment.startswith('<div class="mtdetect"><style>') and "<html" not in fragment and "<h1" not in fragment
        )
        inactive(fragment)
        assert fragment == result._repr_html_()


def test_command_line(tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    assert command("score", GARBLED, "--format", "html", "-o", out).stdout == ""
    page = out.read_text("utf-8")
    assert "It lifts" in page and page.endswith("</html>\n")
    assert command("score", GARBLED, "--format", "html").stdout == page
    assert command("score", GARBLED, "-o", out).returncode == 0 and out.read_text("utf-8") == page
    assert command("score", GARBLED, CLEAN, "-o", out).returncode == 0
    assert "<h1>2 articles</h1>" in out.read_text("utf-8")
    assert command("score", GARBLED, CLEAN, "-o", tmp_path / "rows.jsonl").returncode == 0
    assert command("report", tmp_path / "rows.jsonl", "-o", out).returncode == 0
    assert "<h1>2 articles</h1>" in out.read_text("utf-8")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.html", "rows.jsonl"], "no temporary files"


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["nowhere.jsonl"], "no such file or folder: nowhere.jsonl"),
        ([GARBLED], f"{GARBLED}: neither JSON Lines nor Parquet nor a web archive"),
        (["notebooks"], "no scores in notebooks: give the output of mtdetect score or filter"),
        (["pyproject.toml"], "pyproject.toml: neither"),
    ],
)
def test_report_cannot_run(args: list[str], says: str, tmp_path: Path) -> None:
    ran = command("report", *args, "-o", tmp_path / "x.html")
    assert ran.returncode == 2 and ran.stderr.startswith(f"mtdetect: {says}") and ran.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_damaged_scores_are_no_report(tmp_path: Path, detector: Detector) -> None:
    import gzip

    rows = orjson.dumps(detector.score("x").to_dict()) + b"\n"
    path = tmp_path / "x.jsonl.gz"
    path.write_bytes(gzip.compress(rows * 100)[:-9])
    with pytest.raises(InputError, match="truncated"):
        ScoredCorpus.read([path])


def test_no_output_lands_among_the_inputs(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.txt").write_bytes((ROOT / GARBLED).read_bytes())
    scores = tmp_path / "scores"
    scores.mkdir()
    assert command("score", folder, "-o", scores / "s.jsonl").returncode == 0
    before = (folder / "a.txt").read_bytes(), (scores / "s.jsonl").read_bytes()
    for args in (
        ["score", folder, "-o", folder / "a.txt"], ["score", folder, "-o", folder / "new.html"],
        ["report", scores, "-o", scores / "s.jsonl"], ["report", scores, "-o", scores / "sub" / ".." / "x.html"],
    ):  # fmt: skip
        ran = command(*args)
        assert ran.returncode == 2 and ran.stderr.count("\n") == 1, args
    assert ((folder / "a.txt").read_bytes(), (scores / "s.jsonl").read_bytes()) == before
    assert len(list(folder.iterdir())) == len(list(scores.iterdir())) == 1


def test_a_failure_leaves_the_old_report(tmp_path: Path) -> None:
    import resource

    out = tmp_path / "report.html"
    out.write_text("old")

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))

    ran = command("score", GARBLED, "-o", out, preexec_fn=limit, env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"})
    assert ran.returncode == 2 and "File too large" in ran.stderr
    assert out.read_text() == "old" and [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_large_corpus(tmp_path: Path, detector: Detector, articles: dict[str, str]) -> None:
    """100,000 articles: under 10 s and 5 MB."""
    scores = [detector.score(text).to_dict() for text in (articles["garbled"], articles["clean"])]
    lines = [orjson.dumps({"id": "x", "url": "https://h.example/", "title": "T", **row}) + b"\n" for row in scores]
    path = tmp_path / "scores.jsonl"
    with path.open("wb") as file:
        for _ in range(500):
            file.write(b"".join(lines) * 100)
    begin = of_children()
    assert command("report", path, "-o", tmp_path / "report.html").returncode == 0
    assert of_children() - begin < 10  # 7 on an idle core of 2021
    assert (tmp_path / "report.html").stat().st_size < 5_000_000
    assert "100,000 articles" in (tmp_path / "report.html").read_text("utf-8")
