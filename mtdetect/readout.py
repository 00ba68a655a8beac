"""What the frozen layers of a transformer tell of style: a linear function of all of them, fitted after the training.

Fine-tuning for style learns the systems of its data by heart, and unlearns what a language model knows of others. In
layers that stay as they are, a convex fit with a strong penalty finds that (a linear probe, Belinkov 2022).
"""

from __future__ import annotations

import hashlib
import random
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from mtdetect.encoder import Window, tokenised, windows
from mtdetect.examples import Article
from mtdetect.finetune import Reader
from mtdetect.start import Start, has_bfloat16, stack_of

__all__ = ["read_out"]

_VERSIONS = 4  # of a document, by machines and by people each
_BATCH = 1536  # tokens
_C = 0.003
_FILE = "layers-"
F64 = NDArray[np.float64]


def read_out(
    model: Reader, start: Start, articles: Sequence[Article], seed: int, folder: Path, log: Callable[[str], None]
) -> None:
    """Fit the readout of a reader: what tells the machine's versions of documents from people's, by sentences.

    Parameters
    ----------
    model : Reader
        With frozen layers; without, nothing happens.
    start : Start
        What it started from.
    articles : sequence of Article
        What it learned from. Of each document that systems of today translated (of all, where none did) it reads some
        versions, of each version the first window: more of older systems adds nothing.
    seed : int
        Of the choice.
    folder : Path
        For a file of what was read, removed at the end: what is killed goes on from there.
    log : callable
        Called with a line from time to time.
    """
    styled = [article for article in articles if not np.isnan(article.style)]
    styled, weights = _chosen([article for article in styled if article.today] or styled, random.Random(seed))
    if not model.frozen or not styled:
        return
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    parts = []
    for article in styled:
        tokens = tokenised(start.tokenizer, article.sentences, cased=start.cased)
        parts.append(next(windows([tokens], start.separator)))
    sizes = np.array([len(part.first) - 1 for part in parts])
    features = np.array(_read(model, parts, folder, log), np.float32)
    target, weight = (np.repeat(values, sizes) for values in ([one.style for one in styled], weights / sizes))
    mean, spread = features.mean(axis=0), features.std(axis=0)
    spread[spread < 1e-6] = np.inf
    features -= mean
    features /= spread
    fit = LogisticRegression(C=_C, max_iter=200)
    with threadpool_limits(limits=torch.get_num_threads()), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # what so many steps leave to gain is little
        fit.fit(features, target.astype(np.float32), sample_weight=weight / weight.mean())
    shipped = torch.from_numpy(fit.coef_ / spread).half().float()
    model.readout = torch.nn.Linear(features.shape[1], 1)
    with torch.no_grad():
        model.readout.weight.copy_(shipped)
        model.readout.bias.fill_(float(fit.intercept_[0]) - float(shipped[0].double().numpy() @ mean))
    log(f"frozen layers: {len(features)} sentences of {len(styled)} articles, {features.shape[1]} features")
    _remove(folder)


def _chosen(articles: Sequence[Article], rng: random.Random) -> tuple[list[Article], F64]:
    """Return some versions of each document, and their weights: those of all versions, shared among them."""
    sides: dict[tuple[str, float], list[Article]] = {}
    for article in articles:
        sides.setdefault((article.group, article.style), []).append(article)
    found: list[Article] = []
    weights: list[float] = []
    for same in sides.values():
        chosen = rng.sample(same, min(_VERSIONS, len(same)))
        found += chosen
        weights += [sum(article.weight for article in same) / len(chosen)] * len(chosen)
    return found, np.array(weights)


def _read(model: Reader, parts: Sequence[Window], folder: Path, log: Callable[[str], None]) -> NDArray[np.float16]:
    """Return the means of what is read of the layers, for each sentence a row; in a file, to go on with."""
    digest = hashlib.sha256(b"".join(part.ids.tobytes() for part in parts))
    fixed = [model.backbone.get_input_embeddings(), *stack_of(model.backbone)[: model.frozen]]
    for value in (value for part in fixed for value in part.parameters()):
        digest.update(value.detach().cpu().numpy().tobytes())
    file = folder / f"{_FILE}{digest.hexdigest()[:16]}.npy"
    if not file.exists():
        _remove(folder)
    ends = np.cumsum([len(part.first) - 1 for part in parts])
    width = next(_means(model, parts[:1])).shape[1]
    table = np.lib.format.open_memmap(file, "r+" if file.exists() else "w+", np.float16, (int(ends[-1]), width))
    order = sorted(range(len(parts)), key=lambda i: len(parts[i].ids))
    total = sum(len(part.ids) for part in parts)
    told = time.monotonic()
    while order:
        batch = [order.pop() for _ in range(max(1, min(len(order), _BATCH // len(parts[order[-1]].ids))))]
        rows = [slice(ends[i] - len(parts[i].first) + 1, ends[i]) for i in batch]
        if not all(table[row].any(axis=1).all() for row in rows):
            for row, means in zip(rows, _means(model, [parts[i] for i in batch]), strict=True):
                table[row] = means
        if time.monotonic() - told > 60:
            done = total - sum(len(parts[i].ids) for i in order)
            log(f"reading frozen layers: {done / 1e6:.2f} of {total / 1e6:.2f} million tokens")
            told = time.monotonic()
    return table


def _means(model: Reader, parts: Sequence[Window]) -> Iterator[F64]:
    """Return for each window the means over its sentences, (n_sentences, width)."""
    device = next(model.parameters()).device
    ids = np.zeros((len(parts), max(len(part.ids) for part in parts)), np.int64)
    mask = np.zeros_like(ids)
    for row, part in enumerate(parts):
        ids[row, : len(part.ids)], mask[row, : len(part.ids)] = part.ids, 1
    with torch.no_grad(), torch.autocast(device.type, dtype=torch.bfloat16, enabled=has_bfloat16(device.type)):
        read, _ = model.read_layers(torch.from_numpy(ids).to(device), torch.from_numpy(mask).to(device))
    outputs = torch.cat([part.float() for part in read], dim=-1).cpu().numpy()
    for row, part in enumerate(parts):
        sums = np.add.reduceat(outputs[row, : len(part.ids)], part.first[:-1], axis=0, dtype=np.float64)
        yield sums / np.diff(part.first)[:, None]


def _remove(folder: Path) -> None:
    for path in folder.glob(f"{_FILE}*.npy"):
        path.unlink()
