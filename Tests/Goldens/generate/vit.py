#!/usr/bin/env python3
"""Scores of small vision transformers of torchvision and timm, with their weights: Tests/Goldens/vit.

    .deps/python/bin/python -m pip install --no-deps torchvision==0.28.0 timm==1.0.31 pillow==13.0.0
    .deps/python/bin/python Tests/Goldens/generate/vit.py

A file for each library: the tensors under its names, `pixels [2, 3, 32, 32]` and `scores [2, 7]`, computed from the pixels
less the mean 127.5, over 63.75.
"""

import torch

# See classifiers.py.
operators = torch.library.Library("torchvision", "DEF")
for name in ("nms", "qnms"):
    operators.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

import timm  # noqa: E402
import torchvision  # noqa: E402
from timm.models.vision_transformer import VisionTransformer as TimmTransformer  # noqa: E402
from torchvision.models.vision_transformer import VisionTransformer  # noqa: E402

from models_record import GOLDENS, update_manifest, write  # noqa: E402


def main():
    torch.manual_seed(1)
    networks = {
        "torchvision": VisionTransformer(
            image_size=32, patch_size=8, num_layers=2, num_heads=3, hidden_dim=24, mlp_dim=40, num_classes=7),
        "timm": TimmTransformer(
            img_size=32, patch_size=8, embed_dim=24, depth=2, num_heads=3, mlp_ratio=40 / 24, num_classes=7),
    }
    folder = GOLDENS / "vit"
    folder.mkdir(exist_ok=True)
    pixels = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
    for name, network in networks.items():
        # Biases, tokens and heads that begin with zeros would hide mistakes.
        for parameter in network.parameters():
            parameter.data.add_(torch.randn(parameter.shape) * 0.1)
        with torch.no_grad():
            scores = network.eval()((pixels - 127.5) / 63.75)
        write(folder / f"{name}.safetensors", {**network.state_dict(), "pixels": pixels, "scores": scores},
              torchvision=torchvision.__version__, timm=timm.__version__)
    update_manifest("vit", folder, generator="generate/vit.py", seed=1, torchvision=torchvision.__version__,
                    timm=timm.__version__)


if __name__ == "__main__":
    main()
