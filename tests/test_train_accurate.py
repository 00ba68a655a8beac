"""The training of accurate models, with a transformer of a few thousand weights."""

from __future__ import annotations

import hashlib
import random
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_data import sentence

from mtdetect import Detector
from mtdetect.accurate import CALIBRATED, FILES, AccurateClassifier
from mtdetect.classifier import ModelError
from mtdetect.cli import main
from mtdetect.data import DataError, bucket, read_rows
from mtdetect.detector import uncertain
from mtdetect.encoder import GRAPHS, SPAN_KINDS, Encoder, Marks, int8_names, tokenised, unpacked, windows
from mtdetect.reasons import is_dense, spans

torch = pytest.importorskip("torch")
for library in ("transformers", "onnx", "onnxscript", "onnxruntime", "safetensors"):
    pytest.importorskip(library)

from tiny import write_bert, write_llama  # noqa: E402

from mtdetect import encoder, finetune, readout  # noqa: E402
from mtdetect.batches import Plan  # noqa: E402
from mtdetect.examples import Article, learn_from  # noqa: E402
from mtdetect.export import export  # noqa: E402
from mtdetect.finetune import OUTPUTS, Reader, read  # noqa: E402
from mtdetect.start import HEADS_PREFIX, READOUT_PREFIX, load, prune  # noqa: E402
from mtdetect.train_accurate import _span_limit, train_accurate  # noqa: E402

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
        data, folder, pairs=[data / "pairs.parquet"], init=str(llama), layers=3, frozen=1, tokens=TOKENS, threads=1,
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
    for style in (0, encoder.READOUT):
        assert heads[style][machine].mean() > heads[style][~machine].mean()
    scores = [Detector(found).score_sentences(part * 3).mt_score for part in articles(40)]
    assert min(scores[1::2]) > max(scores[::2])


def test_progress_tells_losses_and_a_figure_of_the_dev_split(
    model: tuple[Path, AccurateClassifier], lines: list[str]
) -> None:
    assert any(line.startswith("dev: style ") and "garble" in line and "quality" in line for line in lines)


def test_a_training_goes_on_from_an_accurate_model(
    model: tuple[Path, AccurateClassifier], llama: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder, found = model
    start, before = load(str(folder)), load(str(llama))
    assert "UNEXPECTED" not in capfd.readouterr().err
    assert start.frozen == 1 and before.heads is None and not before.frozen
    again = Reader(start.backbone, start.heads, start.frozen).eval()
    parts = articles(20)
    said, _ = found.encoder.read(parts)
    error = read(again, start, parts)[:3] - said[:3]
    assert (error.std(axis=1) < 0.1 * said[:3].std(axis=1)).all()

    # what is frozen is what it was, in eight bits; what is not has learned
    moved = []
    for one, other in zip(start.backbone.layers, before.backbone.layers, strict=True):
        weights, exact = one.mlp.up_proj.weight, other.mlp.up_proj.weight
        moved.append(((weights - exact).abs() / exact.abs().amax(dim=1, keepdim=True)).max().item())
    assert moved[0] < 0.6 / 127 < min(moved[1:])

    # what a word is was learned from more text than this
    weights = [one.backbone.get_input_embeddings().weight for one in (start, before)]
    for token, number in start.tokenizer.get_vocab().items():
        assert torch.equal(weights[0][number], weights[1][before.tokenizer.token_to_id(token)].half().float())


@pytest.mark.parametrize("stays", [0.0, 0.6, 1.0])
def test_so_much_of_an_accurate_model_stays(
    model: tuple[Path, AccurateClassifier], data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stays: float
) -> None:
    torch.set_num_threads(1)
    known = learn_from(data, [], lambda row: True, 0)

    def trained(stays: float, folder: str) -> dict[str, torch.Tensor]:
        monkeypatch.setattr(finetune, "_STAYS", stays)
        (tmp_path / folder).mkdir(exist_ok=True)
        plan = Plan(4000)
        return finetune.fit(load(str(model[0])), known, plan, tmp_path / folder, str, str).state_dict()

    start = load(str(model[0]))
    before, after = Reader(start.backbone, start.heads).state_dict(), trained(0.0, "all")
    assert any((after[name] - before[name]).abs().max() > 1e-4 for name in before)
    for name, value in trained(stays, "some").items():
        assert torch.allclose(value, after[name].lerp(before[name], stays), atol=1e-6), name


def test_a_surprising_word_makes_no_garbled_sentence() -> None:
    def marks(*garbled: float) -> Marks:
        place = np.arange(len(garbled), dtype=np.int32)
        return Marks(place, place + 1, np.array(garbled, np.float32), np.zeros((len(garbled), 7), np.float32))

    assert is_dense(marks(3, -3)) and is_dense(marks(0, 0, 0))
    assert not is_dense(marks(9, -3, -3, -3, -3)) and not is_dense(marks())


def by_transformers(folder: Path, frozen: int) -> Reader:
    """Return the checkpoint as transformers loads it, with its heads and the readout."""
    from safetensors.torch import load_file
    from transformers import AutoModel

    weights = load_file(folder / "model.safetensors")
    model = Reader(AutoModel.from_pretrained(folder, dtype=torch.float32).eval(), frozen=frozen)
    model.readout = torch.nn.Linear(weights[f"{READOUT_PREFIX}weight"].shape[1], 1)
    for part, name in ((model.heads, HEADS_PREFIX), (model.readout, READOUT_PREFIX)):
        part.load_state_dict({key: weights[name + key].float() for key in ("weight", "bias")})
    return model


def unrounded(graph: Any) -> Any:
    """Return the same graph, where what is multiplied with the rounded weights is not rounded."""
    from onnx import TensorProto, helper

    nodes: list[Any] = []
    for node in graph.graph.node:
        if node.op_type == "QuantizeLinear":
            value = node.input[0]
            node = helper.make_node("Div", [value, f"{value} step"], node.output)
        elif node.op_type == "MatMulIntegerToFloat":
            value, weights, _, scales, _ = node.input
            nodes.append(helper.make_node("Cast", [weights], [f"{weights} whole"], to=TensorProto.FLOAT))
            nodes.append(helper.make_node("Mul", [f"{weights} whole", scales], [f"{weights} exact"]))
            node = helper.make_node("MatMul", [value, f"{weights} exact"], node.output)
        nodes.append(node)
    assert len(nodes) > len(graph.graph.node)
    del graph.graph.node[:]
    graph.graph.node.extend(nodes)
    return graph


def read_by_hand(model: Reader, ids: list[int]) -> np.ndarray:
    """Return what the readout of one frozen layer is by its definition."""
    first, second = model.backbone.layers[:2]
    found: dict[str, Any] = {}
    hooks = [
        module.register_forward_pre_hook(lambda _, args, name=name: found.__setitem__(name, args[0][0]))
        for name, module in (
            ("before", first.self_attn.q_proj), ("neurons", first.mlp.down_proj), ("after", second.self_attn.k_proj)
        )
    ]  # fmt: skip
    with torch.no_grad():
        model.backbone(input_ids=torch.tensor([ids]))
        outputs = model.readout(torch.cat([found[name] for name in ("before", "neurons", "after")], dim=1))
    for hook in hooks:
        hook.remove()
    return np.asarray(outputs.numpy())[:, 0]


def test_onnx_says_what_torch_says_and_transformers_loads_it(
    model: tuple[Path, AccurateClassifier], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import onnx
    from transformers import AutoTokenizer

    folder, found = model
    integers = encoder.multiplies_in() == "int8"  # other processors cut off sums of integers
    tokenizer = AutoTokenizer.from_pretrained(folder)
    exact = by_transformers(folder, 1)
    assert exact.backbone.config.num_hidden_layers == 3
    options = {"cased": found.encoder.cased, "separator": found.encoder.separator}
    others = tmp_path / "unrounded"
    shutil.copytree(folder, others)
    graph = onnx.load(folder / GRAPHS["int8"], load_external_data=False)
    (others / GRAPHS["int8"]).write_bytes(unrounded(graph).SerializeToString())
    sessions = {}
    for kind, place in (("float32", folder), ("unrounded", others), ("int8", folder)):
        monkeypatch.setattr(encoder, "multiplies_in", lambda kind=kind: kind if kind in GRAPHS else "int8")
        sessions[kind] = Encoder(place, **options)
    said, expected = [], []
    for (text,) in (part[:1] for part in articles(200)):
        ids = [*tokenizer(text.rstrip("."), add_special_tokens=False)["input_ids"], found.encoder.separator]
        with torch.no_grad():
            truth = exact(torch.tensor([ids]))[0].numpy()
        assert np.abs(truth[:, OUTPUTS] - read_by_hand(exact, ids)).max() < 1e-5
        for kind in ("float32", "unrounded"):
            (by_onnx,) = sessions[kind]._session.run(None, {"ids": np.array([ids])})
            assert np.abs(by_onnx[0] - truth).max() < 1e-4, kind
        heads, (marks,) = sessions["int8"].read([[text]])
        garbled = truth[:-1, 6] + truth[1:, 7]
        expected.append([*(truth[:, :3].mean(axis=0) + truth[-1, 3:6]), truth[:, OUTPUTS].mean(), *garbled[:3]])
        said.append([*heads[:, 0], *marks.garbled[:3]])
    error = (np.array(said) - expected).std(axis=0) / np.std(expected, axis=0)
    assert 0 < error.max() < (0.1 if integers else np.inf)


def test_matrices_are_rounded_to_steps_of_their_outputs(llama: Path, tmp_path: Path) -> None:
    before, start = load(str(llama)), load(str(llama))
    export(Reader(start.backbone), start, tmp_path)
    found = unpacked(tmp_path / "model.safetensors", (tmp_path / GRAPHS["int8"]).read_bytes())
    named = {name: value for name, value in before.backbone.named_parameters() if ".layers." in f".{name}"}
    matrices = {name: value.detach().numpy() for name, value in named.items() if value.ndim == 2}
    assert sorted(found) == sorted(part for name in matrices for part in int8_names(name))
    whole = unpacked(tmp_path / "model.safetensors", (tmp_path / GRAPHS["float32"]).read_bytes())
    for name, exact in matrices.items():
        integers, scales = (found[part] for part in int8_names(name))
        assert np.abs(integers).max() == 127
        assert (np.abs(integers.T * scales[:, None] - exact) <= scales[:, None] * 0.57).all()
        assert (whole[f"backbone.{name}"] == integers.T * scales[:, None]).all()


@pytest.mark.parametrize("sharp", [1.0, 1e4])
def test_no_graph_sees_what_comes_later(
    llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sharp: float
) -> None:
    monkeypatch.setattr(encoder, "multiplies_in", lambda: "float32")
    start = load(str(llama))
    for layer in start.backbone.layers:
        layer.self_attn.q_proj.weight.data *= sharp  # scores of attention differ as much more
    reader = Reader(start.backbone)
    export(reader, start, tmp_path)
    found = Encoder(tmp_path, cased=True, separator=start.separator)._session
    ids = np.arange(3, 60)[None]
    (outputs,) = found.run(None, {"ids": ids})
    with torch.no_grad():
        assert np.abs(outputs - reader(torch.from_numpy(ids)).numpy()).max() < 1e-4 * sharp**0.5
    ids[0, 40:] = 2
    (others,) = found.run(None, {"ids": ids})
    assert np.abs(outputs - others)[0, :40].max() < 1e-5 < np.abs(outputs - others)[0, 40:].max()


def test_the_same_seed_and_data_give_the_same_bytes_even_when_killed(
    model: tuple[Path, AccurateClassifier], llama: Path, data: Path, tmp_path: Path
) -> None:
    folder, _ = model
    again = tmp_path / folder.name
    code = (
        "import sys; from pathlib import Path; from mtdetect import finetune; from mtdetect.train_accurate import"
        f" train_accurate; finetune.SAVE_EVERY = 0.0; train_accurate(Path({str(data)!r}), Path({str(again)!r}),"
        f" pairs=[Path({str(data / 'pairs.parquet')!r})], init={str(llama)!r}, layers=3, frozen=1,"
        f" tokens={TOKENS}, threads=1)"
    )
    for stage in ("checkpoint.safetensors", "layers-*.npy"):
        with subprocess.Popen([sys.executable, "-c", code]) as process:
            while not list(again.glob(stage)):
                assert process.poll() is None
                time.sleep(0.01)
            process.kill()
    assert not (again / "config.json").exists()
    with pytest.raises(DataError, match="other settings"):
        train_accurate(
            data, again, pairs=[data / "pairs.parquet"], init=str(llama), layers=3, frozen=1, tokens=9, threads=1
        )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert sorted(path.name for path in again.iterdir()) == sorted(path.name for path in folder.iterdir())
    for name in (*FILES, "config.json"):
        assert (again / name).read_bytes() == (folder / name).read_bytes(), name


def test_versions_of_a_document_share_the_weight_of_all() -> None:
    known = [
        Article("translated", ["One.", str(i)], float(i % 3 > 0), [0.0] * 2, [np.nan] * 2, None, f"g{i % 2}", 1 + i / 8)
        for i in range(30)
    ]
    chosen, weights = readout._chosen(known, random.Random(0))
    assert len(chosen) == len(weights) == 16 and {id(one) for one in chosen} <= {id(one) for one in known}
    for group, style in product(("g0", "g1"), (0.0, 1.0)):
        all_of, some = ([(a.group, a.style) == (group, style) for a in part] for part in (known, chosen))
        total = sum(article.weight for article, use in zip(known, all_of, strict=True) if use)
        assert weights[some] == pytest.approx([total / 4] * 4)


def test_the_readout_learns_from_what_systems_of_today_translated(
    llama: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = readout._chosen
    found: list[list[Article]] = []

    def noted(articles: list[Article], rng: random.Random) -> Any:
        found.append(articles)
        return chosen(articles[:4], rng)

    monkeypatch.setattr(readout, "_chosen", noted)
    known = [one for one in learn_from(data, [], lambda row: True, 0) if one.source == "translated"]
    assert {one.today for one in known} == {True}  # the small data are of wmt2021
    older = [one._replace(today=False) for one in known]
    start = load(str(llama), 3, 1)
    for articles, used in (([*older[:9], *known], known), (older, older)):
        readout.read_out(Reader(start.backbone, None, 1).eval(), start, articles, 0, tmp_path, str)
        assert found.pop() == used


def test_what_was_read_is_gone_on_with_and_what_is_other_is_not(
    llama: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = learn_from(data, [], lambda row: True, 0)[:40]
    means, calls = readout._means, []

    def counted(model: Reader, parts: list[Any]) -> Any:
        calls.append(len(parts))
        return means(model, parts)

    def read(frozen: int) -> np.ndarray:
        calls.clear()
        start = load(str(llama), 3, frozen)
        model = Reader(start.backbone, None, frozen).eval()
        tokens = [tokenised(start.tokenizer, article.sentences, cased=True) for article in known]
        return np.array(readout._read(model, list(windows(tokens, start.separator)), tmp_path, str))

    monkeypatch.setattr(readout, "_BATCH", 200)
    monkeypatch.setattr(readout, "_means", counted)
    whole, first = read(1), sum(calls)
    (file,) = tmp_path.glob("layers-*.npy")
    np.load(file, mmap_mode="r+")[-2:] = 0
    assert (read(1) == whole).all() and 1 < sum(calls) < first
    assert read(2).shape[1] == whole.shape[1] + 48 + 96
    assert len(list(tmp_path.iterdir())) == 1  # that of other layers is gone


def test_the_command_goes_on_where_it_was_killed_before_any_checkpoint(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "layers-0123456789abcdef.npy").touch()
    with pytest.raises(SystemExit):
        main(["train", "accurate", "--data", str(data), "-o", str(tmp_path)])
    assert "round trips through two pivots" in capsys.readouterr().err


def test_an_encoder_that_sees_both_sides_can_be_the_start(data: Path, tmp_path: Path) -> None:
    start = write_bert(tmp_path / "bert")
    found = train_accurate(
        data,
        tmp_path / "b-v1",
        pairs=[data / "pairs.parquet"],
        init=str(start),
        frozen=1,
        tokens=20_000,
        cased=False,
        matched=False,
        drop=["kind"],
    )
    heads, marks = found.encoder.read(articles(4))
    assert heads.shape == (4, 20) and len(marks) == 20
    assert np.isfinite(heads).all() and np.ptp(heads[3])


def test_errors_of_training(llama: Path, data: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="two pivots"):
        train_accurate(data, tmp_path / "a", pairs=[], init=str(llama))
    with pytest.raises(DataError, match="cannot start from"):
        load(str(tmp_path / "nothing"))
    with pytest.raises(DataError, match="has 3 layers: --layers is 4"):
        load(str(llama), 4)
    with pytest.raises(DataError, match="of 2 layers fewer can be frozen: --frozen is 2"):
        load(str(llama), 2, 2)


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


def test_the_graph_reads_its_weights_from_the_checkpoint(
    model: tuple[Path, AccurateClassifier], tmp_path: Path, graph: str
) -> None:
    folder, found = model
    assert (folder / graph).stat().st_size < (folder / "model.safetensors").stat().st_size * 2
    assert (folder / graph).read_bytes().count(b"model.safetensors") >= 10
    other = copied(folder, tmp_path / "silent")
    stored = (folder / "model.safetensors").read_bytes()
    begin = 8 + int.from_bytes(stored[:8], "little")
    (other / "model.safetensors").write_bytes(stored[:begin] + bytes(len(stored) - begin))
    settings = found.config["encoder"]
    assert not Encoder(other, **settings).read([["Rain fell on Oslo."]])[0].any()
    assert Encoder(folder, **settings).read([["Rain fell on Oslo."]])[0].all()


def test_the_command_line_trains_scores_and_measures(
    llama: Path, data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out, pairs = tmp_path / "mine-v1", str(data / "pairs.parquet")
    train = ["train", "accurate", "--data", str(data), "--pairs", pairs, "-o", str(out), "--init", str(llama)]
    with pytest.raises(SystemExit) as ended:
        main([*train, "--layers", "2", "--tokens", "0.06", "--threads", "1"])
    assert not ended.value.code
    assert "mine-v1@" in capfd.readouterr().err
    with pytest.raises(SystemExit) as ended:
        main(["evaluate", "--model", str(out), "--data", str(data), "--pairs", pairs, "--share", "0.9"])
    assert not ended.value.code
    metrics = orjson.loads((out / "metrics.json").read_bytes())
    assert "|model:mine-v1@" in metrics["signature"]
    unseen = {row["group"] for row in read_rows(data, "articles_dev") if bucket(row["group"]) >= CALIBRATED}
    seen = sum(row["n"] for name, row in metrics["quality below 50"].items() if name.startswith("wmt2021"))
    assert seen == 2 * sum(not group.startswith("devnews") for group in unseen)
    assert metrics["much edited"]["all pairs"]["value"] > 0.5
    assert set(metrics["sentences within articles"]) == set(metrics["round trips"])
    capfd.readouterr()
    (tmp_path / "article.txt").write_text("The mayor refused the proposal in Oslo on Monday. " * 9)
    with pytest.raises(SystemExit) as ended:
        main(["score", "--model", str(out), "--format", "jsonl", str(tmp_path / "article.txt")])
    assert not ended.value.code
    assert "mine-v1@" in orjson.loads(capfd.readouterr().out)["signature"]


def test_errors_of_the_command_line(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "weights.npz").write_bytes(b"a fast model")
    for options, message in (
        (["--data", str(data), "-o", str(tmp_path / "full")], "is no model of this kind"),
        (["--base", "fast", "-o", str(tmp_path / "new")], "adapts fast models only"),
        (["--data", str(data), "-o", str(tmp_path / "new")], "two pivots"),
        (["--data", str(data), "-o", str(tmp_path / "new"), "--layers", "0"], "layers"),
    ):
        with pytest.raises(SystemExit) as ended:
            main(["train", "accurate", *options])
        assert ended.value.code == 2
        assert message in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["full"]
    with pytest.raises(SystemExit) as ended:
        main(["train", "fast", "--data", str(data), "-o", str(tmp_path / "new"), "--layers", "2"])
    assert ended.value.code == 2
    assert "are for accurate" in capsys.readouterr().err


GARBLED = (
    "The mayor realized the postponement of the meeting in Oslo last week. A nurse refused the proposal on Monday."
)


def test_alone_and_beside_others_the_scores_are_the_same(model: tuple[Path, AccurateClassifier], graph: str) -> None:
    detector = Detector.from_pretrained(model[0])
    texts = [GARBLED * 2, "Too short.", "", *(" ".join(part * 2) for part in articles(6))]
    together = list(detector.score_many(texts))
    assert together == [detector.score(text) for text in texts]
    assert together[::-1] == list(detector.score_many(texts[::-1]))


def test_neighbours_are_context(model: tuple[Path, AccurateClassifier]) -> None:
    _, found = model
    one, other = (found.encoder.read([[before, "He hits."]])[0][:, 1] for before in (GARBLED, "Rain fell on Oslo."))
    assert np.abs(one - other).max() > 1e-3
    apart = found.encoder.read([[GARBLED], ["He hits."]])[0][:, 1]
    assert np.array_equal(apart, found.encoder.read([["He hits."]])[0][:, 0])


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.sampled_from([*GARBLED.split(), *"é 库 “No ” İ ﬁ 0 … ﷺ 👩‍👩‍👧".split(), "\u200b", "\n"]), max_size=60)
)
def test_offsets_index_the_text(model: tuple[Path, AccurateClassifier], words: list[str]) -> None:
    text = " ".join(words)
    for one in Detector(model[1]).score(text).sentences:
        assert text[one.start : one.end] == one.text
        for item in one.evidence:
            if item.source == "model":
                assert one.start <= item.start < item.end <= one.end


@pytest.mark.parametrize(
    ("text", "tokens", "garbled", "found"),
    [
        # a token may begin with a space, or be a part of a word; what is no word is not marked
        ("He did to know; that.", [0, 2, 6, 9, 12, 14, 15, 20], {1, 3, 5}, ["did", "know"]),
        ("It pays 5,000 readers.", [0, 2, 7, 9, 10, 13, 21], {1, 2, 4}, ["pays 5,000"]),
        ("It pays 5,000 readers.", [0, 2, 7, 9, 10, 13, 21], {3, 5}, ["5,000", "readers"]),
        ("A well-known man’s aim.", [0, 1, 6, 7, 12, 16, 18, 23], {1, 5}, ["well-known", "man’s"]),
        ("No, that is all.", [0, 2, 3, 8, 11, 16], {0}, ["No"]),
    ],
)
def test_spans_are_whole_words(text: str, tokens: list[int], garbled: set[int], found: list[str]) -> None:
    marks = Marks(
        np.array(tokens[:-1], np.int32),
        np.array(tokens[1:], np.int32),
        np.array([1.0 if i in garbled else -9.0 for i in range(len(tokens) - 1)], np.float32),
        np.zeros((len(tokens) - 1, len(SPAN_KINDS)), np.float32),
    )
    assert [text[a:b] for a, b, _ in spans(text, marks, 0.0)] == found
    assert spans(text, marks, 2.0) == []


@pytest.mark.parametrize(("words", "limit"), [(2000, -1.9), (20, 0.6)])
def test_of_limits_that_agree_alike_with_people_the_lowest_counts(words: int, limit: float) -> None:
    """Below .6 a word that people left alone is shown, too: of many words that is nothing, of few it is much."""
    starts = np.arange(words, dtype=np.int32) * 5
    garbled = np.where(np.arange(words) % 2, -2.0, 1.0).astype(np.float32)
    garbled[1] = 0.5
    marks = Marks(starts, starts + 4, garbled, np.zeros((words, len(SPAN_KINDS)), np.float32))

    class Reads:
        def read(self, articles: Any) -> Any:
            return None, [marks]

    wrong = [{"start": start, "end": start + 4} for start in starts[::2].tolist()]
    row = {"source": "people", "text": "word " * words, "spans": wrong}
    assert _span_limit(Reads(), [row], lambda line: None) == limit  # type: ignore[arg-type]


def test_the_cascade_asks_only_where_fast_is_uncertain(model: tuple[Path, AccurateClassifier]) -> None:
    texts = [" ".join(part * 3) for part in articles(12)] + ["Too short."]
    fast = Detector(model[1].fast)
    scores = [article.mt_score for article in fast.score_many(texts) if article.mt_score is not None]
    limits = {"clean": 0.0, "human": sorted(scores)[len(scores) // 2], "garbled": 0.0}
    classifier = replace(model[1], config=model[1].config | {"cascade": limits})
    accurate = Detector(classifier)
    cascade = Detector(classifier, cascade=True)
    asked = 0
    for text, found, by_fast in zip(texts, cascade.score_many(texts), fast.score_many(texts), strict=True):
        expected = accurate.score(text) if uncertain(by_fast, limits) else by_fast
        asked += uncertain(by_fast, limits)
        assert found == replace(expected, signature=found.signature)
        assert "|model:cascade:fast-v4@" in found.signature
    assert 0 < asked < len(texts)


@pytest.mark.parametrize(
    ("quality", "mt_score", "asks"),
    [(90.0, 0.1, False), (90.0, 0.8, True), (60.0, 0.1, True), (1.0, 0.9, False), (None, None, False)],
)
def test_uncertain(detector: Detector, quality: float | None, mt_score: float | None, asks: bool) -> None:
    article = replace(detector.score(GARBLED), quality=quality, mt_score=mt_score)
    assert uncertain(article, {"clean": 80.0, "human": 0.5, "garbled": 5.0}) is asks


def copied(folder: Path, target: Path) -> Path:
    target.mkdir()
    for name in (*FILES, "config.json"):
        shutil.copy(folder / name, target)
    return target


@pytest.mark.parametrize("name", FILES)
def test_damaged_missing_and_linked_files_are_one_line(
    model: tuple[Path, AccurateClassifier], tmp_path: Path, name: str
) -> None:
    folder = copied(model[0], tmp_path / "model")
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(ModelError, match="does not match its checksum"):
        AccurateClassifier.load(folder)
    (folder / name).unlink()
    with pytest.raises(ModelError, match="cannot read the model"):
        AccurateClassifier.load(folder)
    (folder / name).symlink_to(model[0] / name)
    with pytest.raises(ModelError, match="is a link"):
        AccurateClassifier.load(folder)


def rewritten(folder: Path, **changes: object) -> None:
    config = orjson.loads((folder / "config.json").read_bytes())
    config["mtdetect"] |= changes
    (folder / "config.json").write_bytes(orjson.dumps(config))


def test_configurations_of_another_shape_are_one_line(model: tuple[Path, AccurateClassifier], tmp_path: Path) -> None:
    folder = copied(model[0], tmp_path / "model")
    good = (folder / "config.json").read_bytes()
    for damage in (b"{", b"[]", b"{}", b'{"mtdetect": 3}', good.replace(b'"blend"', b'"blond"')):
        (folder / "config.json").write_bytes(damage)
        with pytest.raises(ModelError, match=r"configuration|that of an accurate"):
            AccurateClassifier.load(folder)
    (folder / "config.json").write_bytes(good)
    blend = model[1].config["blend"]
    for changes in (
        {"encoder": {"cased": True}}, {"encoder": {"cased": 1, "separator": 3}}, {"frozen": 1.5}, {"blend": {}},
        {"blend": blend | {"style": [1.0]}}, {"blend": blend | {"style": blend["garble"]}},
        {"blend": blend | {"sentence": 3}}, {"spans": {}}, {"cascade": {"clean": 80}},
    ):  # fmt: skip
        rewritten(folder, **changes)
        with pytest.raises(ModelError, match="that of an accurate model"):
            AccurateClassifier.load(folder)
        (folder / "config.json").write_bytes(good)
    rewritten(folder, fast="fast-v4@00000000")
    with pytest.raises(ModelError, match="goes with the linear model fast-v4@00000000"):
        AccurateClassifier.load(folder)


def test_a_graph_that_is_none_or_reads_other_files_is_refused(
    model: tuple[Path, AccurateClassifier], tmp_path: Path, graph: str
) -> None:
    folder = copied(model[0], tmp_path / "model")
    sums = orjson.loads((folder / "config.json").read_bytes())["mtdetect"]["checksums"]
    (tmp_path / "outside.bin123").write_bytes((folder / "model.safetensors").read_bytes())
    good = (folder / graph).read_bytes()
    for damaged in (b"", b"nonsense", good.replace(b"model.safetensors", b"../outside.bin123")):
        (folder / graph).write_bytes(damaged)
        rewritten(folder, checksums=sums | {graph: hashlib.sha256(damaged).hexdigest()})
        with pytest.raises(ModelError, match="cannot use the encoder"):
            AccurateClassifier.load(folder)


def test_without_the_libraries_it_says_what_to_install(
    model: tuple[Path, AccurateClassifier], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ModelError, match=r"pip install 'mtdetect\[accurate\]'"):
        Detector.from_pretrained(model[0])


def test_inference_needs_neither_torch_nor_transformers(model: tuple[Path, AccurateClassifier]) -> None:
    code = (
        f"import sys, mtdetect; d = mtdetect.Detector.from_pretrained({str(model[0])!r});"
        f" assert d.score({GARBLED!r}).n_sentences == 2;"
        " assert not {'torch', 'transformers', 'sklearn', 'scipy', 'onnx'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
