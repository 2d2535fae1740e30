"""Random variants of models: family x sizes x biases x ties x rotary rule and spelling x files, all from one seed."""

import json
import random
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM

FAMILIES = [
    "llama", "mistral", "qwen2", "qwen3", "phi", "phi3", "gemma", "gemma2", "gemma3_text", "starcoder2", "gpt_neox",
    "gptj", "codegen", "gpt2", "gpt_bigcode", "granite", "stablelm", "smollm3", "olmo2",
]  # fmt: skip
VOCABULARY = 61
CONTEXT = 48


def config_of(rng, family, wide=False):
    """Settings of a random model of a family; those of a wide one are multiples of 256, the longest block of GGUF."""
    heads = 4 if wide else rng.choice([2, 4, 4, 6])
    shared = rng.choice([h for h in range(1, heads + 1) if heads % h == 0])
    width_of_head = 64 if wide else rng.choice([4, 8, 8, 12])
    layers = rng.choice([2, 3, 5])
    activation = rng.choice(["silu", "gelu", "gelu_new", "gelu_pytorch_tanh", "relu"])
    tie = rng.random() < 0.5
    common = dict(vocab_size=VOCABULARY, bos_token_id=1, eos_token_id=2, pad_token_id=0, tie_word_embeddings=tie)
    if family in ("gpt2", "gpt_bigcode", "gptj", "codegen"):
        if family == "codegen":
            heads = rng.choice([4, 8])
        width_of_head = 64 if wide else rng.choice([4, 8])
        more = dict(
            n_embd=heads * width_of_head, n_layer=layers, n_head=heads, n_positions=CONTEXT,
            n_inner=rng.choice([None, 40]), activation_function=activation,
            layer_norm_epsilon=rng.choice([1e-5, 1e-3]),
        )  # fmt: skip
        if family in ("gptj", "codegen"):
            more["rotary_dim"] = rng.choice([2, 4, width_of_head])
        if family == "gpt2":
            more["scale_attn_by_inverse_layer_idx"] = rng.random() < 0.3
        if family == "gpt_bigcode":
            more["multi_query"] = rng.random() < 0.6
        drop = dict(resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0)
        return common | more | drop
    own_width = family in ("llama", "mistral", "qwen3", "gemma", "gemma2", "gemma3_text") and rng.random() < 0.4
    config = common | dict(
        hidden_size=heads * width_of_head + (heads * 2 if own_width and not wide else 0),
        intermediate_size=256 if wide else rng.choice([24, 40]), num_hidden_layers=layers, num_attention_heads=heads,
        num_key_value_heads=shared, max_position_embeddings=CONTEXT, hidden_act=activation,
    )  # fmt: skip
    eps = rng.choice([1e-6, 1e-5, 1e-3])
    layer_norm = {"phi": "layer_norm_eps", "gpt_neox": "layer_norm_eps", "stablelm": "layer_norm_eps"}
    config[layer_norm.get(family, "norm_epsilon" if family == "starcoder2" else "rms_norm_eps")] = eps
    if own_width or family in ("qwen3", "gemma", "gemma2", "gemma3_text"):
        config["head_dim"] = width_of_head
    if family in ("llama", "granite", "smollm3"):
        config |= dict(attention_bias=rng.random() < 0.4, mlp_bias=rng.random() < 0.3)
    if family in ("qwen3", "olmo2", "gemma", "gemma2", "gemma3_text"):
        config["attention_bias"] = rng.random() < 0.3
    if family in ("mistral", "phi3", "starcoder2"):
        config["sliding_window"] = rng.choice([None, 5, 9])
    if family in ("qwen2", "qwen3") and rng.random() < 0.4:
        config |= dict(use_sliding_window=True, sliding_window=rng.choice([4, 7]), max_window_layers=rng.randint(0, 3))
    if family == "gpt_neox":
        config |= dict(use_parallel_residual=rng.random() < 0.6, attention_bias=rng.random() < 0.7)
        del config["num_key_value_heads"]
    if family == "starcoder2":
        config["use_bias"] = rng.random() < 0.6
    if family == "stablelm":
        config |= dict(use_qkv_bias=rng.random() < 0.5, use_parallel_residual=rng.random() < 0.4)
        config["qk_layernorm"] = rng.random() < 0.1
    if family == "granite":
        config |= dict(
            embedding_multiplier=rng.choice([1.0, 12.0, 3]), logits_scaling=rng.choice([1.0, 8, 0.5]),
            residual_multiplier=rng.choice([1.0, 0.22]), attention_multiplier=rng.choice([1.0, 0.125]),
        )  # fmt: skip
    if family == "smollm3":
        config |= dict(
            no_rope_layers=rng.choice([None, [rng.randint(0, 1) for _ in range(layers)]]),
            no_rope_layer_interval=rng.choice([2, 4]),
        )  # fmt: skip
        if rng.random() < 0.3:
            config |= dict(use_sliding_window=True, sliding_window=5)
    if family in ("gemma2", "gemma3_text"):
        del config["hidden_act"]
        config |= dict(
            hidden_activation=rng.choice(["gelu_pytorch_tanh", activation]), query_pre_attn_scalar=rng.choice([4, 16, 256]),
            sliding_window=rng.choice([4, 7]), final_logit_softcapping=rng.choice([None, 3.0, 30.0]),
            attn_logit_softcapping=rng.choice([None, 2.0, 50.0]),
        )  # fmt: skip
        if rng.random() < 0.4:
            config["layer_types"] = [rng.choice(["full_attention", "sliding_attention"]) for _ in range(layers)]
    if family == "gemma":
        config["hidden_act"] = "gelu_pytorch_tanh"
    if family != "gemma3_text":
        config["rope_parameters"] = rope_of(rng, family, width_of_head)
    else:
        config["rope_parameters"] = {
            "full_attention": rope_of(rng, family, width_of_head),
            "sliding_attention": {"rope_type": "default", "rope_theta": rng.choice([10000.0, 500.0])},
        }
    return config


def rope_of(rng, family, width_of_head):
    """A rule of scaling with its numbers."""
    theta = rng.choice([10000.0, 500.0, 1e6])
    rope = dict(rope_theta=theta)
    share = 1.0
    if family in ("phi", "phi3", "gpt_neox", "stablelm"):
        share = rng.choice([0.5, 1.0] + ([0.25] if width_of_head % 8 == 0 else []))
        rope["partial_rotary_factor"] = share
    kind = rng.choice(["default", "default", "linear", "dynamic", "llama3", "yarn", "longrope"])
    if family == "phi3" and kind not in ("default", "longrope"):
        kind = rng.choice(["default", "longrope"])
    rope["rope_type"] = kind
    pairs = int(width_of_head * share) // 2
    if kind in ("linear", "dynamic", "llama3", "yarn"):
        rope["factor"] = rng.choice([2.0, 4, 8.0, 1.5])
    if kind == "llama3":
        rope |= dict(low_freq_factor=1.0, high_freq_factor=rng.choice([2.0, 4.0]))
    if kind in ("llama3", "yarn", "longrope"):
        rope["original_max_position_embeddings"] = rng.choice([16, 24, 32])
    if kind == "yarn":
        for key, values in dict(
            beta_fast=[16.0, 2.0], beta_slow=[1.0, 0.5], attention_factor=[0.7, 1.2], mscale=[1.0, 0.7],
            mscale_all_dim=[0.5, 1.0], truncate=[False, True],
        ).items():  # fmt: skip
            if rng.random() < 0.3:
                rope[key] = rng.choice(values)
    if kind == "longrope":
        rope |= {key: [round(rng.uniform(1, 4), 3) for _ in range(pairs)] for key in ("short_factor", "long_factor")}
        if rng.random() < 0.4:
            rope["attention_factor"] = 1.25
        if rng.random() < 0.4:
            rope["factor"] = 2.0
    return rope


def build(config, seed):
    """A model of these settings with weights from the seed, which no wrong transpose, bias or scale leaves the same."""
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").float().eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if parameter.dim() == 1:
                gain = ("norm" in name or ".ln_" in name) and name.endswith("weight")
                parameter.copy_((0.0 if "gemma" in config.model_type else 1.0) * gain + 0.3 * noise)
            else:
                parameter.copy_((0.5 if "embed" in name or "wte" in name else 0.25) * noise)
    return model


def spell(rng, folder, notes):
    """Writes config.json in another spelling, or without what is a default."""
    path = folder / "config.json"
    config = json.loads(path.read_text())
    rope = config.get("rope_parameters")
    nested = rope and "full_attention" in rope
    how = rng.choice(["new", "old", "old", "both", "type"])
    if rope and not nested:
        notes.append("rope " + how)
        if how in ("old", "both"):
            old = dict(rope)
            theta = "rotary_emb_base" if config["model_type"] == "gpt_neox" else "rope_theta"
            share = "rotary_pct" if config["model_type"] == "gpt_neox" else "partial_rotary_factor"
            config[theta] = old.pop("rope_theta")
            if "partial_rotary_factor" in old:
                config[share] = old.pop("partial_rotary_factor")
            if rng.random() < 0.5:
                old["type"] = old.pop("rope_type")
            if old.get("rope_type", old.get("type")) != "default" or rng.random() < 0.2:
                config["rope_scaling"] = old
            if how == "old":
                del config["rope_parameters"]
            elif rng.random() < 0.5:
                config["rope_parameters"] = rope | {"rope_type": "linear", "factor": 3.0}
        if how == "type":
            rope["type"] = rope.pop("rope_type")
    elif nested and how == "old":
        notes.append("rope old")
        full = dict(rope["full_attention"])
        config["rope_theta"] = full.pop("rope_theta")
        config["rope_local_base_freq"] = rope["sliding_attention"]["rope_theta"]
        if full["rope_type"] != "default":
            config["rope_scaling"] = full
        del config["rope_parameters"]
    if "dtype" in config and rng.random() < 0.5:
        config["torch_dtype"] = config.pop("dtype")
    if rng.random() < 0.3:
        key = rng.choice([k for k in config if k.endswith(("eps", "epsilon", "theta", "window")) or k in (
            "tie_word_embeddings", "head_dim", "hidden_act", "use_parallel_residual", "attention_bias", "layer_types",
            "num_key_value_heads")] or ["transformers_version"])
        notes.append("without " + key)
        config.pop(key)
    if rng.random() < 0.15:
        config["time_step_limit"] = [0.0, float("inf")]
    path.write_text(json.dumps(config, indent=1))


def store(rng, model, folder, notes):
    """Writes the tensors in one file, in shards, with or without an index, in mixed types, with more or fewer of them."""
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)
    spell(rng, folder, notes)
    single = folder / "model.safetensors"
    tensors = load_file(single)
    base = model.base_model_prefix + "."
    head = {"gpt_neox": "embed_out.weight"}.get(model.config.model_type, "lm_head.weight")
    embedding = next(n for n in tensors if n.endswith(("embed_tokens.weight", "wte.weight", "embed_in.weight")))
    if head not in tensors and rng.random() < 0.4:
        same = rng.random() < 0.5
        notes.append("head stored, " + ("same" if same else "other"))
        copy = tensors[embedding].clone()
        tensors[head] = copy if same else copy.flip(0).contiguous()
    elif head in tensors and rng.random() < 0.15:
        notes.append("head same as embeddings")
        tensors[head] = tensors[embedding].clone()
    if rng.random() < 0.2 and head not in tensors:
        notes.append("without prefix")
        tensors = {n.removeprefix(base): t for n, t in tensors.items()}
    if rng.random() < 0.2:
        notes.append("buffers")
        prefix = base if any(n.startswith(base) for n in tensors) else ""
        tensors[prefix + "layers.0.self_attn.rotary_emb.inv_freq"] = torch.ones(4)
        if model.config.model_type == "gpt2":
            tensors[prefix + "h.0.attn.bias"] = torch.ones(1, 1, CONTEXT, CONTEXT).tril().bool()
    if rng.random() < 0.3:
        notes.append("types")
        for name in list(tensors):
            if tensors[name].is_floating_point():
                tensors[name] = tensors[name].to(rng.choice([torch.float32, torch.bfloat16, torch.float16]))
    single.unlink()
    form = rng.choice(["one", "one", "shards", "shards", "both"])
    notes.append(form)
    meta = {"format": "pt"}
    if form in ("one", "both"):
        save_file(tensors, single, metadata=meta)
    if form in ("shards", "both"):
        names = sorted(tensors)
        parts = [names[0::2], names[1::2]]
        other = form == "both" and rng.random() < 0.7
        index = {}
        for number, part in enumerate(parts, 1):
            name = f"model-{number:05}-of-{len(parts):05}.safetensors"
            save_file({n: (tensors[n] * 0.5 if other else tensors[n]) for n in part}, folder / name, metadata=meta)
            index |= {n: name for n in part}
        if form == "shards" and rng.random() < 0.1:
            notes.append("no index")
        else:
            (folder / "model.safetensors.index.json").write_text(
                json.dumps({"metadata": {"total_size": 1}, "weight_map": index}))


def variant(seed, folder, family=None):
    """Makes a variant and returns what it is, with the model as transformers loads it (or its error)."""
    rng = random.Random(seed)
    family = family or rng.choice(FAMILIES)
    notes = [family]
    settings = config_of(rng, family)
    rope = settings.get("rope_parameters", {})
    notes.append(rope.get("full_attention", rope).get("rope_type", "none"))
    model = build(AutoConfig.for_model(family, **settings), seed)
    store(rng, model, Path(folder), notes)
    return notes, rng


def reference(folder, lengths, rng):
    """What transformers computes: ids and logits by prompt."""
    model, info = AutoModelForCausalLM.from_pretrained(
        folder, attn_implementation="eager", dtype=torch.float32, output_loading_info=True)
    if info["missing_keys"] or info["mismatched_keys"]:
        raise ValueError(f"transformers makes up {sorted(info['missing_keys'])[:2]}")
    model.eval()
    golden = {}
    for name, length in zip("ab", lengths):
        ids = torch.tensor([rng.randrange(VOCABULARY) for _ in range(length)])
        with torch.no_grad():
            golden[f"{name}.ids"], golden[f"{name}.logits"] = ids, model(ids[None]).logits[0].float().contiguous()
    return golden
