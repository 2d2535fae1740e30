"""Random adapters made with peft: methods, targets and patterns; what is merged is compared, both ways."""

import random
import warnings

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModelForCausalLM

from . import variants

FAMILIES = ["llama", "qwen2", "phi", "phi3", "gemma", "gpt2", "gpt_neox", "starcoder2", "granite", "olmo2", "gpt_bigcode"]


def base(seed, folder, family=None):
    rng = random.Random(seed * 104729 + 7)
    family = family or rng.choice(FAMILIES)
    settings = variants.config_of(rng, family)
    settings["num_hidden_layers" if "num_hidden_layers" in settings else "n_layer"] = 2
    model = variants.build(AutoConfig.for_model(family, **settings), seed)
    model.save_pretrained(folder)
    return rng, family, model


def options(rng, model, notes):
    """A random LoraConfig's settings."""
    linear = sorted({
        n.split(".")[-1] for n, m in model.named_modules()
        if type(m).__name__ in ("Linear", "Conv1D") and n.split(".")[-1] not in ("lm_head", "embed_out")
    })  # fmt: skip
    targets = rng.sample(linear, rng.randint(1, min(4, len(linear))))
    embedding = next(n.split(".")[-1] for n, m in model.named_modules() if isinstance(m, torch.nn.Embedding))
    head = "embed_out" if hasattr(model, "embed_out") else "lm_head"
    rank = rng.choice([1, 2, 4])
    config = dict(r=rank, lora_alpha=rng.choice([1, 4, 16]), lora_dropout=0.0, target_modules=targets)
    tied = model.config.tie_word_embeddings
    if rng.random() < 0.25 and not tied:
        config["target_modules"] = targets + [rng.choice([embedding, head])]
        notes.append(config["target_modules"][-1])
    elif rng.random() < 0.2 and not tied:
        config["modules_to_save"] = [rng.choice([embedding, head])]
        notes.append("saves " + config["modules_to_save"][0])
    if rng.random() < 0.3:
        config["use_rslora"] = True
    if rng.random() < 0.25 and config["target_modules"] == targets:
        config["use_dora"] = True
        notes.append("dora")
    if rng.random() < 0.2 and not config.get("modules_to_save"):
        config["bias"] = rng.choice(["all", "lora_only"])
        notes.append("bias " + config["bias"])
    if rng.random() < 0.3:
        name = rng.choice(targets)
        config["alpha_pattern"] = {rng.choice([name, rf"0\..*{name}", rf".*[01].*\.{name}"]): 3}
        config["rank_pattern"] = {name: rng.choice([1, 3])}
        notes.append("patterns")
    if rng.random() < 0.2:
        config["layers_to_transform"] = [rng.randint(0, 1)]
    return config


def train(model, seed):
    """Random numbers in place of training."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if "lora_" in name and "magnitude" not in name:
                p.copy_(0.3 * torch.randn(p.shape, generator=generator))
            elif "magnitude" in name or "modules_to_save" in name or p.requires_grad:
                p.copy_(p * (1 + 0.2 * torch.rand(p.shape, generator=generator)))


def variant(seed, folder, family=None):
    """Writes base/ and adapter/, and returns notes and the merged tensors by their names in the base."""
    rng, family, model = base(seed, folder / "base", family)
    notes = [family]
    settings = options(rng, model, notes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tuned = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", **settings))
        train(tuned, seed)
        tuned.save_pretrained(folder / "adapter")
        fresh = AutoModelForCausalLM.from_pretrained(folder / "base", dtype=torch.float32)
        merged = PeftModel.from_pretrained(fresh, folder / "adapter").merge_and_unload()
    return notes, {n: t.float().clone() for n, t in merged.state_dict().items()}


def stored(folder):
    tensors = {}
    for path in folder.glob("*.safetensors"):
        tensors |= load_file(path)
    return {n: t.float() for n, t in tensors.items()}


def farthest(expected, found):
    """The largest difference, as a fraction of the tensor's size, of tensors that the file has."""
    worst = (0.0, "")
    for name, value in found.items():
        if name not in expected:
            continue
        far = float((value - expected[name]).abs().max() / expected[name].abs().max().clamp(min=1e-6))
        worst = max(worst, (far, name))
    return worst


def merged_again(folder):
    """What peft makes of an adapter on the base."""
    model = AutoModelForCausalLM.from_pretrained(folder / "base", dtype=torch.float32)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        tuned = PeftModel.from_pretrained(model, folder / "exported")
    missing = [str(w.message)[:100] for w in caught if "missing" in str(w.message).lower()]
    return {n: t.float() for n, t in tuned.merge_and_unload().state_dict().items()}, missing
