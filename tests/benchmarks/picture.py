"""Make the picture of the README: python tests/benchmarks/picture.py (needs chromium and playwright)."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from mtdetect import Detector

ROOT = Path(__file__).parents[2]
OUT = ROOT / "docs" / "images" / "report.png"


def main() -> None:
    """Score the garbled article and take a picture of the beginning of its report."""
    article = Detector.from_pretrained("fast").score(
        (ROOT / "notebooks" / "articles" / "garbled.txt").read_text("utf-8")
    )
    page_file = Path(tempfile.mkdtemp(), "report.html")
    page_file.write_text(article.to_html(name="garbled.txt"), "utf-8")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 900, "height": 900}, device_scale_factor=1.5)
        page.goto(page_file.as_uri())
        page.locator("a.note").nth(2).hover()
        page.screenshot(path=OUT)
        browser.close()


if __name__ == "__main__":
    main()
