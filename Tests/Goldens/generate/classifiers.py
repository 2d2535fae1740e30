#!/usr/bin/env python3
"""Scores of torchvision's networks on weights and images that a formula gives: Tests/Goldens/classifiers.

    .deps/python/bin/python -m pip install --no-deps torchvision==0.28.0 pillow==13.0.0
    .deps/python/bin/python Tests/Goldens/generate/classifiers.py

Nothing but scores is stored: element i of the tensor number t (in the order of the state dictionary, without counts of
batches) is sin(0.31 i^2 + t) in float64, times and plus what `scale` says, so that both sides make the same weights.
"""

import pathlib

import torch

# The operators of torchvision are built for CUDA in the usual wheel and do not load; no network here needs them, but
# their names must be there when it is imported.
operators = torch.library.Library("torchvision", "DEF")
for name in ("nms", "qnms"):
    operators.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

import torchvision  # noqa: E402
from torchvision.models import resnet, vgg  # noqa: E402

from models_record import GOLDENS, update_manifest, write  # noqa: E402

CLASSES = 7


def wave(count, shift):
    return torch.sin(torch.arange(count, dtype=torch.float64) ** 2 * 0.31 + shift)


def scale(name, shape):
    """Factor and summand that keep the activations of a deep network near one."""
    if name.endswith("running_var"):
        return 0.5, 1.0
    if len(shape) == 4:
        return 2 / (shape[1] * shape[2] * shape[3]) ** 0.5, 0.0
    if len(shape) == 2:
        return 2 / shape[1] ** 0.5, 0.0
    if name.endswith("weight"):
        return 0.25, 0.5
    return 0.1, 0.0


def fill(model):
    tensors = {k: v for k, v in model.state_dict().items() if not k.endswith("num_batches_tracked")}
    for number, (name, tensor) in enumerate(tensors.items()):
        factor, summand = scale(name, tensor.shape)
        values = wave(tensor.numel(), number) * factor + summand
        tensor.copy_(values.float().reshape(tensor.shape))


def pixels(channels, height, width):
    count = 2 * channels * height * width
    values = (torch.arange(count) * 7919 + 13) % 256
    return values.float().reshape(2, channels, height, width)


def small(model):
    """The form for CIFAR: a stem that keeps the size, one linear layer."""
    if isinstance(model, resnet.ResNet):
        model.conv1 = torch.nn.Conv2d(3, 64, 3, 1, 1, bias=False)
        model.maxpool = torch.nn.Identity()
    else:
        model.avgpool = torch.nn.AdaptiveAvgPool2d(1)
        model.classifier = torch.nn.Linear(512, CLASSES)
    return model


def narrow(model):
    """Two hidden layers of 64: torchvision's 4096 would take half a gigabyte."""
    model.classifier[0] = torch.nn.Linear(512 * 7 * 7, 64)
    model.classifier[3] = torch.nn.Linear(64, 64)
    model.classifier[6] = torch.nn.Linear(64, CLASSES)
    return model


def grey(model):
    model.features[0] = torch.nn.Conv2d(1, 64, 3, padding=1)
    return model


# Name, network, the size of the images.
CASES = [
    ("resnet18.cifar", small(resnet.resnet18(num_classes=CLASSES)), (3, 32, 32)),
    ("resnet34.imagenet", resnet.resnet34(num_classes=CLASSES), (3, 64, 48)),
    ("resnet50.imagenet", resnet.resnet50(num_classes=CLASSES), (3, 64, 64)),
    ("resnet101.cifar", small(resnet.resnet101(num_classes=CLASSES)), (3, 16, 16)),
    ("vgg11.cifar", small(vgg.vgg11(num_classes=CLASSES)), (3, 32, 32)),
    ("vgg13_bn.imagenet", narrow(vgg.vgg13_bn(num_classes=CLASSES)), (3, 64, 64)),
    ("vgg16.cifar", small(vgg.vgg16(num_classes=CLASSES)), (3, 32, 32)),
    ("vgg16_bn.cifar", grey(small(vgg.vgg16_bn(num_classes=CLASSES))), (1, 32, 32)),
    ("vgg19_bn.cifar", small(vgg.vgg19_bn(num_classes=CLASSES)), (3, 32, 32)),
]


def main():
    tensors = {}
    with torch.no_grad():
        for name, model, shape in CASES:
            model.eval()
            fill(model)
            images = (pixels(*shape) / 255 - 0.5) / 0.25
            tensors[f"{name}.scores"] = model(images)
            print(name, tensors[f"{name}.scores"].abs().max().item())
    folder = GOLDENS / "classifiers"
    folder.mkdir(exist_ok=True)
    write(folder / "scores.safetensors", tensors, torchvision=torchvision.__version__)
    update_manifest("classifiers", folder, generator="generate/classifiers.py", torchvision=torchvision.__version__)


if __name__ == "__main__":
    main()
