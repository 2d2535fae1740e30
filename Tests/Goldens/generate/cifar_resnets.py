#!/usr/bin/env python3
"""Scores and one training step of residual networks for CIFAR, with their weights: Tests/Goldens/cifar_resnets.

    .deps/python/bin/python Tests/Goldens/generate/cifar_resnets.py

Written from section 4.2 of He et al. (2015, arXiv 1512.03385), with its shortcuts of option A. A file for each n, of 6n + 2
layers: the tensors, `pixels [2, 3, height, width]` and `scores [2, 10]`. A file of one step of stochastic gradient descent:
`labels [8]`, `pixels [8, 3, 16, 16]`, and the tensors of n = 1 after it. The network sees pixels / 255 less ImageNet's mean,
over its deviation.
"""

import torch
from torch import nn

MEAN = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
DEVIATION = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.stride = stride

    def forward(self, x):
        branch = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu()))
        shortcut = torch.zeros_like(branch)
        first = (branch.shape[1] - x.shape[1]) // 2
        shortcut[:, first:first + x.shape[1]] = x[:, :, ::self.stride, ::self.stride]
        return (branch + shortcut).relu()


class CIFARResNet(nn.Module):
    def __init__(self, n, width=16, classes=10):
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        for stage, (inputs, outputs) in enumerate([(width, width), (width, 2 * width), (2 * width, 4 * width)], 1):
            first = Block(inputs, outputs, 1 if stage == 1 else 2)
            setattr(self, f"layer{stage}", nn.Sequential(first, *(Block(outputs, outputs, 1) for _ in range(n - 1))))
        self.linear = nn.Linear(4 * width, classes)

    def forward(self, x):
        x = self.bn1(self.conv1(x)).relu()
        return self.linear(self.layer3(self.layer2(self.layer1(x))).mean((2, 3)))


def lively(network):
    """Batch norms, with their averages, that are not those of a network that saw nothing."""
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.normal_(0, 0.1)
            part.running_var.uniform_(0.5, 1.5)
            part.weight.data.uniform_(0.5, 1.2)
            part.bias.data.normal_(0, 0.1)
    return network


def pixels(*shape):
    return torch.randint(0, 256, shape, dtype=torch.uint8)


def seen(pixels):
    return (pixels / 255 - MEAN) / DEVIATION


def weights(network):
    return {name: tensor for name, tensor in network.state_dict().items() if not name.endswith("num_batches_tracked")}


def main():
    from models_record import GOLDENS, update_manifest, write

    torch.manual_seed(1)
    folder = GOLDENS / "cifar_resnets"
    folder.mkdir(exist_ok=True)
    networks = {}
    # Sides that a stride of two does not divide, too.
    for n, size in ((1, (32, 32)), (2, (19, 26)), (3, (32, 32))):
        networks[n] = lively(CIFARResNet(n, width=4))
        images = pixels(2, 3, *size)
        with torch.no_grad():
            scores = networks[n].eval()(seen(images))
        write(folder / f"n{n}.safetensors", {**weights(networks[n]), "pixels": images, "scores": scores})

    network = networks[1].train()
    images, labels = pixels(8, 3, 16, 16), torch.randint(0, 10, (8,), dtype=torch.int32)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
    nn.functional.cross_entropy(network(seen(images)), labels.long()).backward()
    optimizer.step()
    write(folder / "step.safetensors", {**weights(network), "pixels": images, "labels": labels})
    update_manifest("cifar_resnets", folder, generator="generate/cifar_resnets.py", seed=1)


if __name__ == "__main__":
    main()
