#!/usr/bin/env python3
"""Pictures as torchvision's transforms for ImageNet prepare them: Tests/Goldens/preparation.

    .deps/python/bin/python -m pip install --no-deps torchvision==0.28.0 pillow==13.0.0
    .deps/python/bin/python Tests/Goldens/generate/preparation.py

`P.source` is a picture, `P.FILTER.RESIZE.CROP` what is left of it, both `[channels, height, width]` bytes.
"""

import numpy as np
import PIL
import torch
from PIL import Image

# See classifiers.py.
operators = torch.library.Library("torchvision", "DEF")
for name in ("nms", "qnms"):
    operators.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

import torchvision  # noqa: E402
from torchvision.transforms import InterpolationMode, functional  # noqa: E402

from models_record import GOLDENS, update_manifest, write  # noqa: E402

SIZES = {"landscape": (61, 90), "portrait": (83, 44), "square": (40, 40), "small": (9, 14)}
PREPARATIONS = [("bilinear", 40, 32), ("bilinear", 41, 34), ("bicubic", 37, 32), ("bicubic", 64, 61)]


def planes(image):
    return torch.from_numpy(np.asarray(image).transpose(2, 0, 1).copy())


def main():
    tensors = {}
    for number, (name, (height, width)) in enumerate(SIZES.items()):
        noise = np.random.default_rng(number).integers(0, 256, (height, width, 3), dtype=np.uint8)
        # Hard edges, where a cubic overshoots.
        noise[height // 3 : height // 2, width // 4 : width // 2] = (255, 0, 255)
        image = Image.fromarray(noise)
        tensors[f"{name}.source"] = planes(image)
        for filter, resize, crop in PREPARATIONS:
            resized = functional.resize(image, [resize], InterpolationMode(filter), antialias=True)
            tensors[f"{name}.{filter}.{resize}.{crop}"] = planes(functional.center_crop(resized, [crop]))
    folder = GOLDENS / "preparation"
    folder.mkdir(exist_ok=True)
    write(folder / "pictures.safetensors", tensors, torchvision=torchvision.__version__)
    update_manifest("preparation", folder, generator="generate/preparation.py", torchvision=torchvision.__version__,
                    pillow=PIL.__version__)


if __name__ == "__main__":
    main()
