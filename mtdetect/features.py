"""Hashed n-grams of sentences, vectorised over characters, with offsets back into the sentence.

Sentences are normalised so that typography cannot leak into the classifier: quotes, dashes, digits, spacing,
case, diacritics, zero-width characters, letters in disguise and final punctuation look the same whoever typed them.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mtdetect.text import LOOKALIKES

__all__ = ["CHAR_KINDS", "KINDS", "MAX_CHARS", "TOKEN_KINDS", "Block", "Grams", "aligned", "extract", "normalised"]

MAX_CHARS = 2000
"""Characters of a sentence that count; what is longer is no sentence."""

# how many tokens or characters
TOKEN_KINDS = {"word1": 1, "word2": 2, "word3": 3}
CHAR_KINDS = {"char3": 3, "char4": 4}
KINDS = (*TOKEN_KINDS, *CHAR_KINDS)

_SPACE, _PAD, _OTHER, _DROP = 32, 1, 127, 0
_LOOKUP_SIZE = 0x2070
_TAIL = max(CHAR_KINDS.values()) - 1

U32 = NDArray[np.uint32]
U64 = NDArray[np.uint64]
I32 = NDArray[np.int32]
Codes = NDArray[np.uint8]


class Block(NamedTuple):
    """All n-grams of one kind.

    Attributes
    ----------
    key : ndarray of uint32, shape (n_grams,)
        Hash of each n-gram; 0 where it would reach over the end of its sentence.
    first : ndarray of shape (n_sentences,)
        Where the n-grams of each sentence begin in `key`; no sentence is without.
    """

    key: U32
    first: I32


@dataclass(frozen=True, slots=True)
class Grams:
    """The n-grams of a batch of sentences.

    Attributes
    ----------
    blocks : dict of str to Block
        One for each of `KINDS`.
    n_tokens : ndarray of shape (n_sentences,)
        Words, punctuation marks and the two ends of the sentence.
    origin : ndarray of shape (n_normalised,)
        For each position of the normalised text, the character of its sentence that it came from, or -1.
    first : ndarray of shape (n_sentences + 1,)
        Where each sentence begins in the normalised text.
    token_start, token_end : ndarray of shape (n_tokens,)
        Positions of all tokens in the normalised text.
    """

    blocks: dict[str, Block]
    n_tokens: I32
    origin: I32
    first: I32
    token_start: I32
    token_end: I32

    @property
    def keys(self) -> dict[str, U32]:
        """The keys of all blocks."""
        return {kind: block.key for kind, block in self.blocks.items()}

    def spans(self, kind: str) -> tuple[I32, I32]:
        """Return start and end of the n-grams of a kind of tokens, as positions in the normalised text."""
        last = np.arange(len(self.token_end)) + TOKEN_KINDS[kind] - 1
        return self.token_start, self.token_end[np.minimum(last, len(last) - 1)]


@cache
def _lookup() -> Codes:
    """Map code points to codes; one to one, so that offsets hold."""
    table = np.full(_LOOKUP_SIZE + 1, _OTHER, np.uint8)  # the last one for all that is beyond
    table[:32] = _DROP
    table[32:127] = np.arange(32, 127)
    for code in range(127, _LOOKUP_SIZE):
        char = chr(code)
        kind = unicodedata.category(char)
        base = unicodedata.normalize("NFKD", char)[0]
        if kind[0] == "Z":
            table[code] = _SPACE
        elif kind in ("Mn", "Cf", "Cc"):
            table[code] = _DROP
        elif base < "\x7f" and kind[0] == "L":
            table[code] = ord(base.lower())
    table[ord("A") : ord("Z") + 1] += 32
    table[list(b"0123456789")] = ord("0")
    table[[9, 10, 11, 12, 13, 0x85]] = _SPACE
    # some translators' editors love it, machines never do: alone it told the sides of WMT22 apart with an AUROC of .60
    table[ord(";")] = ord(",")
    # dashes set off clauses in one house style and commas in another: they weigh nothing
    table[[0x2012, 0x2013, 0x2014, 0x2015]] = _SPACE
    table[[0x2010, 0x2011]] = ord("-")
    table[[0x2018, 0x2019, 0x201B, 0x60, 0xB4, 0x2BC]] = ord("'")
    table[[0x22, 0xAB, 0xBB, 0x201C, 0x201D, 0x201E, 0x201F, 0x2039, 0x203A]] = _DROP
    table[0x2026] = ord(".")
    for char, plain in zip("øØłŁđĐæÆœŒßıħŋðþÞ", "oollddaaoosihndpp", strict=True):
        table[ord(char)] = ord(plain)
    for char, plain in LOOKALIKES.items():
        table[ord(char)] = ord(plain.lower())
    return table


def _codes(text: str) -> Codes:
    table = _lookup()
    if text.isascii():
        return table[np.frombuffer(text.encode("ascii"), np.uint8)]
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    return table[np.minimum(points, np.uint32(_LOOKUP_SIZE))]


def _flags(chars: bytes) -> NDArray[np.bool_]:
    flags = np.zeros(256, bool)
    flags[list(chars)] = True
    return flags


_GLUED_LEFT = _flags(b",.;:)?!%")
_FINAL = _flags(b".!?, ;:-'")
_COLLAPSED = _flags(b"0.")
_WORD = _flags(bytes(range(97, 123)) + b"0'" + bytes([_OTHER]))


def _normalise(sentences: Sequence[str]) -> tuple[Codes, I32, I32]:
    """Join the sentences, normalised and padded; return codes, origin of each and first of each sentence."""
    n = len(sentences)
    sizes = np.fromiter(map(len, sentences), np.int32, n)
    # with a space between them, no sentence sees what its neighbours begin or end with
    begins = np.cumsum(sizes + np.int32(1), dtype=np.int32) - sizes - np.int32(1)
    codes = _codes("\n".join(sentences))

    kept = np.flatnonzero(codes).astype(np.int32)
    codes = codes[kept]
    before, after = np.full((2, len(codes)), _SPACE, np.uint8)
    before[1:], after[:-1] = codes[:-1], codes[1:]
    blank = codes == _SPACE
    dash = (codes == ord("-")) & (before == _SPACE) & (after == _SPACE)
    blank |= dash
    codes[dash] = _SPACE
    drop = _GLUED_LEFT[after]
    drop[0:1] = True
    drop[1:] |= blank[:-1]
    drop &= blank
    drop |= (codes == before) & _COLLAPSED[codes]
    solid = np.flatnonzero(~drop)
    codes, kept = codes[solid], kept[solid]

    starts = np.searchsorted(kept, begins).astype(np.int32)
    ends = np.searchsorted(kept, begins + sizes).astype(np.int32)
    padded_codes = np.append(codes, np.uint8(_PAD))
    for _ in range(3):
        ends -= (ends > starts) & _FINAL[padded_codes[ends - 1]]
    starts = starts + ((ends > starts) & (padded_codes[starts] == _SPACE))

    # one pad before each sentence, _TAIL after it: no n-gram can reach into the next sentence
    lengths = ends - starts
    first = np.zeros(n + 1, np.int32)
    np.cumsum(lengths + 1 + _TAIL, out=first[1:])
    shift = np.repeat(first[:-1] + 1 - starts, lengths)
    source = np.arange(len(shift), dtype=np.int32) + np.repeat(starts - np.cumsum(lengths) + lengths, lengths)
    target = source + shift
    padded = np.full(first[-1], _PAD, np.uint8)
    origin = np.full(first[-1], -1, np.int32)
    padded[target] = codes[source]
    origin[target] = kept[source] - np.repeat(begins, lengths)
    return padded, origin, first


def normalised(sentences: Sequence[str]) -> list[str]:
    """Return the sentences as their n-grams see them."""
    return [text for text, _ in aligned(sentences)]


def aligned(sentences: Sequence[str]) -> list[tuple[str, I32]]:
    """Return each sentence as its n-grams see it, and for each character of that the one it came from."""
    codes, origin, first = _normalise([sentence[:MAX_CHARS] for sentence in sentences])
    text = codes.tobytes().decode("latin-1")
    return [(text[a + 1 : b - _TAIL], origin[a + 1 : b - _TAIL]) for a, b in pairwise(first)]


def _key(hashes: U64) -> U32:
    mixed = (hashes ^ (hashes >> np.uint64(29))) * np.uint64(0x9E3779B97F4A7C15)
    return (mixed >> np.uint64(32)).astype(np.uint32)


_MIX = np.cumprod(np.full(64, 0x100000001B3, np.uint64), dtype=np.uint64)
_STEP = np.uint64(0xFF51AFD7ED558CCD)


class _Tokens(NamedTuple):
    start: I32
    end: I32
    owner: I32
    hash: U64


def _tokens(codes: Codes, first: I32) -> _Tokens:
    """Words and single punctuation marks, with one pad on each side of every sentence."""
    word = _WORD[codes]
    visible = codes > _SPACE
    begins = visible.copy()
    begins[1:] &= ~(word[1:] & word[:-1])
    ends = visible.copy()
    ends[:-1] &= ~(word[1:] & word[:-1])
    pads = np.concatenate([first[:-1], first[1:] - _TAIL])
    begins[pads] = ends[pads] = True
    start = np.flatnonzero(begins).astype(np.int32)
    end = np.flatnonzero(ends).astype(np.int32) + np.int32(1)
    length = end - start
    # only the characters of tokens, each times a factor for its place: one sum a token is its hash
    places = np.flatnonzero(visible | begins).astype(np.int32)
    first_place = np.cumsum(length, dtype=np.int32) - length
    offset = np.minimum(places - np.repeat(start, length), 63)
    hashes: U64 = np.add.reduceat(codes[places] * _MIX[offset], first_place)
    hashes *= np.uint64(0x9E3779B97F4A7C15)
    opens = np.searchsorted(start, first)
    owner = np.repeat(np.arange(len(first) - 1, dtype=np.int32), np.diff(opens))
    return _Tokens(start, end, owner, hashes)


def extract(sentences: Sequence[str]) -> Grams:
    """Return the hashed n-grams of each sentence.

    Parameters
    ----------
    sentences : sequence of str
        At least one; only the first `MAX_CHARS` characters of each count.

    Returns
    -------
    Grams
        The same for a sentence whatever its neighbours in the batch.
    """
    codes, origin, first = _normalise([sentence[:MAX_CHARS] for sentence in sentences])
    blocks = {}
    tokens = _tokens(codes, first)
    count = len(tokens.start)
    token_first = np.searchsorted(tokens.start, first[:-1]).astype(np.int32)
    rolled = tokens.hash.copy()
    for kind, order in TOKEN_KINDS.items():
        reach = order - 1
        if reach:
            rolled[: count - reach] = rolled[: count - reach] * _STEP + tokens.hash[reach:]
        key = _key(rolled)
        if reach:
            key[count - reach :] = 0
            key[: count - reach][tokens.owner[reach:] != tokens.owner[: count - reach]] = 0
        blocks[kind] = Block(key, token_first)

    # what begins in the pads after a sentence would reach into the next one
    tail = (first[1:, None] - np.arange(1, _TAIL + 1)).ravel()
    wide = codes.astype(np.uint32)
    chars = wide.copy()
    kind_of = {order: kind for kind, order in CHAR_KINDS.items()}
    for step in range(1, _TAIL + 1):
        chars[:-step] = chars[:-step] * np.uint32(0x9E3779B1) + wide[step:]
        if step + 1 in kind_of:
            key = (chars ^ (chars >> np.uint32(15))) * np.uint32(0x85EBCA77)
            key[tail] = 0
            blocks[kind_of[step + 1]] = Block(key, first[:-1])
    n_tokens = np.diff(token_first, append=np.int32(count))
    return Grams(blocks, n_tokens, origin, first, tokens.start, tokens.end)
