"""From the bytes of one page to its article: encodings, HTML, and what a web archive holds."""

from __future__ import annotations

import io
import logging
import re
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from mtdetect.streams import ReadError, one_line

__all__ = ["Page", "decode", "extractor", "read_page", "read_warc_page", "sniff"]

_LINES = (".jsonl", ".ndjson")
_ARCHIVES = (".warc", ".wet")
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_JSON_ROW = re.compile(r"\{\s*[\"}]")
_JSON_ARRAY = re.compile(r"\[\s*\{")
# rows of another kind before the first object
_JSON_OTHER = re.compile(r"(?:(?:null|true|false|-?\d[\d.eE+-]*)[^\S\n]*\n\s*)+\{\s*[\"}]")
_HTML_START = re.compile(r"<(?:!doctype html|html|head|body)\b", re.IGNORECASE)
_HTML_TAG = re.compile(r"<(?:p|div|span|a|h[1-6]|br|li|meta|title|article|script)\b", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
# Python knows many more encodings; some take quadratic time or make surrogates; no news page uses them.
_CHARSET = re.compile(
    rb"<meta[^>]{0,200}charset\s{0,9}=\s{0,9}[\"']?"
    rb"(iso-8859-(?!1\b)\d+|windows-125\d|koi8-[ru]|gb2312|gbk|gb18030|big5|shift_jis|euc-jp|euc-kr)\b",
    re.IGNORECASE,
)
_HTTP_CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w-]+)", re.IGNORECASE)
# The extraction takes quadratic time in some tags: 99,000 paragraphs of a letter take it 23 seconds.
_MOST_TAGS = 100_000


@dataclass(frozen=True, slots=True)
class Page:
    """A page as it was read.

    Parameters
    ----------
    text : str or None
        The article, verbatim; None if there is none.
    error : str or None
        Why there is none, in one line.
    encoding : str or None
        How the bytes were decoded.
    warnings : tuple of str
        What had to be put up with.
    fields : dict of str to str
        Title and address of a web page.
    """

    text: str | None
    error: str | None = None
    encoding: str | None = None
    warnings: tuple[str, ...] = ()
    fields: dict[str, str] = field(default_factory=dict)


def sniff(head: bytes, name: str) -> str:
    """Return ``"parquet"``, ``"warc"``, ``"html"``, ``"jsonl"``, ``"json"`` or ``"text"``, by content, then by name.

    Parameters
    ----------
    head : bytes
        The first bytes, decompressed.
    name : str
        Name of the file in lower case, without ``.gz`` or ``.zst``.
    """
    if head.startswith(b"PAR1") or (name.endswith(".parquet") and (b"\0" in head or not head)):
        return "parquet"
    if head.startswith(b"WARC/") or (name.endswith(_ARCHIVES) and not head.startswith(b"{")):
        return "warc"
    text = head.decode("utf-16" if head.startswith(_UTF16_MARKS) else "utf-8", "ignore")
    text = text.lstrip("\ufeff").lstrip()
    if text.startswith("<") and (_HTML_START.search(text) or len(_HTML_TAG.findall(text)) >= 5):
        return "html"
    first, _, rest = text.partition("\n")
    open_ended = rest and not first.rstrip().endswith("}") and not rest.lstrip().startswith("{")
    if name.endswith(_LINES) or (_JSON_ROW.match(text) and not open_ended) or _JSON_OTHER.match(text):
        return "jsonl"
    if _JSON_ROW.match(text) or _JSON_ARRAY.match(text) or name.endswith(".json"):
        return "json"
    return "html" if name.endswith((".html", ".htm", ".xhtml")) else "text"


def read_page(data: bytes, *, html: bool, charset: str | None = None) -> Page:
    """Decode a page and, if it is HTML, extract its article.

    Parameters
    ----------
    data : bytes
        The file.
    html : bool
        Whether it is HTML.
    charset : str, optional
        What the server said of the encoding.
    """
    text, encoding, warnings = decode(data, html=html, charset=charset)
    if _looks_binary(text):
        return Page(None, "not text")
    if html:
        return _from_html(text, encoding, warnings)
    return Page(text, None, encoding, warnings)


def read_warc_page(record: bytes, max_bytes: int) -> Page:
    """Read the page of one WARC record: undo the transfer, decode, and extract the article.

    Parameters
    ----------
    record : bytes
        The record, header included.
    max_bytes : int
        Longer pages, decompressed, are errors.

    Raises
    ------
    ReadError
        If warcio is not installed.
    """
    try:
        from warcio.recordloader import ArcWarcRecordLoader
    except ImportError as error:
        raise ReadError("reading WARC needs warcio: pip install 'mtdetect[warc]'") from error
    # warcio takes the HTTP header off a response only if that has an address
    version, _, rest = record.partition(b"\n")
    record = version + b"\nWARC-Target-URI: http:\r\n" + rest
    try:
        loaded = ArcWarcRecordLoader(verify_http=False, arc2warc=False).parse_record_stream(io.BytesIO(record))
        data = loaded.content_stream().read(max_bytes + 1)
        headers = loaded.http_headers or loaded.rec_headers
        declared = _HTTP_CHARSET.search(headers.get_header("Content-Type") or "")
    except Exception as error:  # warcio, zlib and brotli each raise their own
        return Page(None, f"damaged: {one_line(error)}")
    if len(data) > max_bytes:
        return Page(None, f"too large: more than {max_bytes} bytes")
    return read_page(data, html=sniff(data[:4096], "") == "html", charset=declared and declared[1])


def decode(data: bytes, *, html: bool = False, charset: str | None = None) -> tuple[str, str, tuple[str, ...]]:
    """Return the text, the name of its encoding, and warnings."""
    if data.startswith(_UTF16_MARKS):
        encoding = "utf-16"
    elif data.startswith(b"\xef\xbb\xbf"):
        encoding = "utf-8-sig"
    else:
        encoding = "utf-8"
    try:
        return data.decode(encoding), encoding, ()
    except UnicodeDecodeError:
        text = data.decode(encoding, "replace")
    bad = text.count("\ufffd")
    # In Windows-1252 prose next to no run of bytes happens to be valid UTF-8; in damaged UTF-8 most are.
    if encoding != "utf-8" or sum(map(len, re.findall(r"[^\x00-\x7f\ufffd]+", text))) > bad:
        return text, encoding, (f"{bad} invalid bytes replaced",)
    said = b"<meta charset=%b>" % charset.encode("ascii", "replace") if charset else b""
    declared = _CHARSET.search(said + data[: 4096 if html else 0])
    encoding = declared[1].decode("ascii").lower() if declared else "windows-1252"
    text = data.decode(encoding, "replace")
    warning = f"decoded as {encoding}"
    if bad := text.count("\ufffd"):
        warning += f", {bad} undefined bytes replaced"
    return text, encoding, (warning,)


def _looks_binary(text: str) -> bool:
    sample = text[:8192]
    return sample.startswith(("%PDF-", "%!PS-", "{\\rtf")) or len(_CONTROL.findall(sample)) > len(sample) / 50


def _from_html(html: str, encoding: str, warnings: tuple[str, ...]) -> Page:
    if (tags := html.count("<")) > _MOST_TAGS:
        return Page(None, f"too many tags: {tags}, at most {_MOST_TAGS}", encoding, warnings)
    trafilatura = extractor()
    # Residue of the page (buttons, teasers, comments, tables) reads like garbled prose, so precision goes
    # before recall. The thorough search for a date is slow, and the date is not used.
    try:
        page = trafilatura.bare_extraction(
            html,
            favor_precision=True,
            include_comments=False,
            include_tables=False,
            with_metadata=True,
            date_extraction_params={"extensive_search": False, "original_date": True, "max_date": "2999-12-31"},
        )
    except Exception as error:  # lxml, its cleaner and the date parser each raise their own
        reason = f"cannot read the HTML: {one_line(error)}"
        return Page(None, reason, encoding, warnings)
    lines = [line.strip() for line in (page.text or "").split("\n")] if page else []
    text = "\n\n".join(filter(None, lines))
    if not text:
        reason = "no article text found in the HTML"
        return Page(None, reason, encoding, warnings)
    fields = {name: value for name in ("title", "url") if (value := getattr(page, name))}
    return Page(text, None, encoding, warnings, fields)


@cache
def extractor() -> Any:
    """Return the library that extracts articles; to import it takes half a second."""
    # Without a handler, Python prints the warnings of a library to standard error.
    for name in ("trafilatura", "htmldate", "courlan", "justext"):
        logging.getLogger(name).addHandler(logging.NullHandler())
    import trafilatura

    return trafilatura
