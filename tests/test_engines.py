from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
from pyarrow import parquet

from mtdetect.engines import Apertium, EngineError, Marian, _BrokenError, engines_of

apertium = pytest.mark.skipif(
    shutil.which("apertium-wblank-mode") is None or not Path("/usr/share/apertium/modes/eng-spa.mode").is_file(),
    reason="apertium and apertium-eng-spa are not installed",
)
CLEAN = Path(__file__).parents[1] / "notebooks" / "articles" / "clean"
HOSTILE = [
    "Dogs bark at night.",
    "Dogs [bark] at ^night$ {x} / \\ @ <b>.",
    "",
    "   ",
    "two\nlines\r\nand\u2028more",
    "a\0nul",
    "🙂 👩‍👩‍👧 é é \u202e ﷽",
    "[][\n]",
    "[0]",
    "[7]seven[7]",
    "\\",
    "\\[3\\]",
    "^a/b<n>$",
    "[[t:b:123]]word[[/]]",
    "<STREAMCMD:FLUSH>",
    "* # + _ = & | ` %",
    "\ufeff\ud800",  # half of a pair
    "word " * 1000,
    "x" * 20_000,
    "It’s “fine”, isn't it?",
    "Dogs bark at night.",
]


@pytest.fixture(scope="module", params=["spa", "cat", "glg", "epo", "hbs"])
def pivot(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def spanish() -> Iterator[Apertium]:
    engine = Apertium("spa", into_english=False, timeout=20)
    yield engine
    engine.close()


@apertium
class TestApertium:
    @pytest.mark.parametrize("into_english", [False, True])
    def test_hostile_lines(self, pivot: str, into_english: bool) -> None:
        try:
            engine = Apertium(pivot, into_english=into_english)
        except EngineError as error:
            pytest.skip(str(error))
        answers = engine.translate(HOSTILE)
        again = engine.translate(HOSTILE)
        engine.close()
        assert len(answers) == len(HOSTILE)
        assert answers == again
        assert None not in answers
        by_line = dict(zip(HOSTILE, answers, strict=True))
        assert by_line[""] == "" and not (by_line["   "] or "").strip()
        assert by_line["[0]"] == "[0]" and by_line["\\"] == "\\" and by_line["\\[3\\]"] == "\\[3\\]"
        for line, answer in by_line.items():
            assert answer is not None and not {"\n", "\r", "\0", "\u2028"} & set(answer)
            assert answer.count("[") == line.count("[") or "'" in line  # en-eo puts some apostrophes in brackets
        assert not into_english or "ark" in (answers[0] or "")

    def test_counts_and_order(self, spanish: Apertium) -> None:
        answers = spanish.translate([f"The {number} dogs bark." for number in range(3000)])
        assert [answer and answer.split()[1] for answer in answers] == [str(number) for number in range(3000)]
        assert spanish.translate([]) == []

    def test_version(self, spanish: Apertium) -> None:
        assert spanish.version.startswith("eng-spa ")

    def test_starts_again_after_death(self, spanish: Apertium) -> None:
        first = spanish.translate(["The dogs bark."])
        assert spanish._process is not None
        os.killpg(spanish._process.pid, signal.SIGKILL)
        spanish._process.wait()
        assert spanish._exchange(["The dogs bark."]) == first
        spanish.close()
        assert spanish.translate(["The dogs bark."]) == first

    def test_starts_again_after_hanging(self, spanish: Apertium) -> None:
        lines = [f"The {number} dogs bark." for number in range(20)]
        first = spanish.translate(lines)
        spanish.timeout = 4  # starting takes a second on a busy machine
        assert spanish._process is not None
        os.killpg(spanish._process.pid, signal.SIGSTOP)
        with pytest.raises(_BrokenError):
            spanish._exchange(lines)
        assert spanish._exchange(lines) == first

    def test_what_came_before_changes_nothing(self, spanish: Apertium) -> None:
        lines = [line for path in sorted(CLEAN.glob("*.txt")) for line in path.read_text("utf-8").split("\n") if line]
        first = spanish.translate(lines[:20])
        spanish.translate(lines[20:])
        assert spanish.translate(lines[:20]) == first

    def test_killed_and_stopped_at_work(self, spanish: Apertium) -> None:
        lines = [f"The {number} dogs bark." for number in range(2000)]
        first = spanish.translate(lines)
        spanish.timeout = 4  # starting takes a second on a busy machine
        for kind in (signal.SIGKILL, signal.SIGSTOP):

            def strike(kind: signal.Signals = kind) -> None:
                if spanish._process is not None:
                    os.killpg(spanish._process.pid, kind)

            timer = threading.Timer(0.25, strike)
            timer.start()
            assert spanish.translate(lines) == first
            timer.join()

    def test_a_bad_line_costs_itself_only(self, spanish: Apertium, monkeypatch: pytest.MonkeyPatch) -> None:
        # the real pipe, behind a reader that stops reading for ever at one word
        script = (
            "import os, signal, sys\n"
            "while chunk := os.read(0, 65536):\n"
            "    if b'poison' in chunk: signal.pause()\n"
            "    os.write(1, chunk)\n"
        )
        monkeypatch.setenv("SCRIPT", script)
        spanish._pipe = f'python3 -c "$SCRIPT" | {spanish._pipe}'
        spanish.timeout = 4  # starting takes a second on a busy machine
        lines = [f"The {number} dogs bark." for number in range(20)]
        expected = spanish.translate(lines)
        begin = time.monotonic()
        answers = spanish.translate([*lines[:10], "It is poison.", *lines[10:]])
        assert answers == [*expected[:10], None, *expected[10:]]
        assert time.monotonic() - begin < 2 * spanish.timeout + 8

    def test_a_line_that_kills_it(self) -> None:
        if not Path("/usr/share/apertium/modes/eng-cat.mode").is_file():
            pytest.skip("apertium-eng-cat is not installed")
        engine = Apertium("cat", into_english=False, timeout=4)
        first = engine.translate(["The dogs bark."])
        # eng-cat 1.0.1 hangs or dies of it
        answers = engine.translate(["The dogs bark.", "The prices are either fading or rising.", "The dogs bark."])
        assert [*answers[:1], *answers[2:]] == first * 2
        engine.close()

    def test_missing_pair(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("APERTIUM_DATADIR", str(tmp_path))
        with pytest.raises(EngineError, match=r"Apertium has no eng-spa in .*: apt-get install apertium-eng-spa"):
            Apertium("spa", into_english=False)
        modes = tmp_path / "modes"
        modes.mkdir()
        (modes / "isl-eng.mode").touch()
        with pytest.raises(EngineError, match=r"apertium-isl-eng translates into English only.*--one-way"):
            Apertium("isl", into_english=False)


def test_unknown_pivot() -> None:
    with pytest.raises(EngineError, match="no Apertium pair for pivot 'tlh': choose from cat, epo, glg"):
        engines_of("apertium", "tlh")


def test_no_apertium(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(EngineError, match="not installed: apt-get install apertium apertium-eng-cat"):
        engines_of("apertium", "cat")


def test_no_engine() -> None:
    assert engines_of("none", "none") == ()


def make_model(folder: Path, seed: int) -> Path:
    """Save a Marian model of random weights, with vocabularies of its own."""
    sentencepiece = pytest.importorskip("sentencepiece", reason="sentencepiece is not installed")
    torch = pytest.importorskip("torch", reason="torch is not installed")
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    pytest.importorskip("sacremoses", reason="sacremoses is not installed")
    folder.mkdir()
    rng = random.Random(seed)
    words = ["".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randint(2, 8))) for _ in range(300)]
    corpus = [" ".join(rng.choices(words, k=8)).capitalize() + "." for _ in range(300)]
    for side in ("source", "target"):
        with (folder / f"{side}.spm").open("wb") as file:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=iter(corpus), model_writer=file, vocab_size=150, hard_vocab_limit=False, minloglevel=2
            )
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(folder / "source.spm"))
    names = [pieces.id_to_piece(i) for i in range(pieces.get_piece_size())]
    names = ["</s>", "<unk>", *(name for name in names if name not in ("<s>", "</s>", "<unk>")), "<pad>"]
    (folder / "vocab.json").write_bytes(orjson.dumps({name: i for i, name in enumerate(names)}))
    files = {f"{side}_spm": str(folder / f"{side}.spm") for side in ("source", "target")}
    transformers.MarianTokenizer(**files, vocab=str(folder / "vocab.json")).save_pretrained(folder)
    torch.manual_seed(seed)
    torch.set_num_threads(1)  # so small that threads would only wait for each other
    sizes = {
        f"{side}_{name}": size
        for side in ("encoder", "decoder")
        for name, size in (("layers", 1), ("attention_heads", 2), ("ffn_dim", 64))
    }
    pad = len(names) - 1
    config = transformers.MarianConfig(
        vocab_size=len(names), d_model=32, max_position_embeddings=24, pad_token_id=pad, decoder_start_token_id=pad,
        eos_token_id=0, forced_eos_token_id=0, bad_words_ids=[[pad]], init_std=0.5, **sizes,
    )  # fmt: skip
    transformers.utils.logging.disable_progress_bar()
    transformers.MarianMTModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("marian")
    return make_model(folder / "there", 1), make_model(folder / "back", 2)


class TestMarian:
    def test_round_trip(self, models: tuple[Path, Path]) -> None:
        engines = engines_of("marian", "ar", there=str(models[0]), back=str(models[1]))
        lines = [
            "The dogs bark.",
            "",
            "🙂",
            "A much longer line, which goes on and on.",
            "word " * 500,
            "The dogs bark.",
        ]
        texts: list[str | None] = list(lines)
        for engine in engines:
            texts = engine.translate([text or "" for text in texts])
            assert len(texts) == len(lines) and texts[1] == "" and texts[0] == texts[-1]
            assert all(text != line for text, line in zip(texts, lines, strict=True) if line)
            engine.close()
        assert [engine.version.split("@")[0] for engine in engines] == [str(model) for model in models]

    def test_one_way(self, models: tuple[Path, Path]) -> None:
        (engine,) = engines_of("marian", "ar", there=str(models[0]), back=str(models[1]), one_way=True)
        assert engine.version.startswith(str(models[1]))

    def test_batches_change_nothing(self, models: tuple[Path, Path]) -> None:
        # of one length: padding may round differently in bfloat16
        lines = [f"{a} {b}" for a in ("ab", "cd") for b in ("gh", "ij", "kl", "mn")]
        one_by_one, at_once = (Marian(str(models[0]), batch_tokens=size) for size in (1, 100_000))
        lengths = [len(at_once._tokens([line])["input_ids"][0]) for line in lines]
        same_length = [
            line for line, length in zip(lines, lengths, strict=True) if length == max(lengths, key=lengths.count)
        ]
        assert len(same_length) > 3
        answers = at_once.translate(same_length)
        assert len(set(answers)) > 1
        assert one_by_one.translate(same_length) == answers
        mixed = [line * (1 + i % 5) for i, line in enumerate(lines)]
        assert at_once.translate(mixed) == at_once.translate(mixed)
        assert at_once.translate([]) == []

    def test_command(self, models: tuple[Path, Path], tmp_path: Path) -> None:
        command = "from mtdetect.cli import main; main()"
        args = ["--engine", "marian", "--pivot", "ar", "--there", models[0], "--back", models[1], "--workers", "2"]
        clean = tmp_path / "clean.txt"
        clean.write_text("The dogs bark. It is late.\n\nNobody sleeps.\n")
        result = subprocess.run(
            [sys.executable, "-c", command, "roundtrip", clean, "-o", tmp_path / "pairs.parquet", *args],
            env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert result.returncode == 0, result.stderr
        assert len(result.stderr.splitlines()) == 1 and "2 pairs, 8 words" in result.stderr
        rows = parquet.read_table(tmp_path / "pairs.parquet").to_pylist()
        assert [len(row["mt_sentences"]) for row in rows] == [2, 1]
        assert rows[0]["engine"] == "marian" and rows[0]["engine_version"].count("@local") == 2

    def test_missing_model(self, tmp_path: Path) -> None:
        pytest.importorskip("transformers", reason="transformers is not installed")
        pytest.importorskip("torch", reason="torch is not installed")
        with pytest.raises(EngineError, match=r"cannot load the Marian model '.*empty': "):
            Marian(str(tmp_path / "empty"))

    def test_missing_packages(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "torch", None)
        with pytest.raises(EngineError, match=r"Marian needs torch: pip install 'mtdetect\[marian\]'"):
            Marian("anything")
