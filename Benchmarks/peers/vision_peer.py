#!/usr/bin/env python3
"""Seconds of a training step and of an inference of ResNet-18 and VGG-16 in PyTorch, as JSON: the peer of
`suture-bench vision`.

    vision_peer.py --threads 2 --batch 128 --steps 3

Images are 32x32, the networks torchvision's with the stem and the head for that size. Each number is the median of so
many steps after one that is not counted, in the memory format that is quicker for it, with the fused optimizer. Images
and labels are ready, normalised, and the same in every step: loading them is not counted.
"""

import argparse
import json
import statistics
import time

import torch
from torch import nn
from torch.nn import functional

DEPTHS = (2, 2, 3, 3, 3)


def vgg16(classes):
    layers, width = [], 3
    for stage, depth in enumerate(DEPTHS):
        for _ in range(depth):
            out = 64 << min(stage, 3)
            layers += [nn.Conv2d(width, out, 3, padding=1), nn.ReLU(inplace=True)]
            width = out
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, classes))


class Block(nn.Module):
    def __init__(self, inputs, width, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = None
        if stride != 1 or inputs != width:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, width, 1, stride, bias=False), nn.BatchNorm2d(width))

    def forward(self, x):
        shortcut = x if self.downsample is None else self.downsample(x)
        out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        out += shortcut
        return self.relu(out)


def resnet18(classes):
    layers = [nn.Conv2d(3, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.ReLU(inplace=True)]
    width = 64
    for stage in range(4):
        for index in range(2):
            layers.append(Block(width, 64 << stage, 2 if stage and not index else 1))
            width = 64 << stage
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, classes))


def median(steps, body):
    body()
    times = []
    for _ in range(steps):
        start = time.perf_counter()
        body()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def measure(make, form, batch, steps):
    torch.manual_seed(1)
    model = make(10).to(memory_format=form)
    optimizer = torch.optim.SGD(model.parameters(), 0.01, momentum=0.9, weight_decay=5e-4, fused=True)
    images = torch.randn(batch, 3, 32, 32).contiguous(memory_format=form)
    labels = torch.randint(0, 10, (batch,))

    def train():
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        return loss.item()

    def infer():
        with torch.inference_mode():
            return model(images).argmax(-1).tolist()

    model.train()
    training = median(steps, train)
    model.eval()
    return training, median(steps, infer)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--steps", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    report = {}
    for name, make in (("resnet18", resnet18), ("vgg16", vgg16)):
        forms = [
            measure(make, form, options.batch, options.steps)
            for form in (torch.contiguous_format, torch.channels_last)
        ]
        for index, work in enumerate(("training", "inference")):
            times = [form[index] for form in forms]
            report[f"{name} {work}"] = min(times)
            report[f"{name} {work}, channels last"] = times[1]
    print(json.dumps(report))


if __name__ == "__main__":
    main()
