"""Writes a model as GGUF: the format llama.cpp reads, tokenizer and chat template included."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType, GGUFWriter, LlamaFileType, TokenType, quants
from model import Llama
from tokens import SPECIAL, Tokens

from data import TEMPLATE

KINDS = {
    "q8_0": (GGMLQuantizationType.Q8_0, LlamaFileType.MOSTLY_Q8_0),
    "q4_0": (GGMLQuantizationType.Q4_0, LlamaFileType.MOSTLY_Q4_0),
    "f16": (GGMLQuantizationType.F16, LlamaFileType.MOSTLY_F16),
}


def write(model: Llama, tokens: Tokens, path: Path, name: str, description: str, kind: str = "q8_0") -> None:
    """One GGUF file; matrices as ``kind``, norms as 32-bit floats."""
    shape, (matrix_type, file_type) = model.shape, KINDS[kind]
    writer = GGUFWriter(path, "llama")
    writer.add_name(name)
    writer.add_description(description)
    writer.add_license("Apache-2.0")
    writer.add_file_type(file_type)
    writer.add_quantization_version(2)
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.hidden)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.feed_forward)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_rope_dimension_count(shape.head)
    writer.add_rope_freq_base(shape.rope_base)
    writer.add_layer_norm_rms_eps(shape.epsilon)
    writer.add_vocab_size(shape.vocabulary)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("llama-bpe")
    names = list(tokens.vocabulary)
    writer.add_token_list(names)
    writer.add_token_types([TokenType.CONTROL if one in SPECIAL else TokenType.NORMAL for one in names])
    writer.add_token_merges([" ".join(pair) for pair in tokens.merges])
    writer.add_bos_token_id(tokens.vocabulary["<|pad|>"])
    writer.add_eos_token_id(tokens.vocabulary["<|end|>"])
    writer.add_pad_token_id(tokens.vocabulary["<|pad|>"])
    writer.add_add_bos_token(False)
    writer.add_add_space_prefix(False)
    writer.add_chat_template(TEMPLATE)
    for key, tensor in model.state_dict().items():
        values = tensor.float().numpy().astype(np.float32)
        if values.ndim == 2:
            writer.add_tensor(key, quants.quantize(values, matrix_type), raw_dtype=matrix_type)
        else:
            writer.add_tensor(key, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
