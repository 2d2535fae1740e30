"""Holds what Suture writes against the software that reads it: peft, transformers, gguf, and the plain Python reader.

    python Tests/Interop/interop.py SUTURE

On the tiny Llama and GPT-2 of the goldens. A line for each check; ends with an error at the first that fails.
"""

import json, shutil, subprocess, sys, tempfile, warnings
from pathlib import Path

import numpy as np
import torch
from gguf import GGUFReader
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, logging

ROOT = Path(__file__).parents[2]
SUTURE = sys.argv[1]
WORK = Path(tempfile.mkdtemp(prefix="suture-interop-"))
torch.manual_seed(0)
torch.set_num_threads(1)
logging.set_verbosity_error()
logging.disable_progress_bar()
warnings.simplefilter("ignore", FutureWarning)


def suture(*arguments):
    return subprocess.run([SUTURE, *map(str, arguments)], check=True, capture_output=True, text=True).stdout.strip()


def check(condition, message):
    if not condition:
        raise SystemExit(f"failed: {message}")
    print(f"ok: {message}")


def tensors(path):
    files = sorted(Path(path).glob("model*.safetensors"))
    return {name: tensor for file in files for name, tensor in load_file(file).items()}


def model(path):
    return AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32).eval()


def logits(network):
    with torch.no_grad():
        return network(torch.arange(1, 9)[None]).logits


def tuned(base, name, change, pattern):
    """A copy of a model with other weights."""
    path = WORK / name
    shutil.copytree(base, path)
    weights = tensors(base)
    for key, tensor in weights.items():
        if any(part in key for part in pattern) and tensor.dim() == 2:
            change(tensor)
    for file in path.glob("model*.safetensors*"):
        file.unlink()
    save_file(weights, path / "model.safetensors", metadata={"format": "pt"})
    return path


def columns(tensor):
    tensor[:, 3] += torch.randn(tensor.shape[0]) * 0.1
    tensor[:, 7] += 0.05


def low_rank(tensor):
    # Dyadic numbers: the product is exact in float32, in whatever order it is summed.
    a = torch.randint(-4, 5, (2, tensor.shape[1])) / 32.0
    b = torch.randint(-4, 5, (tensor.shape[0], 2)) / 32.0
    tensor += b @ a


def merged(base, adapter):
    """The weights that peft makes of a model and an adapter, which it has to load without a warning."""
    # What transformers says of its own future is none of the adapter's business.
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        network = PeftModel.from_pretrained(model(base), adapter)
        merged = network.merge_and_unload()
    about = [str(w.message) for w in caught if "peft" in str(w.filename) or "adapter" in str(w.message).lower()]
    check(not about, f"peft loads {Path(adapter).name} without a warning {about}")
    return merged.state_dict()


def check_adapters(family, base, pattern):
    patch, out = WORK / f"{family}.safetensors", WORK / f"{family}-patched"
    suture("extract", base, tuned(base, f"{family}-tuned", columns, pattern), "-o", patch)
    suture("apply", base, patch, "-o", out)
    expected = tensors(out)
    adapter = WORK / f"{family}-peft"
    suture("export", patch, "--to", "peft", "--base", base, "-o", adapter)
    found = merged(base, adapter)
    check(all(torch.equal(found[key], value) for key, value in expected.items() if key in found),
          f"{family}: peft merges the exported columns to the bits that apply writes")
    check(torch.equal(logits(model(out)), logits(PeftModel.from_pretrained(model(base), adapter).merge_and_unload())),
          f"{family}: the patched snapshot and the merged model have equal logits in transformers")

    # What peft saved comes back as a patch.
    again = WORK / f"{family}-again.safetensors"
    suture("import", adapter, "--base", base, "-o", again)
    suture("apply", base, again, "-o", WORK / f"{family}-again")
    check(all(torch.equal(a, expected[key]) for key, a in tensors(WORK / f"{family}-again").items()),
          f"{family}: the exported adapter, imported, is the patch")
    return patch, expected


def check_foreign_adapter(base):
    """An adapter that peft made itself, with a scale other than one, stabilized or not."""
    from peft import LoraConfig, get_peft_model

    for stabilized in (False, True):
        config = LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "down_proj"], use_rslora=stabilized)
        network = get_peft_model(model(base), config)
        with torch.no_grad():
            for name, parameter in network.named_parameters():
                if "lora_" in name:
                    parameter.copy_(torch.randint(-4, 5, parameter.shape) / 32.0)
        path = WORK / f"foreign-{stabilized}"
        network.save_pretrained(path)
        suture("import", path, "--base", base, "-o", f"{path}.safetensors")
        suture("apply", base, f"{path}.safetensors", "-o", f"{path}-model")
        found, expected = tensors(f"{path}-model"), network.merge_and_unload().state_dict()
        check(all(torch.equal(found[key], expected[key]) for key in found),
              f"an adapter made by peft (rslora {stabilized}) is applied to the bits that peft merges")
        suture("export", f"{path}.safetensors", "--to", "peft", "-o", f"{path}-again")
        again = merged(base, f"{path}-again")
        check(all(torch.equal(again[key], expected[key]) for key in expected),
              f"that adapter (rslora {stabilized}), exported again, merges to the same bits")


def check_low_rank(base):
    """Factors whose product is not exact in float32.

    peft rounds the product, and then the sum with the weight; apply adds the product in float64 and rounds once. So the
    two differ where the first rounding matters, by no more than it can: no choice of factors of the same rank can undo
    that. Where the product is exact (see `check_foreign_adapter`, and exported columns) the bits are equal.
    """
    patch, out, adapter = WORK / "low-rank.safetensors", WORK / "low-rank", WORK / "low-rank-peft"
    suture("extract", base, tuned(base, "low-rank-tuned", low_rank, ["mlp"]), "--low-rank", "1e-3", "-o", patch)
    suture("apply", base, patch, "-o", out)
    suture("export", patch, "--to", "peft", "-o", adapter)
    found, expected = merged(base, adapter), tensors(out)
    scale = (lambda c: c["lora_alpha"] / c["r"])(json.loads((adapter / "adapter_config.json").read_text()))
    def factors(letter):
        ending = f".lora_{letter}.weight"
        return {key.removeprefix("base_model.model.").removesuffix(ending): value.double()
                for key, value in load_file(adapter / "adapter_model.safetensors").items() if key.endswith(ending)}

    left, right = factors("B"), factors("A")
    equal, count, within = 0, 0, True
    for key, a in right.items():
        one, two = found[f"{key}.weight"], expected[f"{key}.weight"]
        # r products and r - 1 sums are rounded, the scale, and the sum with the weight on either side.
        bound = (a.shape[0] + 1) * 2.0**-24 * scale * (left[key].abs() @ a.abs()) + 2.0**-23 * two.double().abs()
        within = within and bool(((one.double() - two.double()).abs() <= bound).all())
        equal, count = equal + (one == two).sum().item(), count + one.numel()
    check(count > 0 and within, f"low-rank factors merge within the rounding of their product ({equal} of {count} equal)")
    untouched = [key for key in expected if key in found and key.removesuffix(".weight") not in right]
    check(all(torch.equal(found[key], expected[key]) for key in untouched), "low rank: the other tensors are equal")
    suture("import", adapter, "--base", base, "-o", WORK / "low-rank-again.safetensors")
    suture("apply", base, WORK / "low-rank-again.safetensors", "-o", WORK / "low-rank-again")
    check(all(torch.equal(a, expected[key]) for key, a in tensors(WORK / "low-rank-again").items()),
          "low rank: the exported adapter, imported, is applied to the bits of the patch")


def check_gguf(base, patch, expected):
    file = WORK / "adapter.gguf"
    suture("export", patch, "--to", "gguf", "--base", base, "-o", file)
    reader = GGUFReader(file)
    text = {key: reader.fields[key].contents() for key in ("general.type", "general.architecture", "adapter.type")}
    check(text == {"general.type": "adapter", "general.architecture": "llama", "adapter.type": "lora"},
          "gguf reads the adapter's metadata")
    found = {t.name: np.array(t.data).reshape([int(n) for n in reversed(t.shape)]) for t in reader.tensors}
    rank = reader.fields["adapter.lora.alpha"].contents()
    for layer in range(2):
        name, key = f"blk.{layer}.ffn_down.weight", f"model.layers.{layer}.mlp.down_proj.weight"
        a, b = found[f"{name}.lora_a"], found[f"{name}.lora_b"]
        check(a.shape[0] == rank, f"gguf: the rank of {name} is alpha")
        check(np.array_equal(tensors(base)[key].numpy() + b @ a, expected[key].numpy()), f"gguf: {name} is the patch")


def check_mlx(base, patch, expected):
    path = WORK / "mlx"
    suture("export", patch, "--to", "mlx", "-o", path)
    config = json.loads((path / "adapter_config.json").read_text())
    # What mlx_lm.tuner.utils.load_adapters asks for.
    parameters = config["lora_parameters"]
    check(config["fine_tune_type"] == "lora" and isinstance(config["num_layers"], int)
          and set(parameters) == {"rank", "scale", "dropout", "keys"}, "mlx: the configuration has its schema")
    weights, plain = load_file(path / "adapters.safetensors"), tensors(base)
    for name in {key.rsplit(".", 1)[0] for key in weights}:
        a, b = weights[f"{name}.lora_a"], weights[f"{name}.lora_b"]
        check(a.shape[1] == b.shape[0] == parameters["rank"] and any(name.endswith(k) for k in parameters["keys"])
              and torch.equal(plain[f"{name}.weight"] + parameters["scale"] * (a @ b).T, expected[f"{name}.weight"]),
              f"mlx: {name} is the patch")
    suture("import", path, "--base", base, "-o", WORK / "mlx.safetensors")
    suture("apply", base, WORK / "mlx.safetensors", "-o", WORK / "mlx-model")
    check(all(torch.equal(a, expected[key]) for key, a in tensors(WORK / "mlx-model").items()), "mlx: imported again")


def check_plain_reader(base):
    """Examples/apply_patch.py applies each kind as the library does."""
    dense = lambda tensor: tensor.add_(torch.randn_like(tensor) * 0.05)
    other = tuned(base, "dense", dense, ["weight"])
    forms = {"full": [], "sparse": ["--sparse", "0.1"], "low-rank": ["--low-rank", "0.5"], "4 bits": ["--bits", "4"],
             "3 bits, per tensor, asymmetric": ["--bits", "3", "--per-tensor", "--asymmetric"], "1 bit": ["--bits", "1"],
             "2 bits, log": ["--bits", "2", "--log"], "8 bits, log, per tensor": ["--bits", "8", "--log", "--per-tensor"],
             "16 bits, log": ["--bits", "16", "--log"]}
    files = []
    for number, (name, form) in enumerate(forms.items()):
        files.append(WORK / f"form-{number}.safetensors")
        suture("extract", base, other, *form, "-o", files[-1])
    suture("combine", *files, "-o", WORK / "combined.safetensors")
    for name, file in [*zip(forms, files), ("combined", WORK / "combined.safetensors")]:
        out, plain = WORK / f"by-suture-{file.stem}", WORK / f"by-python-{file.stem}.safetensors"
        suture("apply", base, file, "-o", out, "--scale", "0.7")
        subprocess.run([sys.executable, ROOT / "Examples/apply_patch.py", base / "model.safetensors", file, plain,
                        "--scale", "0.7"], check=True)
        check(plain.read_bytes() == (out / "model.safetensors").read_bytes(), f"Examples/apply_patch.py: {name}")


try:
    llama, gpt2 = ROOT / "Tests/Goldens/models/llama", ROOT / "Tests/Goldens/models/gpt2"
    patch, expected = check_adapters("llama", llama, ["down_proj"])
    check_adapters("gpt2", gpt2, ["mlp.c_proj"])
    check_foreign_adapter(llama)
    check_low_rank(llama)
    check_gguf(llama, patch, expected)
    check_mlx(llama, patch, expected)
    check_plain_reader(llama)
finally:
    shutil.rmtree(WORK)
