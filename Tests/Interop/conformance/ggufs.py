"""Random GGUF files: transformers' tensors under llama.cpp's names, as its converter (convert_hf_to_gguf.py) stores them."""

import random

import gguf
import numpy as np
import torch
from gguf import GGMLQuantizationType as Q
from transformers import AutoConfig

from . import variants

ARCHITECTURES = {
    "llama": "llama", "mistral": "llama", "qwen2": "qwen2", "qwen3": "qwen3", "phi": "phi2", "phi3": "phi3",
    "gemma": "gemma", "gemma2": "gemma2", "gemma3_text": "gemma3", "starcoder2": "starcoder2", "gpt_neox": "gptneox",
    "gpt2": "gpt2", "gpt_bigcode": "starcoder", "granite": "granite", "stablelm": "stablelm", "smollm3": "smollm3",
    "olmo2": "olmo2",
}  # fmt: skip
INTERLEAVED = {"llama", "mistral", "granite", "smollm3"}
NAMES = {
    "embed_tokens": "token_embd", "embed_in": "token_embd", "wte": "token_embd", "wpe": "position_embd",
    "lm_head": "output", "embed_out": "output", "norm": "output_norm", "final_layernorm": "output_norm",
    "final_layer_norm": "output_norm", "ln_f": "output_norm",
}  # fmt: skip
LAYER = {
    "input_layernorm": "attn_norm", "ln_1": "attn_norm", "ln_2": "ffn_norm", "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "self_attn.dense": "attn_output", "attention.dense": "attn_output",
    "self_attn.qkv_proj": "attn_qkv", "attention.query_key_value": "attn_qkv", "attn.c_attn": "attn_qkv",
    "attn.c_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
    "mlp.fc1": "ffn_up", "mlp.fc2": "ffn_down", "mlp.c_fc": "ffn_up", "mlp.c_proj": "ffn_down",
    "mlp.dense_h_to_4h": "ffn_up", "mlp.dense_4h_to_h": "ffn_down", "mlp.gate_up_proj": "ffn_up",
    "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm",
}  # fmt: skip
POST = {"post_attention_layernorm": "post_attention_norm", "post_feedforward_layernorm": "post_ffw_norm",
        "pre_feedforward_layernorm": "ffn_norm"}  # fmt: skip
TYPES = [Q.F32, Q.F16, Q.BF16, Q.Q4_0, Q.Q4_1, Q.Q5_0, Q.Q5_1, Q.Q8_0]
# Types that gguf reads and does not make: where the halves of a block are that scale it, and how large its values are
# for halves of one.
BLOCKS = {
    Q.Q2_K: ((80, 13), (82, 11)), Q.Q3_K: ((108, 43),), Q.Q4_K: ((0, 290), (2, 37)), Q.Q5_K: ((0, 600), (2, 37)),
    Q.Q6_K: ((208, 1400),), Q.IQ4_NL: ((0, 70),), Q.IQ4_XS: ((0, 1300),),
}  # fmt: skip
UNREAD = [Q.IQ1_S, Q.IQ2_XXS, Q.IQ2_XS, Q.IQ3_XXS, Q.IQ3_S, Q.TQ1_0, Q.MXFP4]


def settings_of(rng, family):
    """Settings that a GGUF file of the family can hold."""
    c = variants.config_of(rng, family, wide=rng.random() < 0.4)
    for key in ("hidden_act", "activation_function", "hidden_activation"):
        if key in c:
            c[key] = {
                "phi": "gelu_new", "gpt2": "gelu_new", "gpt_bigcode": "gelu_pytorch_tanh", "gpt_neox": "gelu",
                "starcoder2": "gelu_pytorch_tanh", "gemma": "gelu_pytorch_tanh", "gemma2": "gelu_pytorch_tanh",
                "gemma3_text": "gelu_pytorch_tanh"}.get(family, "silu")  # fmt: skip
    c.pop("use_sliding_window", None), c.pop("max_window_layers", None), c.pop("scale_attn_by_inverse_layer_idx", None)
    if family in ("mistral", "qwen2", "qwen3", "starcoder2", "smollm3"):
        c["sliding_window"] = None
    if family in ("gemma2", "gemma3_text"):
        c.pop("layer_types", None)
        c["query_pre_attn_scalar"] = c["head_dim"]
        c["attn_logit_softcapping"] = None if family == "gemma3_text" else 50.0
        c["final_logit_softcapping"] = rng.choice([30.0, 7.0]) if family == "gemma2" else rng.choice([None, 20.0])
    if family in ("gemma", "gemma2", "gemma3_text", "qwen2", "olmo2"):
        c.pop("attention_bias", None)
    if family.startswith("gemma"):
        c["tie_word_embeddings"] = True
    if family == "gpt_bigcode":
        c["multi_query"] = True
    if family == "smollm3":
        c |= dict(no_rope_layers=None, no_rope_layer_interval=4)
    if family == "stablelm":
        c["qk_layernorm"] = False
    if family == "phi":
        c["num_key_value_heads"] = None
    rope = c.get("rope_parameters")
    if rope:
        full = rope.get("full_attention", rope)
        if full["rope_type"] == "dynamic" or full["rope_type"] == "longrope" and family not in ("phi3", "llama"):
            for key in list(full):
                if key not in ("rope_theta", "partial_rotary_factor"):
                    del full[key]
            full["rope_type"] = "default"
        for key in ("mscale", "mscale_all_dim", "truncate", "attention_factor"):
            if full["rope_type"] == "yarn":
                full.pop(key, None)
        if "sliding_attention" in rope:
            rope["sliding_attention"]["rope_theta"] = 10000.0
    return c


def stored(t, kind, rng):
    """A tensor in a type: quantized, or random blocks where gguf has no rule for that."""
    if kind not in BLOCKS and kind not in UNREAD:
        return gguf.quantize(t, kind)
    length, size = gguf.GGML_QUANT_SIZES[kind]
    data = np.frombuffer(rng.randbytes(t.size // length * size), dtype=np.uint8).reshape(-1, size).copy()
    for place, spread in BLOCKS.get(kind, ()):
        scales = np.array([rng.uniform(0.1, 0.4) / spread for _ in data], dtype=np.float16)
        data[:, place:place + 2] = scales.view(np.uint8).reshape(-1, 2)
    return data.reshape(*t.shape[:-1], -1)


def interleave(t, heads):
    return t.reshape(heads, 2, t.shape[0] // heads // 2, *t.shape[1:]).swapaxes(1, 2).reshape(t.shape)


def tensors_of(model):
    c, family = model.config, model.config.model_type
    for name, value in model.state_dict().items():
        module, suffix = name.rsplit(".", 1)
        parts = module.split(".")
        t = value.float().numpy()
        digits = [p for p in parts if p.isdigit()]
        if digits:
            kind = ".".join(parts[parts.index(digits[0]) + 1:])
            target = POST.get(kind, LAYER.get(kind)) if family in ("gemma2", "gemma3_text", "olmo2") else LAYER[kind]
            if family in INTERLEAVED and kind in ("self_attn.q_proj", "self_attn.k_proj"):
                t = interleave(t, c.num_attention_heads if "q_proj" in kind else c.num_key_value_heads)
            if kind == "attention.query_key_value":
                h, w = c.num_attention_heads, c.hidden_size // c.num_attention_heads
                t = t.reshape(h, 3, w, *t.shape[1:]).swapaxes(0, 1).reshape(t.shape)
            target = f"blk.{digits[0]}.{target}"
        else:
            target = NAMES[parts[-1]]
            if target == "output" and suffix == "weight" and c.tie_word_embeddings:
                continue
        if family == "gpt2" and suffix == "weight" and t.ndim == 2 and digits:
            t = t.T
        if family.startswith("gemma") and "norm" in target:
            t = t + 1
        yield f"{target}.{suffix}", np.ascontiguousarray(t)


def metadata(rng, w, model, notes):
    """Settings under llama.cpp's keys, new or old ones, with tensors of divisors."""
    c, family = model.config, model.config.model_type
    arch = ARCHITECTURES[family]
    width = getattr(c, "hidden_size", None) or c.n_embd
    heads = getattr(c, "num_attention_heads", None) or c.n_head
    hidden = getattr(c, "intermediate_size", None) or getattr(c, "n_inner", None) or 4 * width
    head = getattr(c, "head_dim", None) or width // heads
    w.add_uint32(f"{arch}.context_length", getattr(c, "max_position_embeddings", None) or c.n_positions)
    w.add_uint32(f"{arch}.embedding_length", width)
    w.add_uint32(f"{arch}.block_count", getattr(c, "num_hidden_layers", None) or c.n_layer)
    w.add_uint32(f"{arch}.feed_forward_length", hidden)
    w.add_uint32(f"{arch}.attention.head_count", heads)
    shared = 1 if family == "gpt_bigcode" else getattr(c, "num_key_value_heads", None) or heads
    w.add_uint32(f"{arch}.attention.head_count_kv", shared)
    for key in ("rms_norm_eps", "layer_norm_eps", "norm_epsilon", "layer_norm_epsilon"):
        if getattr(c, key, None) is not None:
            kind = "layer_norm_rms_epsilon" if key == "rms_norm_eps" else "layer_norm_epsilon"
            w.add_float32(f"{arch}.attention.{kind}", getattr(c, key))
            break
    if family in ("llama", "mistral", "qwen3", "gemma", "gemma2", "gemma3_text") and (
            head * heads != width or family.startswith(("gemma", "qwen3")) or rng.random() < 0.5):
        w.add_uint32(f"{arch}.attention.key_length", head)
        w.add_uint32(f"{arch}.attention.value_length", head)
    if rng.random() < 0.5:
        w.add_uint32(f"{arch}.vocab_size", c.vocab_size)
    if family == "granite":
        w.add_float32("granite.attention.scale", c.attention_multiplier)
        w.add_float32("granite.embedding_scale", c.embedding_multiplier)
        w.add_float32("granite.residual_scale", c.residual_multiplier)
        w.add_float32("granite.logit_scale", c.logits_scaling)
    if family in ("gemma2", "gemma3_text"):
        w.add_uint32(f"{arch}.attention.sliding_window", c.sliding_window)
        if c.final_logit_softcapping:
            w.add_float32(f"{arch}.final_logit_softcapping", c.final_logit_softcapping)
        if c.attn_logit_softcapping:
            w.add_float32(f"{arch}.attn_logit_softcapping", c.attn_logit_softcapping)
    if family in ("gpt_neox", "stablelm"):
        w.add_bool(f"{arch}.use_parallel_residual", c.use_parallel_residual)
    if family == "phi3":
        w.add_uint32("phi3.attention.sliding_window", c.sliding_window or 0)
    rope = getattr(c, "rope_parameters", None)
    if not rope:
        return
    rope = rope.get("full_attention", rope)
    if family == "phi3":
        w.add_uint32("phi3.rope.scaling.original_context_length", c.original_max_position_embeddings)
    rotated = int(head * rope.get("partial_rotary_factor", 1.0))
    if "partial_rotary_factor" in rope or rng.random() < 0.5:
        w.add_uint32(f"{arch}.rope.dimension_count", rotated)
    if rope["rope_theta"] != 10000.0 or family == "gemma3_text" or rng.random() < 0.7:
        w.add_float32(f"{arch}.rope.freq_base", rope["rope_theta"])
    kind = rope["rope_type"]
    if kind == "linear":
        how = rng.choice(["old", "no type", "new"])
        notes.append(how)
        if how == "old":
            w.add_float32(f"{arch}.rope.scale_linear", rope["factor"])
        else:
            w.add_float32(f"{arch}.rope.scaling.factor", rope["factor"])
            if how == "new":
                w.add_string(f"{arch}.rope.scaling.type", "linear")
    if kind == "yarn":
        w.add_string(f"{arch}.rope.scaling.type", "yarn")
        w.add_float32(f"{arch}.rope.scaling.factor", rope["factor"])
        w.add_uint32(f"{arch}.rope.scaling.original_context_length", rope["original_max_position_embeddings"])
        for key in ("beta_fast", "beta_slow"):
            if key in rope:
                w.add_float32(f"{arch}.rope.scaling.yarn_{key}", rope[key])
    if kind == "llama3":
        base = rope["rope_theta"] ** (np.arange(0, rotated, 2) / rotated)
        long = 2 * np.pi * base
        low, high = rope["low_freq_factor"], rope["high_freq_factor"]
        trained = rope["original_max_position_embeddings"]
        smooth = (trained / long - low) / (high - low)
        mixed = 1 / ((1 - smooth) / rope["factor"] + smooth)
        factors = np.where(long < trained / high, 1, np.where(long > trained / low, rope["factor"], mixed))
        w.add_tensor("rope_freqs.weight", factors.astype(np.float32))
    if kind == "longrope":
        module = next(m for m in model.modules() if "RotaryEmbedding" in type(m).__name__)
        w.add_float32(f"{arch}.rope.scaling.attn_factor", float(module.attention_scaling))
        if family != "phi3":
            # Of other families llama.cpp looks for the divisors behind this word only.
            w.add_string(f"{arch}.rope.scaling.type", "longrope")
            w.add_uint32(f"{arch}.rope.scaling.original_context_length", rope["original_max_position_embeddings"])
        w.add_tensor("rope_factors_long.weight", np.array(rope["long_factor"], dtype=np.float32))
        w.add_tensor("rope_factors_short.weight", np.array(rope["short_factor"], dtype=np.float32))


def vocabulary(w):
    w.add_string("tokenizer.ggml.model", "gpt2")
    w.add_string("tokenizer.ggml.pre", "gpt-2")
    w.add_array("tokenizer.ggml.tokens", ["t", "0", "t0"] + [f"<{i}>" for i in range(3, variants.VOCABULARY)])
    w.add_array("tokenizer.ggml.token_type", [1] * variants.VOCABULARY)
    w.add_array("tokenizer.ggml.merges", ["t 0"])
    w.add_uint32("tokenizer.ggml.bos_token_id", 1)
    w.add_uint32("tokenizer.ggml.eos_token_id", 2)


def variant(seed, path, family=None, choose=settings_of, plain=False):
    """Writes a file and returns notes and the model with the numbers that it stores; a plain one is whole and float32."""
    rng = random.Random(seed * 7919 + 1)
    family = family or rng.choice(list(ARCHITECTURES))
    notes = [family]
    settings = choose(rng, family)
    rope = settings.get("rope_parameters", {})
    notes.append(rope.get("full_attention", rope).get("rope_type", "none"))
    model = variants.build(AutoConfig.for_model(family, **settings), seed)
    split = rng.random() < 0.25 and not plain
    target = path.with_name("model") if split else path
    w = gguf.GGUFWriter(None if split else path, ARCHITECTURES[family], split_max_tensors=6 if split else 0)
    w.path = target
    metadata(rng, w, model, notes)
    vocabulary(w)
    quantized, unread = rng.random() < 0.7 and not plain, rng.random() < 0.03 and not plain
    used = set()
    with torch.no_grad():
        state = {n: p for n, p in model.state_dict().items()}
        tensors = list(tensors_of(model))
        if family in ("phi", "qwen2", "stablelm") and rng.random() < 0.4 and not plain:
            notes.append("fused")
            tensors = list(fused(tensors))
        for name, t in tensors:
            kind = rng.choice([*TYPES, *BLOCKS]) if quantized and t.ndim == 2 and "position" not in name else Q.F32
            if unread and t.ndim == 2:
                kind = rng.choice(UNREAD)
            if t.shape[-1] % gguf.GGML_QUANT_SIZES[kind][0]:
                kind = Q.F16
            data = stored(t, kind, rng)
            w.add_tensor(name, data, raw_dtype=kind)
            if kind not in UNREAD:
                put_back(model, state, name, gguf.dequantize(data, kind).reshape(t.shape))
            used.add(kind.name)
    notes.extend(sorted(used))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
    if split:
        parts = sorted(path.parent.glob("*-of-*.gguf"))
        notes.append(f"{len(parts)} parts")
        path = rng.choice(parts)
    return notes, rng, model, path


def fused(tensors):
    """Queries, keys and values as older converters store them, one under the other."""
    named = dict(tensors)
    for name, t in tensors:
        if ".attn_q." in name:
            yield name.replace("attn_q", "attn_qkv"), np.concatenate([named[name.replace("attn_q", f"attn_{p}")] for p in "qkv"])
        elif ".attn_k." not in name and ".attn_v." not in name:
            yield name, t


def put_back(model, state, name, stored):
    """Gives a tensor of the model the numbers that the file has for it."""
    c = model.config
    if ".attn_qkv." in name and not any("qkv" in n or "query_key" in n or "c_attn" in n for n in state):
        shared = getattr(c, "num_key_value_heads", None) or c.num_attention_heads
        width = stored.shape[0] // (c.num_attention_heads + 2 * shared)
        for part, rows in zip("qkv", np.split(stored, [c.num_attention_heads * width, (c.num_attention_heads + shared) * width])):
            put_back(model, state, name.replace("attn_qkv", f"attn_{part}"), rows)
        return
    for source, (target, make) in back(model).items():
        if target == name:
            value = torch.from_numpy(np.ascontiguousarray(make(stored))).float()
            state[source].copy_(value)


def back(model):
    c, family = model.config, model.config.model_type
    table = {}
    for name in model.state_dict():
        module, suffix = name.rsplit(".", 1)
        parts = module.split(".")
        digits = [p for p in parts if p.isdigit()]
        make = lambda t: t
        if digits:
            kind = ".".join(parts[parts.index(digits[0]) + 1:])
            target = POST.get(kind, LAYER.get(kind)) if family in ("gemma2", "gemma3_text", "olmo2") else LAYER[kind]
            if family in INTERLEAVED and kind in ("self_attn.q_proj", "self_attn.k_proj"):
                heads = c.num_attention_heads if "q_proj" in kind else c.num_key_value_heads
                make = lambda t, h=heads: t.reshape(h, t.shape[0] // h // 2, 2, *t.shape[1:]).swapaxes(1, 2).reshape(t.shape)
            if kind == "attention.query_key_value":
                h = c.num_attention_heads
                make = lambda t, h=h: t.reshape(3, h, t.shape[0] // 3 // h, *t.shape[1:]).swapaxes(0, 1).reshape(t.shape)
            target = f"blk.{digits[0]}.{target}"
        else:
            target = NAMES[parts[-1]]
        if family == "gpt2" and suffix == "weight" and digits and "ln_" not in name:
            make = lambda t: t.T
        if family.startswith("gemma") and "norm" in target:
            make = lambda t: t - 1
        table[name] = (f"{target}.{suffix}", make)
    return table
