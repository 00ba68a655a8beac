"""The training of accurate models, with a transformer of a few thousand weights."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from small_data import sentence

from mtdetect import Detector
from mtdetect.accurate import FILES, AccurateClassifier
from mtdetect.data import DataError
from mtdetect.encoder import Encoder

torch = pytest.importorskip("torch")
for library in ("transformers", "onnx", "onnxscript", "onnxruntime", "safetensors"):
    pytest.importorskip(library)

from tiny import write_bert, write_llama  # noqa: E402

from mtdetect.finetune import OUTPUTS  # noqa: E402
from mtdetect.start import load, prune  # noqa: E402
from mtdetect.train_accurate import train_accurate  # noqa: E402

TOKENS = 60_000


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_llama(tmp_path_factory.mktemp("start") / "llama")


@pytest.fixture(scope="module")
def lines() -> list[str]:
    return []


@pytest.fixture(scope="module")
def model(
    llama: Path, data: Path, lines: list[str], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, AccurateClassifier]:
    folder = tmp_path_factory.mktemp("models") / "tiny-v1"
    found = train_accurate(
        data, folder, pairs=[data / "pairs.parquet"], init=str(llama), layers=2, tokens=TOKENS, threads=1,
        log=lines.append,
    )  # fmt: skip
    return folder, found


def articles(n: int) -> list[list[str]]:
    rng = random.Random(11)
    return [[sentence(rng)[i % 2] for _ in range(5)] for i in range(n)]


def test_it_learns_what_the_machine_does(model: tuple[Path, AccurateClassifier]) -> None:
    _, found = model
    heads, _ = found.encoder.read(articles(60))
    machine = np.repeat(np.arange(60) % 2 == 1, 5)
    assert heads[0][machine].mean() > heads[0][~machine].mean()
    scores = [Detector(found).score_sentences(part * 3).mt_score for part in articles(40)]
    assert min(scores[1::2]) > max(scores[::2])


def test_progress_tells_losses_and_a_figure_of_the_dev_split(
    model: tuple[Path, AccurateClassifier], lines: list[str]
) -> None:
    assert any(line.startswith("dev: style ") and "garble" in line and "quality" in line for line in lines)


def test_onnx_says_what_torch_says_and_transformers_loads_it(model: tuple[Path, AccurateClassifier]) -> None:
    from safetensors.torch import load_file
    from transformers import AutoModel, AutoTokenizer

    folder, found = model
    backbone = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    assert backbone.config.num_hidden_layers == 2
    tokenizer = AutoTokenizer.from_pretrained(folder)
    weights = load_file(folder / "model.safetensors")
    heads = torch.nn.Linear(48, OUTPUTS)
    heads.weight.data, heads.bias.data = (weights[f"mtdetect.heads.{name}"].float() for name in ("weight", "bias"))
    for (text,) in (part[:1] for part in articles(200)):
        ids = [*tokenizer(text.rstrip("."), add_special_tokens=False)["input_ids"], found.encoder.separator]
        with torch.no_grad():
            outputs = heads(backbone(input_ids=torch.tensor([ids])).last_hidden_state)[0].numpy()
        expected = outputs[:, :3].mean(axis=0) + outputs[-1, 3:6]
        read, (marks,) = found.encoder.read([[text]])
        assert np.abs(read[:, 0] - expected).max() < 1e-4
        garbled = outputs[:-1, 6] + outputs[1:, 7]
        assert np.abs(marks.garbled - garbled).max() < 1e-4


def test_the_same_seed_and_data_give_the_same_bytes_even_when_killed(
    model: tuple[Path, AccurateClassifier], llama: Path, data: Path, tmp_path: Path
) -> None:
    folder, _ = model
    again = tmp_path / folder.name
    code = (
        "import sys; from pathlib import Path; from mtdetect import finetune; from mtdetect.train_accurate import"
        f" train_accurate; finetune.SAVE_EVERY = 0.0; train_accurate(Path({str(data)!r}), Path({str(again)!r}),"
        f" pairs=[Path({str(data / 'pairs.parquet')!r})], init={str(llama)!r}, layers=2, tokens={TOKENS}, threads=1)"
    )
    with subprocess.Popen([sys.executable, "-c", code]) as process:
        while not (again / "checkpoint.safetensors").exists():
            assert process.poll() is None
            time.sleep(0.01)
        process.kill()
    assert not (again / "config.json").exists()
    with pytest.raises(DataError, match="other settings"):
        train_accurate(data, again, pairs=[data / "pairs.parquet"], init=str(llama), layers=2, tokens=9, threads=1)
    subprocess.run([sys.executable, "-c", code], check=True)
    assert sorted(path.name for path in again.iterdir()) == sorted(path.name for path in folder.iterdir())
    for name in (*FILES, "config.json"):
        assert (again / name).read_bytes() == (folder / name).read_bytes(), name


def test_an_encoder_that_sees_both_sides_can_be_the_start(data: Path, tmp_path: Path) -> None:
    start = write_bert(tmp_path / "bert")
    found = train_accurate(
        data, tmp_path / "b-v1", pairs=[data / "pairs.parquet"], init=str(start), tokens=20_000, cased=False
    )
    heads, marks = found.encoder.read(articles(4))
    assert heads.shape == (3, 20) and len(marks) == 20
    assert np.isfinite(heads).all()


def test_errors_of_training(llama: Path, data: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="two pivots"):
        train_accurate(data, tmp_path / "a", pairs=[], init=str(llama))
    with pytest.raises(DataError, match="cannot start from"):
        load(str(tmp_path / "nothing"))
    with pytest.raises(DataError, match="has 3 layers: --layers is 4"):
        load(str(llama), 4)


def test_a_pruned_vocabulary_writes_everything(llama: Path) -> None:
    start = load(str(llama), 1)
    before = start.tokenizer.get_vocab_size()
    text = "The mayor turned down the offer in Oslo on Monday – 3 × ÅÄÖ 库."
    whole = load(str(llama), 1)
    prune(start, [text] * 20)
    after = start.tokenizer.get_vocab_size()
    assert after < before == whole.tokenizer.get_vocab_size()
    assert start.backbone.get_input_embeddings().weight.shape[0] == after
    for other in (text, "Zebras quote 7 jazz hymns!"):
        assert start.tokenizer.decode(start.tokenizer.encode(other).ids) == other
    pieces = [one.encode(text, add_special_tokens=False) for one in (start.tokenizer, whole.tokenizer)]
    assert pieces[0].tokens == pieces[1].tokens
    vectors = [
        one.backbone.get_input_embeddings()(torch.tensor(piece.ids))
        for one, piece in zip((start, whole), pieces, strict=True)
    ]
    assert torch.equal(*vectors)


def test_the_graph_reads_its_weights_from_the_checkpoint(model: tuple[Path, AccurateClassifier]) -> None:
    folder, found = model
    assert (folder / "model.onnx").stat().st_size < (folder / "model.safetensors").stat().st_size * 2
    assert (folder / "model.onnx").read_bytes().count(b"model.safetensors") >= 10
    assert isinstance(found.encoder, Encoder)
