"""The HTML reports in a real browser: layout, keyboard, reasons, hostile text, and accessibility."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from payloads import PAYLOADS
from test_report import corpus_file, hostile_rows

from mtdetect import Detector, ScoredCorpus
from mtdetect.corpus import Record
from mtdetect.report import article_page, corpus_page

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright, from the extra test")
axe_sync = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-playwright-python")
CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium")
SIZES = ((360, 740), (1280, 900))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory, detector: Detector, articles: dict[str, str]) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    short = "Das ist kurz."
    made = {
        "garbled": article_page(
            detector.score(articles["garbled"]), name="garbled.txt", title="A port at a standstill"
        ),
        "clean": article_page(detector.score(articles["clean"]), name="clean.txt"),
        "unjudged": article_page(detector.score(short), name="short.txt", warnings=["2 bytes could not be decoded"]),
        "wide": article_page(detector.score(f"{articles['garbled']}\n{'x' * 3000}\n{'☃' * 2000}"), name="y" * 500),
        "corpus": corpus_page(ScoredCorpus.score([corpus_file(folder)], detector)),
    }
    for name, page in made.items():
        (folder / f"{name}.html").write_text(page, "utf-8")
    return {name: folder / f"{name}.html" for name in made}


def opened(browser: Any, file: Path, size: tuple[int, int] = SIZES[1], **options: Any) -> Any:
    page = browser.new_context(viewport={"width": size[0], "height": size[1]}, **options).new_page()
    page.goto(file.as_uri())
    return page


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ["garbled", "clean", "unjudged", "wide", "corpus"])
def test_nothing_scrolls_sideways_or_overlaps(browser: Any, pages: dict[str, Path], name: str, size: Any) -> None:
    page = opened(browser, pages[name], size)
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    outside = page.evaluate(
        """() => [...document.querySelectorAll('main *')].filter(e => e.checkVisibility() && !e.closest('svg'))
           .filter(e => { const r = e.getBoundingClientRect(); return r.left < -1 || r.right > innerWidth + 1; })
           .map(e => e.outerHTML.slice(0, 80))"""
    )
    assert outside == []
    # blocks follow each other: none lies on the one before
    tops = page.evaluate("[...document.querySelector('article').children].map(e => e.getBoundingClientRect())")
    assert all(one["bottom"] <= other["top"] + 1 for one, other in itertools.pairwise(tops))
    assert page.evaluate("parseFloat(getComputedStyle(document.querySelector('main')).fontSize)") >= 16


def test_keyboard_goes_through_the_marks_in_order_and_shows_reasons(browser: Any, pages: dict[str, Path]) -> None:
    page = opened(browser, pages["garbled"])
    links = page.evaluate("[...document.querySelectorAll('a')].map(a => a.getAttribute('href'))")
    seen = []
    for _ in links:
        page.keyboard.press("Tab")
        seen.append(page.evaluate("document.activeElement.getAttribute('href')"))
        style = page.evaluate(
            "(() => { const e = document.activeElement, r = e.querySelector('rect');"
            " return [getComputedStyle(e).outlineStyle, r ? getComputedStyle(r).stroke : 'none'] })()"
        )
        assert style[0] != "none" or style[1] != "none", f"nobody sees that {seen[-1]} has the focus"
    assert seen == links, "the order of the page"
    first = page.locator("a.note").first
    tip = page.locator("a.note + .tip").first
    assert not tip.is_visible()
    first.focus()
    assert tip.is_visible() and "“It lifts.” does not follow" in tip.inner_text()
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == first.get_attribute("href")
    assert page.evaluate("document.querySelector(':target').getBoundingClientRect().top < innerHeight")


@pytest.mark.parametrize("size", SIZES)
def test_reason_on_hover_stays_on_the_screen(browser: Any, pages: dict[str, Path], size: tuple[int, int]) -> None:
    page = opened(browser, pages["garbled"], size)
    marks = page.locator("a.note")
    for i in range(marks.count()):
        marks.nth(i).hover()
        tip = page.locator(".tip:visible")
        assert tip.count() == 1
        box = tip.bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= size[0]
    page.mouse.move(0, 0)
    assert page.locator(".tip:visible").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["garbled", "clean", "unjudged", "corpus"])
def test_axe_finds_nothing(browser: Any, pages: dict[str, Path], name: str, scheme: str) -> None:
    page = opened(browser, pages[name], SIZES[0], color_scheme=scheme, bypass_csp=True)
    page.evaluate("document.querySelectorAll('details').forEach(e => e.open = true)")
    for focus in (None, "a.note"):  # a reason that is shown has to be readable, too
        if focus and page.locator(focus).count():
            page.locator(focus).first.focus()
        found = axe_sync.Axe().run(page, options={"resultTypes": ["violations", "incomplete"]}).response
        assert found["violations"] == []
        assert found["testEngine"]["name"] == "axe-core" and len(found["passes"]) > 10
    background = page.evaluate("getComputedStyle(document.querySelector('main')).backgroundColor")
    assert (background == "rgb(255, 255, 255)") == (scheme == "light")


def test_axe_would_find_bad_contrast(browser: Any, pages: dict[str, Path]) -> None:
    page = opened(browser, pages["garbled"], bypass_csp=True)
    page.evaluate("document.querySelector('.says').style.color = '#ccc'")
    found = axe_sync.Axe().run(page).response["violations"]
    assert [item["id"] for item in found] == ["color-contrast"]


def test_print(browser: Any, pages: dict[str, Path]) -> None:
    page = opened(browser, pages["garbled"], color_scheme="dark")
    page.locator("a.note").first.focus()
    page.emulate_media(media="print")
    assert page.locator(".tip:visible").count() == 0 and page.locator(".back:visible").count() == 0
    assert page.evaluate("getComputedStyle(document.querySelector('main')).color") == "rgb(0, 0, 0)"
    assert page.locator(".reasons").is_visible(), "the reasons are printed"
    assert page.pdf(format="A4").startswith(b"%PDF")


def test_marks_differ_without_colour(browser: Any, pages: dict[str, Path]) -> None:
    page = opened(browser, pages["garbled"])
    look = "e => { const s = getComputedStyle(e); return [s.textDecorationStyle, s.textDecorationThickness] }"
    strong = page.locator("a.note.strong").first.evaluate(look)
    weak = page.locator("a.note.weak").first.evaluate(look)
    assert strong == ["solid", "3px"] and weak == ["dotted", "2px"]
    assert page.locator(".residue .tag").first.inner_text() == "page residue"


def watched(browser: Any) -> tuple[Any, list[str]]:
    """Return a page, and what happens on it that should not: requests, dialogs, new windows, navigation."""
    context = browser.new_context()
    page = context.new_page()
    happened: list[str] = []
    page.on("request", lambda request: request.url.startswith("file:") or happened.append(request.url))
    page.on("dialog", lambda dialog: (happened.append(dialog.message), dialog.dismiss()))
    context.on("page", lambda other: happened.append("window"))
    page.on("pageerror", lambda error: happened.append(str(error)))
    return page, happened


def test_the_watch_sees_what_happens(browser: Any, tmp_path: Path) -> None:
    (tmp_path / "x.html").write_text("<img src='http://x.example/'><body onload='window.pwned=1;alert(5)'>")
    page, happened = watched(browser)
    page.goto((tmp_path / "x.html").as_uri())
    assert happened == ["http://x.example/", "5"] and page.evaluate("window.pwned") == 1


def test_two_hundred_hostile_payloads_stay_text(browser: Any, detector: Detector, tmp_path: Path) -> None:
    filler = "The mayor promised to resign He added: “Give me time.” " * 3
    page, happened = watched(browser)
    files: list[str] = []
    for payload in PAYLOADS:
        article = detector.score(f"{filler}\n{payload}\n{filler}{payload} and so on.")
        files.append(article_page(article, name=payload, title=payload, warnings=[payload]))
    rows = list(hostile_rows())
    for begin in range(0, len(rows), 10):  # as many as a page shows
        corpus = ScoredCorpus()
        for row in rows[begin : begin + 10]:
            corpus._add(row, Record(row["id"], None, "", fields=row))
        files.append(corpus_page(corpus))
    file = tmp_path / "page.html"
    for made in files:
        file.write_text(made, "utf-8")
        page.goto(file.as_uri())
        page.mouse.move(200, 200)
        page.keyboard.press("Tab")
        assert page.evaluate("window.pwned") is None
        assert page.title().endswith(" · mtdetect") and page.url == file.as_uri()
        active = "script, iframe, img, object, embed, form, input, link, base, video, math, portal, template, [style]"
        assert page.locator(active).count() == 0
    assert len(PAYLOADS) == 200 and len(files) == 220 and happened == []
