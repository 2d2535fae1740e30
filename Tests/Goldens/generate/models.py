#!/usr/bin/env python3
"""Tiny random models and what `transformers` computes with them (float32, eager attention, one thread).

    .deps/python/bin/python Tests/Goldens/generate/models.py

Writes Tests/Goldens/models/<name>/: a snapshot directory (config.json and safetensors, as save_pretrained
writes them) and golden.safetensors. Weights are larger than a usual initialization and norm gains differ
from 1, so that a wrong transpose, permutation, bias or scale cannot hide.

Names in golden.safetensors; L layers, T positions, d width, m MLP width, H heads, V vocabulary:
  a.* and b.*            two prompts, run alone
    ids [T]              int64
    logits [T, V]
    residual [L+1, T, d] entering layer l; the last is what enters the final norm
    attn.heads [L, T, H, d_head]   the attention's result for each head = input of its output projection
    attn.out [L, T, d]   output of the attention block, as added to the residual
    mlp.hidden [L, T, m] input of the MLP's output projection: act(gate) * up, or act(fc)
    mlp.out [L, T, d]    output of the MLP block, as added to the residual
    greedy [12]          int64, the tokens that greedy decoding adds
  batch.*                both prompts in one batch, padded on the left with id 0
    ids, mask, positions [2, T]    int64; mask 0 and position 0 at padding
    logits [2, T, V]     zero at padding, where they mean nothing
  intervene.*            changes of prompt a, each on its own
    residual.{layer, position, vector [d], logits [T, V]}   residual entering the layer replaced there
    neuron.{layer, index, position, value, logits}          one entry of mlp.hidden set to value
    head.{layer, index, logits}                             that head's result zeroed at all positions
    column.{layer, index, vector [d], logits}               vector added to the neuron's write vector,
                                                            a column of down_proj (a row of a Conv1D)
  grad.*                 gradients on prompt a, at its last position
    target, foil         int64, the second and the first token by logit
    probability          softmax probability of the target
    mlp.hidden [L, T, m] d probability / d mlp.hidden
    residual.1 [T, d]    d (logit of target - logit of foil) / d residual entering layer 1
"""

import json
import shutil

import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModelForCausalLM,
    CodeGenConfig,
    CodeGenForCausalLM,
    GemmaConfig,
    GemmaForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    GPTBigCodeConfig,
    GPTBigCodeForCausalLM,
    GPTJConfig,
    GPTJForCausalLM,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    Phi3Config,
    Phi3ForCausalLM,
    PhiConfig,
    PhiForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
    Starcoder2Config,
    Starcoder2ForCausalLM,
)

from models_record import GOLDENS, Parts, hooked, on_input, record, update_manifest, write

SEED = 20261124
MODELS = GOLDENS / "models"
PROMPT_A = [5, 60, 23, 91, 7, 42, 42, 88, 14, 3, 71, 29]
PROMPT_B = [81, 2, 33, 67, 19, 54, 11]
LAYER = 1  # where the interventions act; the head is one layer further up

LLAMA = dict(
    vocab_size=97, hidden_size=32, intermediate_size=48, num_hidden_layers=3, num_attention_heads=4,
    num_key_value_heads=2, max_position_embeddings=64, tie_word_embeddings=False, rms_norm_eps=1e-5,
    bos_token_id=1, eos_token_id=2, pad_token_id=0,
)  # fmt: skip
GPT2 = dict(
    vocab_size=97, n_embd=32, n_layer=3, n_head=4, n_positions=64, bos_token_id=1, eos_token_id=2,
    resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0,
)  # fmt: skip
# What the configurations of other families call by the names of Llama, without the settings that they do not have.
COMMON = {k: v for k, v in LLAMA.items() if k not in ("num_key_value_heads", "rms_norm_eps", "tie_word_embeddings")}
# The same for those that follow GPT-2. CodeGen has four blocks of heads, and two heads in each show their order.
GPTJ = dict(
    vocab_size=97, n_embd=32, n_inner=48, n_layer=3, n_head=2, rotary_dim=8, n_positions=64, bos_token_id=1,
    eos_token_id=2,
)  # fmt: skip
LLAMA3_ROPE = dict(
    rope_type="llama3", rope_theta=10000.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
    original_max_position_embeddings=32,
)  # fmt: skip


def build(make, config, embedding=0.5):
    """A model whose weights come from SEED alone; `embedding` is the deviation of its embeddings."""
    model = make(config).eval()
    generator = torch.Generator().manual_seed(SEED)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if parameter.dim() == 1:
                gain = "norm" in name or ".ln_" in name
                parameter.copy_(1 + 0.3 * noise if gain and name.endswith("weight") else 0.3 * noise)
            else:
                parameter.copy_((embedding if "embed" in name or "wte" in name else 0.2) * noise)
    return model


def save(name, model, **options):
    folder = MODELS / name
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder, **options)
    (folder / "generation_config.json").unlink(missing_ok=True)
    return folder


def use_older_rope_keys(folder, theta="rope_theta", share=None):
    """Writes the rotary settings as snapshots made before transformers 5 have them, under these names."""
    path = folder / "config.json"
    config = json.loads(path.read_text())
    rope = config.pop("rope_parameters")
    config[theta] = rope.pop("rope_theta")
    if share:
        config[share] = rope.pop("partial_rotary_factor")
    if rope.get("rope_type") != "default":
        config["rope_scaling"] = rope
    config["torch_dtype"] = config.pop("dtype")
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def use_older_activation(folder):
    """Says "gelu" where its approximation is meant, as the first snapshots of Gemma do."""
    path = folder / "config.json"
    path.write_text(path.read_text().replace('"gelu_pytorch_tanh"', '"gelu"'))


def use_original_gpt2_names(folder):
    """Renames the tensors as in the first GPT-2 checkpoints: no prefix, and the causal masks stored."""
    path = folder / "model.safetensors"
    tensors = {name.removeprefix("transformer."): value for name, value in load_file(path).items()}
    for layer in range(GPT2["n_layer"]):
        tensors[f"h.{layer}.attn.bias"] = torch.ones(1, 1, 64, 64).tril()
    save_file(tensors, path, metadata={"format": "pt"})


def observe(model, ids, prefix):
    with torch.no_grad():
        logits, sites = record(model, ids)
    stacked = {site: torch.cat(values) for site, values in sites.items()}
    heads = stacked["attn.heads"]
    stacked["attn.heads"] = heads.reshape(*heads.shape[:2], Parts(model).head_count, -1)
    greedy = list(ids)
    with torch.no_grad():
        for _ in range(12):
            greedy.append(model(input_ids=torch.tensor([greedy]), use_cache=False).logits[0, -1].argmax().item())
    named = {"ids": torch.tensor(ids), "logits": logits, "greedy": torch.tensor(greedy[len(ids) :]), **stacked}
    return {f"{prefix}.{site}": value for site, value in named.items()}


def run_batch(model):
    width = max(len(PROMPT_A), len(PROMPT_B))
    rows = [[0] * (width - len(p)) + p for p in (PROMPT_A, PROMPT_B)]
    mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in (PROMPT_A, PROMPT_B)])
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    ids = torch.tensor(rows)
    with torch.no_grad():
        logits = model(input_ids=ids, attention_mask=mask, position_ids=positions, use_cache=False).logits
    for row, prompt in enumerate((PROMPT_A, PROMPT_B)):
        alone = model(input_ids=torch.tensor([prompt]), use_cache=False).logits[0]
        assert (logits[row, width - len(prompt) :] - alone).abs().max() < 1e-4, "padded differs from unpadded"
    logits = logits * mask[..., None]
    return {"batch.ids": ids, "batch.mask": mask, "batch.positions": positions, "batch.logits": logits}


def intervene(model):
    parts = Parts(model)
    generator = torch.Generator().manual_seed(SEED + 1)
    width = parts.embedding.weight.shape[1]
    last = len(PROMPT_A) - 1
    position, neuron, head, value = 4, 17, 1, 3.0
    vector = torch.randn(width, generator=generator)
    column = 0.5 * torch.randn(width, generator=generator)

    def run(handles=()):
        with hooked(handles), torch.no_grad():
            return model(input_ids=torch.tensor([PROMPT_A]), use_cache=False).logits[0]

    def replace_residual(x):
        x = x.clone()
        x[0, position] = vector
        return x

    def set_neuron(x):
        x = x.clone()
        x[0, last, neuron] = value
        return x

    def zero_head(x):
        x = x.clone()
        size = x.shape[-1] // parts.head_count
        x[..., head * size : (head + 1) * size] = 0
        return x

    clean = run()
    weight = parts.mlp_output[LAYER].weight
    kept = weight.detach().clone()
    changed = {
        "residual": run([on_input(parts.layers[LAYER], replace_residual)]),
        "neuron": run([on_input(parts.mlp_output[LAYER], set_neuron)]),
        "head": run([on_input(parts.attention_output[LAYER + 1], zero_head)]),
    }
    with torch.no_grad():
        (weight[neuron] if parts.output_is_transposed else weight[:, neuron]).add_(column)
        changed["column"] = run()
        weight.copy_(kept)
    for name, logits in changed.items():
        assert (logits - clean).abs().max() > 1e-2, f"the change of {name} does not show"
    return {
        "intervene.residual.layer": torch.tensor(LAYER),
        "intervene.residual.position": torch.tensor(position),
        "intervene.residual.vector": vector,
        "intervene.neuron.layer": torch.tensor(LAYER),
        "intervene.neuron.index": torch.tensor(neuron),
        "intervene.neuron.position": torch.tensor(last),
        "intervene.neuron.value": torch.tensor(value),
        "intervene.head.layer": torch.tensor(LAYER + 1),
        "intervene.head.index": torch.tensor(head),
        "intervene.column.layer": torch.tensor(LAYER),
        "intervene.column.index": torch.tensor(neuron),
        "intervene.column.vector": column,
    } | {f"intervene.{name}.logits": logits for name, logits in changed.items()}


def differentiate(model):
    logits, sites = record(model, PROMPT_A, keep_graph=True)
    foil, target = logits[-1].topk(2).indices.tolist()
    probability = logits[-1].softmax(-1)[target]
    hidden = torch.autograd.grad(probability, sites["mlp.hidden"], retain_graph=True)
    difference = logits[-1, target] - logits[-1, foil]
    residual = torch.autograd.grad(difference, sites["residual"][1])[0]
    return {
        "grad.target": torch.tensor(target),
        "grad.foil": torch.tensor(foil),
        "grad.probability": probability,
        "grad.mlp.hidden": torch.cat(hidden),
        "grad.residual.1": residual[0],
    }


def golden(folder):
    """Computes everything from the files, so that what is checked is what was written."""
    model = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager", local_files_only=True
    ).eval()
    tensors = observe(model, PROMPT_A, "a") | observe(model, PROMPT_B, "b")
    tensors |= run_batch(model) | intervene(model) | differentiate(model)
    write(folder / "golden.safetensors", tensors, seed=SEED)
    return tensors


def main():
    torch.set_num_threads(1)
    transformers.logging.disable_progress_bar()
    llama = build(LlamaForCausalLM, LlamaConfig(**LLAMA))
    folders = [
        save("llama", llama),
        save("llama-sharded", llama, max_shard_size="50KB"),
        save("llama-bf16", build(LlamaForCausalLM, LlamaConfig(**LLAMA)).to(torch.bfloat16)),
        save("llama-bias", build(LlamaForCausalLM, LlamaConfig(**LLAMA, attention_bias=True, mlp_bias=True))),
        save("mistral", build(MistralForCausalLM, MistralConfig(**LLAMA, sliding_window=5))),
        save("qwen2", build(Qwen2ForCausalLM, Qwen2Config(**LLAMA | {"tie_word_embeddings": True}))),
        save("gpt2", build(GPT2LMHeadModel, GPT2Config(**GPT2))),
    ]
    neox = dict(COMMON, rotary_pct=0.5)
    codegen = dict(GPTJ, n_embd=48, n_head=8, rotary_dim=4)
    folders += [
        save("gptj", build(GPTJForCausalLM, GPTJConfig(**GPTJ))),
        save("codegen", build(CodeGenForCausalLM, CodeGenConfig(**codegen)).half()),
        save("gpt-neox", build(GPTNeoXForCausalLM, GPTNeoXConfig(**neox))),
        save("gpt-neox-sequential", build(GPTNeoXForCausalLM, GPTNeoXConfig(
            **COMMON, use_parallel_residual=False, attention_bias=False, hidden_act="gelu_new"))),
    ]
    use_older_rope_keys(folders[-1], theta="rotary_emb_base", share="rotary_pct")
    bigcode = dict({k: v for k, v in GPT2.items() if "pdrop" not in k}, n_inner=48)
    starcoder2 = dict(COMMON, num_key_value_heads=2, sliding_window=5)
    folders += [
        save("qwen3", build(Qwen3ForCausalLM, Qwen3Config(**LLAMA, head_dim=16))),
        save("starcoder2", build(Starcoder2ForCausalLM, Starcoder2Config(**starcoder2)).to(torch.bfloat16)),
        save("gpt-bigcode", build(GPTBigCodeForCausalLM, GPTBigCodeConfig(**bigcode))),
        save("gpt-bigcode-heads", build(GPTBigCodeForCausalLM, GPTBigCodeConfig(**bigcode, multi_query=False))),
        save("phi", build(PhiForCausalLM, PhiConfig(**COMMON, num_key_value_heads=2))),
        save("phi3", build(Phi3ForCausalLM, Phi3Config(**LLAMA, sliding_window=7))),
        save("gemma", build(GemmaForCausalLM, GemmaConfig(
            **COMMON, num_key_value_heads=1, head_dim=16), embedding=0.1)),  # which are multiplied
    ]
    use_older_activation(folders[-1])
    tied = LLAMA | {"tie_word_embeddings": True, "head_dim": 16, "rope_parameters": LLAMA3_ROPE}
    folders.append(save("llama-tied", build(LlamaForCausalLM, LlamaConfig(**tied))))
    use_older_rope_keys(folders[-1])
    unusual = dict(
        n_inner=80, scale_attn_by_inverse_layer_idx=True, activation_function="gelu", layer_norm_epsilon=1e-3
    )
    folders.append(save("gpt2-unusual", build(GPT2LMHeadModel, GPT2Config(**GPT2, **unusual))))
    before = build(GPT2LMHeadModel, GPT2Config(**GPT2, **unusual))
    use_original_gpt2_names(folders[-1])
    for folder in folders:
        tensors = golden(folder)
        if folder.name == "gpt2-unusual":
            again = before(input_ids=torch.tensor([PROMPT_A])).logits[0]
            assert (again - tensors["a.logits"]).abs().max() < 1e-5, "renamed tensors were not loaded"
        sizes = {f.name: f.stat().st_size for f in folder.iterdir()}
        assert max(sizes.values()) < 300_000, sizes
        print(f"{folder.name}: {sizes}, P(target) {tensors['grad.probability']:.3g}")
    update_manifest("models", MODELS, generator="generate/models.py", seed=SEED)


if __name__ == "__main__":
    main()
