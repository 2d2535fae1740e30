"""Holds classifiers against torchvision and timm: weights as they save them, pictures as they prepare them, logits.

    python Tests/Interop/vision.py SUTURE

Random weights, 50 pictures of many sizes and kinds. A line for each check; ends with an error at the first that fails.
"""

import io, json, os, random, subprocess, sys, tempfile
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file

# The operators of torchvision are built for CUDA in the usual wheel and do not load; no network here needs them, but
# their names must be there when it is imported.
try:
    import torchvision
except RuntimeError:
    for module in [name for name in sys.modules if name.startswith("torchvision")]:
        del sys.modules[module]
    operators = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        operators.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    import torchvision

import timm
from PIL import Image

sys.path.append(str(Path(__file__).parents[1] / "Goldens/generate"))
import cifar_resnets
from torchvision import models

SUTURE = sys.argv[1]
WORK = Path(tempfile.mkdtemp(prefix="suture-vision-"))
TOLERANCE = 1e-4
torch.manual_seed(0)
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


def pictures(count):
    """Files of noise over slow waves, so that every frequency is there: portrait, landscape, grey, palette, alpha."""
    chance = random.Random(0)
    for index in range(count):
        width, height = chance.choice([(500, 375), (375, 500), (640, 427), (256, 256), (224, 224), (97, 301), (801, 259)])
        width, height = width + chance.randrange(7), height + chance.randrange(7)
        noise = np.random.default_rng(index)
        y, x = np.mgrid[:height, :width]
        waves = [127 + 80 * np.sin(x / noise.uniform(3, 90) + y / noise.uniform(3, 90)) for _ in range(3)]
        pixels = np.stack(waves, -1) + noise.normal(0, 30, (height, width, 3))
        image = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
        image = image.convert(("RGB", "RGB", "L", "P", "RGBA")[index % 5])
        kind = "PNG" if image.mode in ("P", "RGBA") or index % 2 else "JPEG"
        file = io.BytesIO()
        image.save(file, kind, **({"quality": 90} if kind == "JPEG" else {}))
        yield f"{index:02}.{kind.lower()}", file.getvalue()


PICTURES = list(pictures(50))


def golden(name, network, transform, files=PICTURES):
    """What the network says of the pictures, prepared by its own library."""
    tensors = {}
    with torch.no_grad():
        for picture, data in files:
            image = Image.open(io.BytesIO(data)).convert("RGB")
            tensors[f"{picture}.file"] = torch.frombuffer(bytearray(data), dtype=torch.uint8)
            tensors[f"{picture}.logits"] = network(transform(image)[None])[0].contiguous()
    path = WORK / f"{name}.golden.safetensors"
    save_file(tensors, path)
    return path


def lively(network):
    """Running averages that are not those of a network that saw nothing."""
    for part in network.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.running_mean.normal_(0, 0.1)
            part.running_var.uniform_(0.5, 1.5)
            part.weight.data.uniform_(0.5, 1.2)
            part.bias.data.normal_(0, 0.1)
        # A head of zeros, with which torchvision's transformers begin, would make all scores equal.
        if isinstance(part, torch.nn.Linear) and not part.weight.any():
            part.weight.data.normal_(0, 0.05)
    return network.eval()


def save(name, network):
    path = WORK / f"{name}.safetensors"
    save_file({key: tensor.contiguous() for key, tensor in network.state_dict().items()}, path)
    return path


def holds(name, model, golden, count):
    result = json.loads(suture("parity", model, "--golden", golden, "--tolerance", TOLERANCE, "--format", "json"))
    largest = max(comparison["largest_difference"] for comparison in result["comparisons"])
    check(len(result["comparisons"]) == count and largest <= TOLERANCE,
          f"{name}: logits of {count} pictures, prepared by its own library, within {TOLERANCE} ({largest:.1e})")


def check_torchvision(name, weights, *options, files=PICTURES):
    network = lively(getattr(models, name)(weights=None))
    out = WORK / name
    suture("import", save(name, network), "--architecture", name, "-o", out, *options)
    holds(f"torchvision {name}", out, golden(name, network, weights.transforms(), files), len(files))
    config = json.loads((out / "config.json").read_text())
    check(config["classes"] == weights.meta["categories"], f"torchvision {name}: the names of its classes")
    kept = load_file(out / "model.safetensors")
    check(all(torch.equal(tensor, kept[key]) for key, tensor in network.state_dict().items()
              if not key.endswith("num_batches_tracked")), f"torchvision {name}: the same weights by the same names")
    network.load_state_dict(kept)


def check_timm(name, files=PICTURES):
    network = lively(timm.create_model(name, pretrained=False))
    folder = WORK / f"timm-{name}"
    timm.models.save_for_hf(network, folder, safe_serialization=True)
    out = WORK / f"timm-{name}-model"
    suture("import", folder, "--architecture", name, "-o", out)
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(network))
    holds(f"timm {name}", out, golden(f"timm-{name}", network, transform, files), len(files))


def check_fine_tuned():
    """Another number of classes, with names of their own."""
    network = lively(models.resnet18(weights=None, num_classes=3))
    names = WORK / "classes.txt"
    names.write_text("cat\ndog\nfrog\n")
    out = WORK / "pets"
    suture("import", save("pets", network), "--architecture", "resnet18", "--classes", names, "-o", out)
    check(json.loads(suture("inspect", out, "--format", "json"))["classes"] == ["cat", "dog", "frog"],
          "a fine-tuned network has its own classes")
    transform = models.ResNet18_Weights.IMAGENET1K_V1.transforms()
    holds("fine-tuned resnet18", out, golden("pets", network, transform, PICTURES[:5]), 5)


def check_cifar(n):
    """Random weights as DataParallel pickles them, through Scripts/cifar-resnet."""
    network = lively(cifar_resnets.CIFARResNet(n))
    path, out = WORK / f"cifar-{n}.th", WORK / f"cifar-{n}"
    torch.save({"state_dict": torch.nn.DataParallel(network).state_dict(), "best_prec1": 10.0}, path)
    subprocess.run([sys.executable, Path(__file__).parents[2] / "Scripts/cifar-resnet", path, out], check=True,
                   env=os.environ | {"SUTURE": SUTURE}, capture_output=True)
    files = []
    for name, data in PICTURES[:10]:
        file = io.BytesIO()
        Image.open(io.BytesIO(data)).convert("RGB").resize((32, 32)).save(file, "PNG")
        files.append((name + ".png", file.getvalue()))
    transform = lambda image: cifar_resnets.seen(torch.from_numpy(np.array(image)).permute(2, 0, 1))
    holds(f"CIFAR resnet{6 * n + 2}", out, golden(f"cifar-{n}", network, transform, files), len(files))


def check_refusals():
    path = WORK / "resnet18.pth"
    torch.save(models.resnet18(weights=None).state_dict(), path)
    said = suture("import", path, "--architecture", "resnet18", "-o", WORK / "no", status=4)
    check(len(said.splitlines()) == 1 and "save_file" in said, "a .pth is refused in one line that says what to do")
    # What it says to do works.
    code = said.split("in Python: ")[1].strip()
    subprocess.run([sys.executable, "-c", code], check=True, cwd=WORK)
    suture("import", WORK / "resnet18.safetensors", "--architecture", "resnet18", "-o", WORK / "from-pth", "--force")
    check((WORK / "from-pth/config.json").exists(), "and what it says to do works")
    suture("import", save("r34", models.resnet34()), "--architecture", "resnet18", "-o", WORK / "no", status=4)
    check(not (WORK / "no").exists(), "weights of another network are refused")
    network = timm.create_model("resnetaa50", pretrained=False)
    timm.models.save_for_hf(network, WORK / "aa", safe_serialization=True)
    said = suture("import", WORK / "aa", "--architecture", "resnet50", "-o", WORK / "no", status=4)
    check("resnetaa50" in said, "a network of timm with the same tensors that computes another thing is refused")


def check_control():
    """A preparation that is a little different does not pass, so that what passes means something."""
    out = WORK / "control"
    suture("import", WORK / "resnet18.safetensors", "--architecture", "resnet18", "-o", out, "--resize", 255,
           "--center-crop", 224)
    suture("parity", out, "--golden", WORK / "resnet18.golden.safetensors", "--tolerance", TOLERANCE, status=1)
    check(True, "a preparation of one pixel less does not pass")


check_torchvision("resnet18", models.ResNet18_Weights.IMAGENET1K_V1)
check_control()
check_timm("resnet18")
check_torchvision("resnet34", models.ResNet34_Weights.IMAGENET1K_V1, files=PICTURES[:10])
check_torchvision("resnet50", models.ResNet50_Weights.IMAGENET1K_V2, "--resize", 232, "--center-crop", 224, files=PICTURES[:10])
check_torchvision("vgg11_bn", models.VGG11_BN_Weights.IMAGENET1K_V1, files=PICTURES[:5])
check_timm("resnet50", files=PICTURES[:10])
check_torchvision("vit_b_16", models.ViT_B_16_Weights.IMAGENET1K_V1, files=PICTURES[:10])
check_timm("vit_tiny_patch16_224")
check_fine_tuned()
check_cifar(3)
check_cifar(9)
check_refusals()
