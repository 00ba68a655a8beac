"""A transformer of a few thousand weights with a tokenizer of its own, made here: the real code, in seconds."""

from __future__ import annotations

import random
from pathlib import Path

from small_data import SUBJECTS, sentence


def write_llama(folder: Path) -> Path:
    """Write a causal transformer of random weights, and a byte-level BPE tokenizer trained on our sentences."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaModel, PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=700, special_tokens=["<|endoftext|>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )  # fmt: skip
    rng = random.Random(3)
    tokenizer.train_from_iterator([*SUBJECTS, *(part for _ in range(300) for part in sentence(rng))], trainer)
    whole = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|endoftext|>")
    whole.save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(whole), hidden_size=48, intermediate_size=96, num_hidden_layers=3, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=512,
    )  # fmt: skip
    LlamaModel(config).save_pretrained(folder)
    return folder


def write_bert(folder: Path) -> Path:
    """Write an encoder that sees both sides, and a WordPiece tokenizer."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    rng = random.Random(3)
    trainer = trainers.WordPieceTrainer(vocab_size=300, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator([part for _ in range(300) for part in sentence(rng)], trainer)
    whole = PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="[UNK]", sep_token="[SEP]", pad_token="[PAD]")
    whole.save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(whole), hidden_size=48, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4
    )
    BertModel(config).save_pretrained(folder)
    return folder
