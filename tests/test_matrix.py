"""Training without something, and testing on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet

from mtdetect import matrix
from mtdetect.data import LeftOut, read_pairs, read_rows
from mtdetect.matrix import family, train_by_test
from mtdetect.tables import matrix_table


@pytest.fixture(scope="module")
def two_languages(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small data, where machines make other mistakes in half of the documents."""
    folder = tmp_path_factory.mktemp("two")
    for file in data.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    rows = read_rows(data, "articles_train")
    for row in rows:
        if int("".join(filter(str.isdigit, row["group"]))) % 2:
            row["lang_pair"] = "yy-en"
            if row["label"] == "mt":
                people = next(r for r in rows if r["group"] == row["group"] and r["label"] == "ht")
                row["system"] = "rbmt-1"
                row["sentences"] = [f"It is that {line[0].lower()}{line[1:]}" for line in people["sentences"]]
    parquet.write_table(pyarrow.Table.from_pylist(rows), folder / "articles_train.parquet")
    dev = [row | {"lang_pair": "zz-en", "system": "online-A"} for row in read_rows(data, "articles_dev")]
    parquet.write_table(pyarrow.Table.from_pylist(dev), folder / "articles_dev.parquet")
    return folder


def test_what_was_not_seen_is_not_known(two_languages: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matrix, "MIN_ARTICLES", 3)
    found = train_by_test(two_languages, [], "lang_pair")
    assert list(found) == ["nothing", "xx-en", "yy-en"]
    for tested in ("xx-en", "yy-en"):
        assert found["nothing"][tested]["article"]["value"] > 0.95
        (other,) = {"xx-en", "yy-en"} - {tested}
        assert found[other][tested]["article"]["value"] > 0.95
        figure = found[tested][tested]["article"]
        assert figure["low"] <= figure["value"] < 0.9
    assert found["yy-en"]["yy-en"]["articles"] >= 6
    lines = matrix_table("lang_pair", found)
    assert lines[0] == "| lang_pair: trained without | xx-en | yy-en |" and lines[-1].count("**") == 2


def test_engines_are_left_out_of_round_trips(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matrix, "MIN_ARTICLES", 3)
    trained: list[tuple[LeftOut, list[str]]] = []
    real = matrix.train_fast

    def watched(*args: Any, left_out: LeftOut, **options: Any) -> Any:
        pairs = [pair for path in options["pairs"] for pair in read_pairs([path]) if left_out.keeps(pair._asdict())]
        trained.append((left_out, sorted({pair.pivot for pair in pairs})))
        return real(*args, left_out=left_out, **options)

    monkeypatch.setattr(matrix, "train_fast", watched)
    found = train_by_test(data, [data / "pairs.parquet"], "engine")
    assert [pivots for _, pivots in trained] == [["cat", "spa"], ["spa"], ["cat"]]
    assert list(found) == ["nothing", "cat", "spa"]
    for left_out, _ in trained:
        assert left_out.groups and not any(left_out.keeps({"group": group}) for group in left_out.groups)


def test_families_of_systems_are_left_out_beside_round_trips(
    two_languages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matrix, "MIN_ARTICLES", 3)
    found = train_by_test(two_languages, [two_languages / "pairs.parquet"], "system")
    assert list(found) == ["nothing", "neural", "rbmt"]
    assert found["nothing"]["neural"]["article"]["value"] > 0.95


def test_seeds_are_tested_by_source(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matrix, "MIN_ARTICLES", 3)
    found = train_by_test(data, [], "seed")
    assert list(found) == ["nothing, seed 0", "nothing, seed 1", "nothing, seed 2"]
    assert {tuple(row) for row in found.values()} == {("wmt2021",)}


def test_versions_of_a_document_stay_together() -> None:
    line = "The council voted for a new harbour wall after a debate of nine hours in the old hall."
    rows = [
        {"group": "a", "label": "ht", "sentences": [line, "Short."], "text": ""},
        {"group": "b", "label": "human", "sentences": None, "text": f"{line} More of it."},
        {"group": "c", "label": "ht", "sentences": ["Short."], "text": ""},
        {"group": "d", "label": "mt", "sentences": [line], "text": ""},
    ]
    document = matrix._documents(rows)
    assert document["a"] == document["b"] and len(set(document.values())) == 3


@pytest.mark.parametrize(
    ("source", "system", "year", "kind"),
    [
        ("wmt_mt", "rbmt-4", 2011, "rbmt"),
        ("wmt_mt", "onlineB", 2011, "online"),
        ("wmt2021", "Online-W", 2021, "online"),
        ("wmt_mt", "uedin-wmt14", 2014, "statistical"),
        ("wmt2021", "Facebook-AI", 2021, "neural"),
        ("htvsmt", "deepl", 2014, "deepl"),
        ("llm_mt", "gpt-mt:MS-Translator", 2021, "llm"),
    ],
)
def test_families(source: str, system: str, year: int, kind: str) -> None:
    row = {"source": source, "system": system, "year": year}
    assert family(row | {"label": "mt"}) == kind and family(row | {"label": "ht"}) == ""
