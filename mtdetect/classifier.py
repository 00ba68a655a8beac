"""The `fast` classifier: linear weights over hashed n-grams, as plain arrays; numpy at inference."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from mtdetect.features import CHAR_KINDS, TOKEN_KINDS, Grams, extract
from mtdetect.types import ModelError, OperatingPoint

__all__ = [
    "CELLS",
    "FAMILIAR_KINDS",
    "HEADS",
    "LENGTH_POWER",
    "FastClassifier",
    "ModelError",
    "article_features",
    "article_mt_features",
    "char_slot",
    "familiar_level",
    "familiar_slot",
    "file_bytes",
    "is_configuration",
    "model_folder",
    "points_of",
    "said_first",
    "sentence_weights",
    "sigmoid",
    "slot",
]

HEADS = ("style", "roundtrip", "quality", "garble")
"""What the weights are for.

``style``: machine against human versions of translated news. ``roundtrip``: the same, and round trips against their
originals. ``quality``: human judgement. ``garble``: round trips against originals and human translations.
"""
_LONG, _HEADLINE = 24, 14  # tokens of a sentence, its two ends among them
_PRIOR = 100
_CLOSING, _STOPS = "\"'”’)»] \t\r\n\u00a0\u200b", tuple(".!?…")
LENGTH_POWER = {"style": 0.25, "roundtrip": 0.25, "quality": 0.5, "garble": 0.25}
"""Counts of n-grams are divided by this power of the number of tokens: evidence grows with length, but slowly."""
FAMILIAR_KINDS = ("word1", "word2", "word3")
_LEVELS = 9
CELLS = _LEVELS + 2 * _LEVELS**3
"""How familiar a word is; a pair of words, given each of them; three words, given both pairs in them."""
SLOT_BITS, FAMILIAR_BITS, CHAR_BITS, _ROW_BITS = 21, 23, 17, 20
_ARRAYS = {
    "keys": np.uint32,
    "weights": np.float16,
    "chars": np.float16,
    "familiar": np.uint8,
    "cells": np.float32,
    "rules": np.float32,
    "spun_starts": np.uint32,
    "spun": np.uint64,
}
_CONFIG: dict[str, type] = {
    "format": int,
    "name": str,
    "rules": list,
    "mt": dict,
    "quality": dict,
    "operating_points": dict,
    "training": dict,
    "checksums": dict,
}
_FORMAT = 3
_NAMES = {"fast": "fast-v4", "accurate": "accurate-v7", "cascade": "accurate-v7"}
_MAX_BYTES = 200_000_000  # of the arrays, unpacked

F64 = NDArray[np.float64]
U32 = NDArray[np.uint32]


def model_folder(name: str | Path) -> Path:
    """Return the folder of a model.

    Parameters
    ----------
    name : str or Path
        ``"fast"``, the name of a shipped model such as ``"fast-v4"``, or a folder.

    Raises
    ------
    ModelError
        If there is no such model; the message says what was looked for, and where.
    """
    package = Path(__file__).parent
    places = [Path(name), *(root / "models" / _NAMES.get(str(name), name) for root in (package, package.parent))]
    for place in places:
        if (place / "config.json").is_file():
            return place
    raise ModelError(f"no model {str(name)!r}: no config.json in {', '.join(dict.fromkeys(map(str, places)))}")


def file_bytes(path: Path) -> bytes:
    """Return what a file of a model folder holds; `ModelError` if it is missing, or a link to another place."""
    if path.is_symlink():
        raise ModelError(f"{path} is a link: a model folder holds its files itself")
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelError(f"cannot read the model in {path.parent}: {error.strerror}: {error.filename}") from error


def is_configuration(config: Any, version: int, kinds: Mapping[str, type]) -> bool:
    """Return whether this is an object of this format that has these keys and no others, each of its type."""
    return (
        isinstance(config, dict)
        and config.get("format") == version
        and set(config) == set(kinds)
        and all(isinstance(config[name], kind) for name, kind in kinds.items())
    )


def slot(keys: U32) -> U32:
    """Return the place of each key in the table of weights."""
    return keys >> np.uint32(32 - SLOT_BITS)


def char_slot(keys: U32) -> U32:
    """Return the place of each key in the table of character n-grams."""
    return keys >> np.uint32(32 - CHAR_BITS)


def familiar_level(kind: str, counts: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return the level of familiarity of n-grams by their counts in clean news: 0 for unseen, then a logarithm."""
    base = 4 if kind == "word1" else 2
    level: NDArray[np.uint8] = np.minimum(np.log2(counts + 1.0) / np.log2(base), _LEVELS - 1).astype(np.uint8)
    return level


def familiar_slot(keys: U32) -> tuple[U32, NDArray[np.uint8]]:
    """Return the place of each key in the table of familiarity, and its check bits (the low four bits are 0)."""
    return keys >> np.uint32(32 - FAMILIAR_BITS), (keys << np.uint32(4)).astype(np.uint8)


def points_of(config: Mapping[str, Any]) -> dict[str, OperatingPoint]:
    """Return the operating points of a configuration by name, strictest first."""
    stored = config["operating_points"].items()
    points = [OperatingPoint(name, point["sentence"], point["article"]) for name, point in stored]
    return {point.name: point for point in sorted(points, key=lambda point: -point.sentence)}


@dataclass(frozen=True)
class FastClassifier:
    """Linear weights with their calibration.

    Parameters
    ----------
    config : dict
        Contents of ``config.json``: calibration, operating points, provenance.
    arrays : dict of str to ndarray
        ``keys`` (n_features,), hashes of the n-grams that have a weight; ``weights`` (n_features, 4), a column for
        each of `HEADS`; ``chars`` (2 ** 17, 4), the same for character n-grams; ``familiar`` (2 ** 23,), how often
        clean news uses an n-gram; ``cells`` (`CELLS`, 4), weights of that familiarity; ``rules`` (n_rules, 4),
        weights of rule evidence; ``spun_starts`` and ``spun``, hashes of tortured phrases, sorted.
    digest : str
        First eight hexadecimal digits of the SHA-256 of ``config.json``, which holds that of the weights.
    """

    config: dict[str, Any]
    arrays: dict[str, NDArray[Any]]
    digest: str = "unsaved"

    @classmethod
    def load(cls, folder: Path) -> FastClassifier:
        """Read a model folder; nothing in it is ever executed.

        Raises
        ------
        ModelError
            If a file is missing, a link, damaged, of another format, or does not match its checksum.
        """
        described, data = (file_bytes(folder / name) for name in ("config.json", "weights.npz"))
        try:
            config = orjson.loads(described)
        except orjson.JSONDecodeError as error:
            raise ModelError(f"{folder / 'config.json'} is not JSON: {error}") from error
        if not is_configuration(config, _FORMAT, _CONFIG):
            raise ModelError(f"{folder / 'config.json'} is not the configuration of a fast model, format {_FORMAT}")
        if config["checksums"] != {"weights.npz": hashlib.sha256(data).hexdigest()}:
            raise ModelError(f"{folder / 'weights.npz'} does not match its checksum in config.json")
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as packed:
                if sum(item.file_size for item in packed.infolist()) > _MAX_BYTES:
                    raise ModelError(f"{folder / 'weights.npz'} is too large: more than {_MAX_BYTES} bytes")
            with np.load(io.BytesIO(data), allow_pickle=False) as stored:
                arrays = {name: stored[name] for name in stored.files}
        except ModelError:
            raise
        except Exception as error:  # zipfile, its ways to pack and numpy each raise their own
            raise ModelError(f"{folder / 'weights.npz'} is damaged: {error}") from error
        if {name: array.dtype for name, array in arrays.items()} != _ARRAYS:
            raise ModelError(f"{folder / 'weights.npz'} does not hold the arrays {', '.join(_ARRAYS)}")
        n, heads = len(arrays["keys"]), len(HEADS)
        shapes: dict[str, tuple[int, ...]] = {
            "keys": (n,),
            "weights": (n, heads),
            "chars": (1 << CHAR_BITS, heads),
            "familiar": (1 << FAMILIAR_BITS,),
            "cells": (CELLS, heads),
            "rules": (len(config["rules"]), heads),
            "spun_starts": (len(arrays["spun_starts"]),),
            "spun": (len(arrays["spun"]),),
        }
        wrong = [name for name, shape in shapes.items() if arrays[name].shape != shape]
        if wrong or n >= 1 << _ROW_BITS:
            raise ModelError(f"{folder / 'weights.npz'} holds arrays of another shape: {', '.join(wrong or ['keys'])}")
        return cls(config, arrays, hashlib.sha256(described).hexdigest()[:8])

    def save(self, folder: Path) -> FastClassifier:
        """Write ``weights.npz`` and ``config.json``; return the classifier as it will be loaded."""
        folder.mkdir(parents=True, exist_ok=True)
        arrays: dict[str, Any] = {name: self.arrays[name] for name in _ARRAYS}  # to be told from savez's own options
        np.savez(folder / "weights.npz", **arrays)
        digest = hashlib.sha256((folder / "weights.npz").read_bytes()).hexdigest()
        config = self.config | {"format": _FORMAT, "checksums": {"weights.npz": digest}}
        options = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE
        (folder / "config.json").write_bytes(orjson.dumps(config, option=options))
        return FastClassifier.load(folder)

    @cached_property
    def points(self) -> dict[str, OperatingPoint]:
        """Operating points by name, strictest first."""
        return points_of(self.config)

    @cached_property
    def _slots(self) -> U32:
        # a slot holds the row of the weights and, as a check, the bits of the key that the place does not tell
        keys = self.arrays["keys"]
        slots = np.zeros(1 << SLOT_BITS, np.uint32)
        rest = keys & np.uint32((1 << (32 - SLOT_BITS)) - 1)
        slots[slot(keys)] = (rest << np.uint32(_ROW_BITS)) | np.arange(1, len(keys) + 1, dtype=np.uint32)
        return slots

    @cached_property
    def _weights(self) -> NDArray[np.complex64]:
        # two heads in one number: one look-up and one sum for the two
        weights = self.arrays["weights"].astype(np.float32).view(np.complex64)
        return np.vstack([np.zeros((1, 2), np.complex64), weights]).T.copy()

    @cached_property
    def _chars(self) -> NDArray[np.complex64]:
        return self.arrays["chars"].astype(np.float32).view(np.complex64).T.copy()

    @cached_property
    def _cells(self) -> NDArray[np.complex64]:
        # one more, without weight, for what reaches over the end of a sentence
        return np.vstack([self.arrays["cells"], np.zeros((1, len(HEADS)), np.float32)]).view(np.complex64).T.copy()

    def rows(self, keys: U32) -> NDArray[np.uint32]:
        """Return the row of each key in the weights, counted from 1; 0 for keys without a weight."""
        found = self._slots[slot(keys)]
        same = (found >> np.uint32(_ROW_BITS)) == (keys & np.uint32((1 << (32 - SLOT_BITS)) - 1))
        row: U32 = (found & np.uint32((1 << _ROW_BITS) - 1)) * same
        return row

    def familiarity(self, keys: Mapping[str, U32]) -> dict[str, NDArray[np.intp]]:
        """Return the cell of familiarity of each n-gram of `FAMILIAR_KINDS`, `CELLS` for the key 0.

        Two frequent words that clean news never puts side by side say more than two rare ones.
        """
        cells = {}
        shorter: NDArray[np.intp] | None = None
        offset = 0
        for kind in FAMILIAR_KINDS:
            key = keys[kind]
            place, check = familiar_slot(key)
            found = self.arrays["familiar"][place]
            level = ((found & np.uint8(15)) * ((found & np.uint8(240)) == check)).astype(np.intp)
            cell = level + offset
            if shorter is not None:
                cell[:-1] += (shorter[:-1] * _LEVELS + shorter[1:]) * _LEVELS
            cell[key == 0] = CELLS
            cells[kind] = cell
            offset += _LEVELS if shorter is None else _LEVELS**3
            shorter = level
        return cells

    def logits(self, grams: Grams, rules: NDArray[np.bool_]) -> F64:
        """Score the sentences of a batch.

        Parameters
        ----------
        grams : Grams
            From `mtdetect.features.extract`.
        rules : ndarray of bool, shape (n_sentences, n_rules)
            Which rules hit, in the order of ``config["rules"]``.

        Returns
        -------
        ndarray of shape (4, n_sentences)
            For each of `HEADS`, not calibrated. Higher is more machine-like, or more garbled; for quality it is the
            predicted human judgement in standard deviations, higher is cleaner.
        """
        tokens = grams.n_tokens.astype(np.float64)
        counted = np.zeros((2, len(tokens)), np.complex128)
        familiar = np.zeros((2, len(tokens)), np.complex128)
        for kind in TOKEN_KINDS:
            block = grams.blocks[kind]
            rows = self.rows(block.key)
            for pair in range(2):
                counted[pair] += np.add.reduceat(self._weights[pair][rows], block.first)
        for kind, cells in self.familiarity(grams.keys).items():
            for pair in range(2):
                familiar[pair] += np.add.reduceat(self._cells[pair][cells], grams.blocks[kind].first)
        for kind in CHAR_KINDS:
            block = grams.blocks[kind]
            places = char_slot(block.key)
            for pair in range(2):
                counted[pair] += np.add.reduceat(self._chars[pair][places], block.first)
        # not a matrix product: that rounds otherwise when there are more rows
        out: F64 = (rules[None] * self.arrays["rules"].astype(np.float64).T[:, None]).sum(axis=2)
        for i, head in enumerate(HEADS):
            pair, part = i // 2, "imag" if i % 2 else "real"
            out[i] += getattr(counted[pair], part) / tokens ** LENGTH_POWER[head]
            out[i] += getattr(familiar[pair], part) / tokens * (tokens > 2)  # more than the two ends
        return out

    def contributions(self, sentences: Sequence[str], mix: Sequence[float]) -> list[F64]:
        """Split a mixture of the heads, less what rules add, over the characters of each sentence.

        Parameters
        ----------
        sentences : sequence of str
            At least one.
        mix : sequence of float
            Weight of ``style`` and of ``roundtrip``.

        Returns
        -------
        list of ndarray, each of shape (len(sentence),)
            Their sum is the mixture; higher is more machine-like. An n-gram is split evenly over its characters.
        """
        grams = extract(sentences)
        size = len(grams.origin)
        # n-grams that begin or end with the pads around a sentence are laid on its first or last character
        owner = np.repeat(np.arange(len(sentences)), np.diff(grams.first))
        body = grams.origin >= 0
        start: NDArray[Any]
        end: NDArray[Any]
        low = np.minimum.accumulate(np.where(body, np.arange(size), size)[::-1])[::-1]
        high = np.maximum.accumulate(np.where(body, np.arange(size), -1))
        first, last = low[grams.first[:-1]], high[grams.first[1:] - 1]
        empty = first > last  # a sentence may have no letters at all
        first, last = np.where(empty, 0, first), np.where(empty, 0, last)
        edges = np.zeros(size + 1)
        tokens = grams.n_tokens.astype(np.float64)
        cells = self.familiarity(grams.keys)
        for kind, block in grams.blocks.items():
            if kind in TOKEN_KINDS:
                start, end = grams.spans(kind)
                weight = self._weights[0][self.rows(block.key)]
            else:
                start = np.arange(size)
                end = np.minimum(start + CHAR_KINDS[kind], size)
                weight = self._chars[0][char_slot(block.key)]
            sentence = owner[start]
            value = mix[0] * weight.real / tokens[sentence] ** LENGTH_POWER["style"]
            value = value + mix[1] * weight.imag / tokens[sentence] ** LENGTH_POWER["roundtrip"]
            if kind in cells:
                familiar = self._cells[0][cells[kind]]
                value = value + (mix[0] * familiar.real + mix[1] * familiar.imag) / tokens[sentence]
            start = np.clip(start, first[sentence], last[sentence])
            end = np.clip(end, start + 1, np.maximum(last[sentence] + 1, start + 1))
            value = value / (end - start) * ~empty[sentence]
            edges += np.bincount(start, value, size + 1) - np.bincount(end, value, size + 1)
        density = np.cumsum(edges)[:-1]
        spread: list[F64] = []
        for i, sentence_text in enumerate(sentences):
            places = np.arange(grams.first[i], grams.first[i + 1])
            places = places[body[places]]
            spread.append(np.bincount(grams.origin[places], density[places], len(sentence_text)).astype(np.float64))
        return spread


def article_mt_features(style: F64, roundtrip: F64, garble: F64, limits: Mapping[str, float]) -> F64:
    """Return what the `mt_score` of articles is made of.

    What people translated looks a little like a round trip, so that beyond what nearly all human news stays under
    the round-trip head counts no more. Garble does, where hardly anything that people wrote or translated has as much.

    Parameters
    ----------
    style, roundtrip : ndarray of shape (n_articles,)
        Means of these heads over the sentences.
    garble : ndarray of shape (n_articles,)
        From `article_features`.
    limits : mapping of str to float
        ``cap``, where the second feature ends; ``beyond``, where the third begins.

    Returns
    -------
    ndarray of shape (n_articles, 3)
        Each grows with the heads.
    """
    return np.column_stack([
        style, np.minimum(roundtrip, limits["cap"]), np.maximum(garble - limits["beyond"], 0)
    ])  # fmt: skip


def sentence_weights(sentences: Sequence[str], n_tokens: NDArray[Any]) -> F64:
    """Return how much each sentence weighs in the quality of its article, where it is not said again.

    By its tokens, up to `_LONG` of them: what is longer may be many sentences. Headlines, captions and entries of
    lists have a grammar of their own: short lines without a full stop count half.
    """
    ended = np.array([sentence.rstrip(_CLOSING)[-1:] in _STOPS for sentence in sentences], bool)
    share = np.where(ended | (n_tokens > _HEADLINE), 1.0, 0.5)
    return np.asarray(np.minimum(n_tokens, _LONG) * share, np.float64)


def said_first(sentences: Sequence[str]) -> NDArray[np.bool_]:
    """Return which sentences of an article stand in it for the first time."""
    first = dict(zip(reversed(sentences), range(len(sentences) - 1, -1, -1), strict=True))
    found = np.zeros(len(sentences), bool)
    found[list(first.values())] = True
    return found


def article_features(
    damage: F64, garble: F64, strong: NDArray[np.bool_], weight: F64, first: NDArray[Any], usual: float
) -> F64:
    """Return what the quality of articles is made of; each grows with the damage and ignores the order.

    Parameters
    ----------
    damage : ndarray of shape (n_sentences,)
        0 to 1, higher is worse: 1 less the predicted human judgement.
    garble : ndarray of shape (n_sentences,)
        0 to 1, higher is worse: how likely the sentence comes from a round trip.
    strong : ndarray of bool, shape (n_sentences,)
        Whether the sentence has strong evidence.
    weight : ndarray of shape (n_sentences,)
        How much the sentence counts for the first two: `sentence_weights`, 0 where it is said again.
    first : ndarray of int, shape (n_articles,)
        Where the sentences of each article begin; no article is empty.
    usual : float
        Garble of usual news. A short article is taken for usual until it says otherwise: `_PRIOR` tokens of it are
        added.

    Returns
    -------
    ndarray of shape (n_articles, 3)
        Root mean square damage; mean garble; root of the share of sentences with strong evidence.
    """
    table = np.column_stack([damage**2 * weight, garble * weight, strong])
    size = np.add.reduceat(weight, first)
    sums = np.add.reduceat(table, first, axis=0)
    count = np.diff(first, append=len(table))
    return np.column_stack([
        np.sqrt(sums[:, 0] / size), (sums[:, 1] + _PRIOR * usual) / (size + _PRIOR), np.sqrt(sums[:, 2] / count)
    ])  # fmt: skip


def sigmoid(z: F64) -> F64:
    """Return the logistic function, safe for large arguments."""
    return np.asarray(1 / (1 + np.exp(-np.clip(z, -500, 500))), np.float64)
