"""Holds classifiers against onnxruntime: ONNX files of PyTorch's exporters imported, and Suture's exports run.

    python Tests/Interop/onnx_files.py SUTURE [VARIANTS] [SEED]

Random networks of every family, exported by both exporters, and with one thing changed in their graphs; torchvision's and
timm's own; networks that have to be refused.
Logits of 50 pictures (10 of the large networks) agree within 1e-5 of the largest. A line for each check; ends with an error
at the first that fails.
"""

import copy, io, json, os, random, subprocess, sys, tempfile
from pathlib import Path

# This folder has files that are called as modules are.
sys.path[0] = str(Path(__file__).parents[1] / "Goldens/generate")

import numpy as np
import onnx
import onnxruntime
import torch
from PIL import Image
from safetensors.numpy import save_file

import onnx_networks as networks
import timm
from torchvision import models

SUTURE = sys.argv[1]
VARIANTS = int(sys.argv[2]) if len(sys.argv) > 2 else 60
SEED = int(sys.argv[3]) if len(sys.argv) > 3 else 1
WORK = Path(tempfile.mkdtemp(prefix="suture-onnx-"))
TOLERANCE = 1e-5
torch.set_num_threads(1)


def suture(*arguments, status=0):
    run = subprocess.run([SUTURE, *map(str, arguments)], capture_output=True, text=True)
    if run.returncode != status:
        raise SystemExit(f"failed: suture {' '.join(map(str, arguments))}: {run.returncode}\n{run.stdout}{run.stderr}")
    return run.stdout + run.stderr


def check(condition, message):
    if not condition:
        raise SystemExit(f"failed: {message}")
    print(f"ok: {message}", flush=True)


def runtime(path, pixels):
    """The logits of onnxruntime, as many pictures at a time as the file takes."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    entry = session.get_inputs()[0]
    batch = entry.shape[0] if isinstance(entry.shape[0], int) else len(pixels)
    parts = [session.run(None, {entry.name: pixels[at:at + batch]})[0] for at in range(0, len(pixels), batch)]
    return np.concatenate(parts)


def differs(path, reference, folder, seed, count):
    """How far Suture's logits are from those of the file, and the largest of these; pictures have the right size."""
    config = json.loads((folder / "config.json").read_text())
    channels = config["channels"]
    side = config["preparation"].get("crop", config["preparation"].get("resize"))
    pixels = np.random.default_rng(seed).integers(0, 256, (count, channels, side, side)).astype(np.uint8)
    mean, deviation = (np.array(config[key]).reshape(1, channels, 1, 1) for key in ("mean", "std"))
    seen = ((pixels / 255 - mean) / deviation).astype(np.float32)
    logits = runtime(path, seen)
    tensors = {}
    for index in range(count):
        file = io.BytesIO()
        Image.fromarray(pixels[index, 0] if channels == 1 else pixels[index].transpose(1, 2, 0)).save(file, "PNG")
        tensors[f"{index}.png.file"] = np.frombuffer(file.getvalue(), np.uint8)
        tensors[f"{index}.png.logits"] = np.ascontiguousarray(logits[index])
    save_file(tensors, WORK / "golden.safetensors")
    # Without the crop, which would change pictures that have the right size already.
    plain = WORK / "plain"
    plain.mkdir(exist_ok=True)
    (plain / "config.json").write_text(json.dumps(config | {"preparation": {}}))
    (plain / "model.safetensors").unlink(missing_ok=True)
    (plain / "model.safetensors").symlink_to(folder / "model.safetensors")
    said = suture("parity", plain, "--golden", WORK / "golden.safetensors", "--tolerance", 1e9, "--format", "json")
    far = max(comparison["largest_difference"] for comparison in json.loads(said)["comparisons"])
    with torch.no_grad():
        own = reference(torch.from_numpy(seen[:4])).numpy()
    return far, float(np.abs(logits).max()), seen, own


def holds(name, path, network, seed, count, *options):
    """An import, its logits, and its export, which onnxruntime runs and which is imported as the same, bit for bit."""
    folder, back, again = WORK / "model", WORK / "back.onnx", WORK / "again.onnx"
    suture("import", path, "-o", folder, "--force", *options)
    far, largest, seen, own = differs(path, network, folder, seed, count)
    config = json.loads((folder / "config.json").read_text())
    suture("export", folder, "--to", "onnx", "-o", back, "--force")
    onnx.checker.check_model(onnx.load(back), full_check=True)
    exported = float(np.abs(runtime(back, seen[:4]) - own).max())
    suture("import", back, "-o", WORK / "same", "--force")
    same = all((WORK / "same" / file).read_bytes() == (folder / file).read_bytes()
               for file in ("config.json", "model.safetensors"))
    norms = "" if config["model_type"] == "vit" else f", norms {config.get('batch_norm', True)}"
    check(far <= TOLERANCE * largest and exported <= 2 * TOLERANCE * largest and same,
          f"{name}: {config['model_type']}{norms}; logits of {count} pictures differ by {far / largest:.1e} of the largest, "
          f"those of the export by {exported / largest:.1e}, and it is imported as the same")


def check_variant(number):
    chance = random.Random(SEED * 100_000 + number)
    torch.manual_seed(SEED * 100_000 + number)
    family = networks.FAMILIES[number % len(networks.FAMILIES)]
    network, channels, side = networks.random_network(family, chance)
    networks.lively(network)
    dynamo = chance.random() < 0.5
    # Before opset 14 the older exporter has no attention.
    opset = chance.choice([18, 19, 20, 21, 22, 23] if dynamo else [14, 15, 16, 17, 18] + [13] * (not family.endswith("vit")))
    folded, batch = chance.random() < 0.6, chance.choice([None, None, 1, 2, 5])
    path = WORK / "variant.onnx"
    networks.export(network, path, channels, side, dynamo=dynamo, opset=opset, folded=folded, batch=batch)
    options = ["--mean", "0.4", "--std", "0.3"] if channels == 1 else []
    name = f"variant {number}, {'dynamo' if dynamo else 'script'} {opset}, {'folded' if folded else 'as it is'}, batch {batch}"
    holds(name, path, network, number, 50, *options)


def check_published(name, network, side, count):
    networks.lively(network)
    path = WORK / "published.onnx"
    for dynamo, opset in ((False, 17), (True, 18)):
        networks.export(network, path, 3, side, dynamo=dynamo, opset=opset)
        holds(f"{name}, {'dynamo' if dynamo else 'script'}", path, network, 0, count)


def check_external():
    """Tensors in a file of their own, as PyTorch writes them of large networks."""
    network = networks.lively(networks.random_network("resnet", random.Random(5))[0])
    channels = network.conv1.weight.shape[1]
    path = WORK / "external.onnx"
    torch.onnx.export(network, (torch.randn(2, channels, 40, 40),), path, dynamo=True, external_data=True, verbose=False)
    check((WORK / "external.onnx.data").exists(), "the exporter wrote a file of tensors")
    options = ["--mean", "0.4", "--std", "0.3"] if channels == 1 else []
    holds("tensors in another file", path, network, 1, 10, *options)
    (WORK / "external.onnx.data").write_bytes((WORK / "external.onnx.data").read_bytes()[:-100])
    said = suture("import", path, "-o", WORK / "no", status=4)
    check("ends behind its file" in said, "which is cut: refused")


def check_refused(name, network, side, says=""):
    path = WORK / "other.onnx"
    for dynamo, opset in ((False, 17), (True, 18)):
        networks.export(network.eval(), path, 3, side, dynamo=dynamo, opset=opset)
        said = suture("import", path, "-o", WORK / "no", status=4)
        check(len(said.splitlines()) == 1 and "other.onnx" in said and says in said and not (WORK / "no").exists(),
              f"{name} is refused: {said.strip().split('other.onnx: ')[-1]}")


class Ended(torch.nn.Module):
    """A network with something before or after it."""

    def __init__(self, network, before=None, after=None):
        super().__init__()
        self.network, self.before, self.after = network, before, after

    def forward(self, x):
        x = self.network(self.before(x) if self.before else x)
        return self.after(x) if self.after else x


def tiny():
    return networks.lively(networks.ResNet(networks.BasicBlock, [1, 1], 4, "cifar", 3, 5))


def check_others():
    vit = dict(img_size=32, patch_size=8, embed_dim=24, depth=1, num_heads=3, num_classes=5)
    transformer = timm.models.vision_transformer.VisionTransformer
    check_refused("a network that ends with softmax", Ended(tiny(), after=lambda x: x.softmax(-1)), 32, "Softmax")
    check_refused("a network that prepares its pixels", Ended(tiny(), before=lambda x: (x - 0.5) / 0.25), 32, "pixels")
    check_refused("a network that doubles its scores", Ended(tiny(), after=lambda x: 2 * x), 32)
    check_refused("a transformer with GELU by tanh", transformer(**vit, act_layer="gelu_tanh"), 32)
    check_refused("a transformer with QuickGELU", transformer(**vit, act_layer="quick_gelu"), 32)
    check_refused("a transformer that averages its tokens", transformer(**vit, global_pool="avg"), 32)
    check_refused("a transformer with registers", transformer(**vit, reg_tokens=2), 32)
    check_refused("a transformer with layer scale", transformer(**vit, init_values=0.1), 32)
    check_refused("a transformer with norms of queries", transformer(**vit, qk_norm=True), 32)
    epsilon = transformer(**vit)
    epsilon.blocks[0].norm1.eps = 1e-5
    check_refused("a transformer with another epsilon", epsilon, 32, "epsilon")
    scaled = transformer(**vit)
    scaled.blocks[0].attn.fused_attn, scaled.blocks[0].attn.scale = False, 0.3
    check_refused("a transformer with another scale", scaled, 32, "scaled")
    for name, side in (("mobilenet_v2", 32), ("densenet121", 32), ("resnext50_32x4d", 32), ("wide_resnet50_2", 32),
                       ("googlenet", 64), ("squeezenet1_1", 64), ("efficientnet_b0", 32), ("convnext_tiny", 32)):
        options = {"init_weights": False, "aux_logits": False} if name == "googlenet" else {}
        check_refused(name, getattr(models, name)(weights=None, **options), side)
    swapped = tiny()
    swapped.layer2[0].relu = torch.nn.LeakyReLU(0.1)
    check_refused("a network with one other activation", swapped, 32)


def mutated(model, chance):
    """The graph with one thing changed that a reader may overlook: an attribute, a number, an operator, an edge."""
    model = copy.deepcopy(model)
    nodes = model.graph.node
    at = chance.randrange(len(nodes))
    node = nodes[at]
    kind = chance.choice(["attribute", "number", "operator", "edge", "swap", "skip"])
    if kind == "attribute":
        numbers = [a for a in node.attribute if a.type in (onnx.AttributeProto.INT, onnx.AttributeProto.INTS)]
        if not numbers:
            return None
        attribute = chance.choice(numbers)
        if attribute.type == onnx.AttributeProto.INT:
            attribute.i += chance.choice([-2, -1, 1, 2])
        elif len(attribute.ints) > 1 and chance.random() < 0.6:
            values = list(attribute.ints)
            chance.shuffle(values)
            attribute.ints[:] = values
        elif attribute.ints:
            attribute.ints[chance.randrange(len(attribute.ints))] += chance.choice([-1, 1])
    elif kind == "number":
        tensors = [a.t for n in nodes for a in n.attribute if a.type == onnx.AttributeProto.TENSOR]
        tensors += [t for t in model.graph.initializer if t.data_type == onnx.TensorProto.INT64 or np.prod(t.dims) == 1]
        if not tensors:
            return None
        tensor = chance.choice(tensors)
        values = onnx.numpy_helper.to_array(tensor).copy()
        if not values.size or values.dtype == bool:
            return None
        values.flat[chance.randrange(values.size)] += chance.choice([-1, 1, 2])
        tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
    elif kind == "operator":
        groups = [["Add", "Sub", "Mul", "Div"], ["Relu", "Erf", "Identity", "Sqrt", "Tanh", "Gelu"],
                  ["Squeeze", "Unsqueeze"], ["MaxPool", "AveragePool"], ["Softmax", "LogSoftmax"]]
        others = [op for group in groups if node.op_type in group for op in group if op != node.op_type]
        if not others:
            return None
        node.op_type = chance.choice(others)
    elif kind == "edge":
        values = [name for earlier in nodes[:at] for name in earlier.output]
        values += [t.name for t in model.graph.initializer] if chance.random() < 0.3 else []
        if not values or not node.input:
            return None
        node.input[chance.randrange(len(node.input))] = chance.choice(values)
    elif kind == "swap":
        if len(node.input) < 2:
            return None
        node.input[0], node.input[1] = node.input[1], node.input[0]
    else:
        if not node.input or at == len(nodes) - 1:
            return None
        for later in nodes[at + 1:]:
            for index, name in enumerate(later.input):
                if name in node.output:
                    later.input[index] = node.input[0]
        del nodes[at]
    return model


def check_mutations(family, count):
    """What still runs in onnxruntime after a change is imported as what it is, or refused."""
    chance = random.Random(SEED)
    equal = refused = invalid = 0
    while equal + refused < count:
        torch.manual_seed(chance.randrange(1 << 30))
        network, channels, side = networks.random_network(family, chance)
        networks.lively(network)
        path = WORK / "whole.onnx"
        dynamo = chance.random() < 0.5
        networks.export(network, path, channels, side, dynamo=dynamo, opset=18 if dynamo else 17,
                        folded=chance.random() < 0.5)
        whole = onnx.load(path)
        for _ in range(25):
            model = mutated(whole, chance)
            if model is None:
                continue
            path = WORK / "mutated.onnx"
            path.write_bytes(model.SerializeToString())
            pixels = np.zeros((3, channels, side, side), np.float32)
            try:
                onnx.checker.check_model(model)
                shape = runtime(path, pixels).shape
            except Exception:
                invalid += 1
                continue
            options = ["--mean", "0.4", "--std", "0.3"] if channels == 1 else []
            run = subprocess.run([SUTURE, "import", path, "-o", WORK / "model", "--force", *options],
                                 capture_output=True, text=True)
            if run.returncode == 4:
                check_quietly(len(run.stderr.splitlines()) == 1, run.stderr)
                refused += 1
                continue
            check_quietly(run.returncode == 0 and len(shape) == 2, f"{run.returncode} {run.stderr}")
            far, largest, _, _ = differs(path, network, WORK / "model", 3, 3)
            if not far <= TOLERANCE * largest:
                (WORK / "different.onnx").write_bytes(model.SerializeToString())
            check_quietly(far <= TOLERANCE * largest, f"{WORK}/different.onnx ({path}) is imported, and differs by {far}")
            equal += 1
    check(refused > 0, f"{family}, one thing changed in {equal + refused} graphs that onnxruntime runs: "
          f"{refused} refused, {equal} equal to what they compute ({invalid} more do not run)")


def check_quietly(condition, message):
    if not condition:
        raise SystemExit(f"failed: {message}")


def check_control():
    """A weight that is a little different does not pass, so that what passes means something."""
    network, path = tiny(), WORK / "control.onnx"
    networks.export(network, path, 3, 32, dynamo=False, opset=17, folded=False)
    suture("import", path, "-o", WORK / "control")
    network.layer1[0].conv1.weight.data[0, 0, 0, 0] += 1e-2
    networks.export(network, path, 3, 32, dynamo=False, opset=17, folded=False)
    far, largest, _, _ = differs(path, network, WORK / "control", 3, 50)
    check(far > TOLERANCE * largest, f"a weight that is a little different does not pass ({far / largest:.1e})")


for number in range(VARIANTS):
    check_variant(number)
check_control()
for family in networks.FAMILIES:
    check_mutations(family, 2 * VARIANTS)
check_external()
check_others()
check_published("CIFAR resnet20", networks.cifar_resnets.CIFARResNet(3), 32, 50)
check_published("CIFAR resnet56 with padded shortcuts", networks.PaddedCIFARResNet(9), 32, 50)
check_published("torchvision resnet18", models.resnet18(weights=None), 224, 10)
check_published("torchvision resnet50", models.resnet50(weights=None), 224, 10)
check_published("timm resnet18", timm.create_model("resnet18", pretrained=False), 224, 10)
check_published("torchvision vgg11_bn", models.vgg11_bn(weights=None), 224, 10)
check_published("torchvision vit_b_16", models.vit_b_16(weights=None), 224, 10)
check_published("timm vit_tiny_patch16_224", timm.create_model("vit_tiny_patch16_224", pretrained=False), 224, 10)
