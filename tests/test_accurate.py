"""The shipped accurate model, and the cascade of both."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import orjson
import pytest
from linear import of_children
from twins import PAIRS, worst

from mtdetect import ArticleScore, Detector
from mtdetect.classifier import model_folder
from mtdetect.cli import main
from mtdetect.data import DataError
from mtdetect.detector import uncertain
from mtdetect.encoder import GRAPHS, multiplies_in
from mtdetect.evaluate import evaluate
from mtdetect.filter import Rule, filter_corpus

pytest.importorskip("onnxruntime")
pytest.importorskip("tokenizers")

SEED = Path(__file__).parents[2] / "shared" / "data" / "seed_article.txt"
FOLDER = model_folder("accurate")
CASES = Path(__file__).parent / "cases"
GARBLED = (
    "The general was assassinated by the neighbor in a drone. He hits. The troops in the settlement sites of the north "
    "did not give an answer on the matter to the journalists, who they waited of the door for all the night. It is "
    "worth noting that the spokesman did to know that the operation it has been a success of the part of the country."
)
CLEAN = (
    "The general died in a drone strike near the border on Friday, two officials said. Troops at the northern base "
    "would not comment, and reporters who had waited outside the gate all night were sent away before dawn. A "
    "spokesman later called the operation a success, but gave no details of who had ordered it or why."
)


@pytest.fixture(scope="module")
def accurate() -> Detector:
    return Detector.from_pretrained("accurate")


@pytest.fixture(scope="module")
def cascade() -> Detector:
    return Detector.from_pretrained("cascade")


def test_golden_references(graph: str) -> None:
    rows = [orjson.loads(line) for line in (FOLDER / "reference.jsonl").read_bytes().splitlines()]
    assert len(rows) >= 100
    # references are of float32, the same on all processors; integers move a sentence by .118, quality by .1
    exact = graph == GRAPHS["float32"]
    if not exact and multiplies_in() != "int8":
        pytest.skip("this processor is not to multiply integers: it cuts off their sums")
    detector = Detector.from_pretrained("accurate")
    moved: list[float] = []
    for row, article in zip(rows, detector.score_many(row["text"] for row in rows), strict=True):
        for name, moves in (("quality", 1e-2 if exact else 0.3), ("mt_score", 1e-4 if exact else 5e-2)):
            assert (getattr(article, name) is None) == (row[name] is None)
            assert row[name] is None or getattr(article, name) == pytest.approx(row[name], abs=moves), row["text"][:60]
        found = [sentence.mt_score for sentence in article.sentences]
        assert found == pytest.approx(row["sentences"]["mt_score"], abs=1e-4 if exact else 0.16)
        moved += np.abs(np.subtract(found, row["sentences"]["mt_score"])).tolist()
        assert not exact or [sentence.flagged for sentence in article.sentences] == row["sentences"]["flagged"]
    assert np.median(moved) < 0.02


@pytest.mark.parametrize(
    ("machine", "flags", "kind"),
    [
        ("x86_64", "avx2 avx512_vnni", "int8"), ("x86_64", "avx2 avx_vnni", "int8"), ("x86_64", "avx avx2", "float32"),
        ("AMD64", None, "float32"), ("aarch64", None, "int8"),
    ],
)  # fmt: skip
def test_it_multiplies_as_the_processor_does_best(
    monkeypatch: pytest.MonkeyPatch, machine: str, flags: str | None, kind: str
) -> None:
    def read_text(path: Path, encoding: str) -> str:
        if flags is None:
            raise FileNotFoundError(path)
        return f"flags\t\t: fpu {flags}\n"

    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(Path, "read_text", read_text)
    assert multiplies_in() == kind


def test_garbled_and_clean_are_told_apart(accurate: Detector) -> None:
    garbled, clean = accurate.score(GARBLED), accurate.score(CLEAN)
    assert garbled.quality is not None and clean.quality is not None
    assert garbled.quality < 50 < clean.quality
    assert garbled.mt_score is not None and clean.mt_score is not None
    assert clean.mt_score < garbled.mt_score
    assert not any(sentence.flagged for sentence in clean.sentences)


def marked(article: ArticleScore) -> list[str]:
    """Return what the model marks in an article that was scored verbatim."""
    return [
        article.text[item.start : item.end]
        for sentence in article.sentences
        for item in sentence.evidence
        if item.source == "model"
    ]


def test_evidence_of_the_model_stands_where_the_text_is_garbled(accurate: Detector) -> None:
    found = marked(accurate.score(GARBLED))
    for words in ("the neighbor in a drone", "hits", "settlement sites", "waited of"):
        assert any(words in span for span in found), words
    assert sum(map(len, marked(accurate.score(CLEAN)))) < len(CLEAN) / 10 < sum(map(len, found))


def test_alone_and_beside_others_the_scores_are_the_same(articles: dict[str, str], graph: str) -> None:
    accurate = Detector.from_pretrained("accurate")
    texts = [*articles.values(), GARBLED, CLEAN, "Too short.", ""]
    together = list(accurate.score_many(texts))
    assert together == [accurate.score(text) for text in texts]
    assert together[::-1] == list(accurate.score_many(texts[::-1]))


def test_other_processes_score_the_same(tmp_path: Path, cascade: Detector, articles: dict[str, str]) -> None:
    source = tmp_path / "scraped.jsonl"
    texts = [*articles.values(), GARBLED, CLEAN]
    source.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), "utf-8")
    counts = filter_corpus([source], tmp_path / "out", Rule(0), cascade, workers=2)
    rows = (tmp_path / "out" / source.name).read_bytes().splitlines()
    assert counts["n_kept"] == len(rows) == len(texts)
    for row, article in zip(rows, cascade.score_many(texts), strict=True):
        found = orjson.loads(row)["mtdetect"]
        assert (found["quality"], found["signature"]) == (article.to_dict()["quality"], article.signature)


def test_settings_of_a_cascade_are_those_of_both(cascade: Detector) -> None:
    off = Detector.from_pretrained(Path("cascade"), point="fpr_5", ignore=iter(["unnatural_phrasing"]))
    for text in (GARBLED, CLEAN):
        article = off.score(text)
        assert "|model:cascade:" in article.signature and "|op:fpr_5|" in article.signature
        assert article.point.name == "fpr_5"
        assert not any(item.category == "unnatural_phrasing" for s in article.sentences for item in s.evidence)


def test_a_folder_at_hand_does_not_hide_the_linear_half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "fast-v4").mkdir()
    (tmp_path / "fast-v4" / "config.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    assert Detector.from_pretrained("accurate").score(GARBLED).n_flagged


def test_a_cascade_is_not_measured_by_the_thresholds_of_one_half(
    cascade: Detector, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "article.txt").write_text(GARBLED)
    with pytest.raises(SystemExit) as ended:
        main(["evaluate", "--model", "cascade", "--people", str(tmp_path / "article.txt")])
    assert ended.value.code == 2
    assert "evaluate fast and accurate" in capsys.readouterr().err
    with pytest.raises(DataError):
        evaluate(cascade, None, people={"one": [GARBLED]})


def test_neighbours_are_context(accurate: Detector) -> None:
    heads = [
        accurate.classifier.encoder.read([[before, "He hits."]])[0][1, 1]  # type: ignore[union-attr]
        for before in ("He was assassinated in a drone.", "What does the boy do when he is angry?")
    ]
    assert abs(heads[0] - heads[1]) > 0.05


def test_the_cascade_asks_only_where_fast_is_uncertain(
    cascade: Detector, accurate: Detector, detector: Detector, articles: dict[str, str]
) -> None:
    texts = [*articles.values(), GARBLED, CLEAN, "Too short."]
    limits = accurate.classifier.config["cascade"]
    asked = 0
    for text, found, by_fast in zip(texts, cascade.score_many(texts), detector.score_many(texts), strict=True):
        expected = accurate.score(text) if uncertain(by_fast, limits) else by_fast
        asked += uncertain(by_fast, limits)
        assert "|model:cascade:fast-v4@" in found.signature
        assert (found.quality, found.mt_score, found.sentences) == (
            expected.quality, expected.mt_score, expected.sentences
        )  # fmt: skip
        assert found.at("fpr_5").sentences == expected.at("fpr_5").sentences
    assert 0 < asked < len(texts)


def test_inference_needs_neither_torch_nor_transformers_and_starts_quickly(tmp_path: Path) -> None:
    code = (
        "import sys, mtdetect; d = mtdetect.Detector.from_pretrained('accurate'); d.score('Rain fell on Oslo. ' * 9);"
        "assert not {'torch', 'transformers', 'sklearn', 'scipy', 'onnx'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    (tmp_path / "article.txt").write_text(GARBLED)
    times = []
    for _ in range(3):
        begin = of_children()
        out = subprocess.run(
            [sys.executable, "-m", "mtdetect", "score", "--model", "accurate", "--format", "jsonl", "article.txt"],
            cwd=tmp_path, capture_output=True, check=True,
        ).stdout  # fmt: skip
        times.append(of_children() - begin)
    assert "accurate-v7@" in json.loads(out)["signature"]
    assert min(times) < 3  # 2 on an idle core


@pytest.mark.parametrize("words", ["He hits", "settlement sites", "Necessary and proportionate action"])
def test_acceptance_article(accurate: Detector, words: str) -> None:
    if not SEED.exists():
        pytest.skip(f"needs {SEED}")
    text = SEED.read_text("utf-8")
    article = accurate.score(text)
    assert article.quality is not None and article.quality < 50
    start = text.index(words)
    items = [item for sentence in article.sentences for item in sentence.evidence if item.source == "model"]
    assert any(item.start < start + len(words) and start < item.end for item in items)


def garble_adds(detector: Detector, pair: dict[str, str]) -> float:
    """Return how much higher the mt_score of a garbled sentence is than that of its clean twin in the same article."""
    return worst(detector, pair, "garbled")[0] - worst(detector, pair, "clean")[0]


def test_of_twins_the_garbled_sentence_is_the_worse_one(accurate: Detector) -> None:
    added = np.array([garble_adds(accurate, pair) for pair in PAIRS])
    assert (added > 0).mean() > 0.85
    assert added.mean() > 0.2


@pytest.mark.parametrize(
    "pair",
    [
        pytest.param(pair, marks=pytest.mark.xfail(strict=True, reason=pair["why"]), id=pair["words"])
        for pair in PAIRS
        if "why" in pair
    ],
)
def test_fluent_garble_is_not_found_yet(accurate: Detector, pair: dict[str, str]) -> None:
    assert garble_adds(accurate, pair) > 0


def test_people_who_write_as_few_do_are_not_flagged(accurate: Detector) -> None:
    for line in (CASES / "human_turns.jsonl").read_text("utf-8").splitlines():
        text = json.loads(line)["text"]
        assert not any(sentence.flagged for sentence in accurate.score(text).sentences), text


def test_the_checkpoint_loads_with_transformers_to_be_trained_on(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("compressed_tensors")
    whole = transformers.CompressedTensorsConfig(dequantize=True)
    with pytest.warns(UserWarning, match="already has a `quantization_config`"):
        model = transformers.AutoModel.from_pretrained(FOLDER, quantization_config=whole).float()
    trained = sum(value.numel() for value in model.parameters() if value.requires_grad)
    assert not hasattr(model.config, "quantization_config") and trained > 40_000_000
    model.save_pretrained(tmp_path)


def test_it_is_small_enough_to_ship() -> None:
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) <= 90_000_000
