#!/usr/bin/env python3
"""Corrupted images by numpy, scipy, scikit-image, OpenCV and Pillow: Tests/Goldens/corruptions.

    Scripts/setup-python images
    .deps/python-images/bin/python Tests/Goldens/generate/corruptions.py

What the scripts of CIFAR-10-C, Tiny-ImageNet-C and ImageNet-C do (Hendrycks & Dietterich 2019), in the order of their
operations and with their libraries, for images whose pixels a formula gives. Random numbers are a formula too, so that
what follows from them can be compared pixel by pixel.
"""

import hashlib
import io
import json
import math
import pathlib

import cv2
import numpy as np
import PIL
import scipy
import skimage
from PIL import Image
from safetensors.numpy import save_file
from scipy import ndimage
from skimage import color, filters

GOLDENS = pathlib.Path(__file__).resolve().parent.parent

PROFILES = ("cifar", "tiny", "imagenet")
DEFOCUS = {
    "cifar": [(0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)],
    "tiny": [(0.5, 0.6), (1, 0.1), (1.5, 0.1), (2.5, 0.01), (3, 0.1)],
    "imagenet": [(3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)],
}
GLASS = {
    "cifar": [(0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2)],
    "tiny": [(0.1, 1, 1), (0.5, 1, 1), (0.6, 1, 2), (0.7, 2, 1), (0.9, 2, 2)],
    "imagenet": [(0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2)],
}
MOTION = {
    "cifar": [(6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5)],
    "tiny": [(10, 1), (10, 1.5), (10, 2), (10, 2.5), (12, 3)],
    "imagenet": [(10, 3), (15, 5), (15, 8), (15, 12), (20, 15)],
}
ZOOM = {
    "cifar": [(1.06, 0.01), (1.11, 0.01), (1.16, 0.01), (1.21, 0.01), (1.26, 0.01)],
    "imagenet": [(1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03)],
}
ZOOM["tiny"] = ZOOM["cifar"]
BLUR = {"cifar": [0.4, 0.6, 0.7, 0.8, 1], "tiny": [0.5, 0.75, 1, 1.25, 1.5], "imagenet": [1, 2, 3, 4, 6]}
SNOW = {
    "cifar": [
        (0.1, 0.2, 1, 0.6, 8, 3, 0.95), (0.1, 0.2, 1, 0.5, 10, 4, 0.9), (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
        (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85), (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
    ],
    "imagenet": [
        (0.1, 0.3, 3, 0.5, 10, 4, 0.8), (0.2, 0.3, 2, 0.5, 12, 4, 0.7), (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
        (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65), (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
    ],
}
SNOW["tiny"] = [(*row[:6], kept) for row, kept in zip(SNOW["cifar"], (0.8, 0.8, 0.7, 0.65, 0.6))]
FOG = {
    "cifar": [(0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75)],
    "tiny": [(0.4, 3), (0.7, 3), (1, 2.5), (1.5, 2), (2, 1.75)],
    "imagenet": [(1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4)],
}
BRIGHTNESS = {"cifar": [0.05, 0.1, 0.15, 0.2, 0.3], "tiny": [0.1, 0.2, 0.3, 0.4, 0.5]}
BRIGHTNESS["imagenet"] = BRIGHTNESS["tiny"]
SPATTER = {
    "cifar": [
        (0.62, 0.1, 0.7, 0.7, 0.5, 0), (0.65, 0.1, 0.8, 0.7, 0.5, 0), (0.65, 0.3, 1, 0.69, 0.5, 0),
        (0.65, 0.1, 0.7, 0.69, 0.6, 1), (0.65, 0.1, 0.5, 0.68, 0.6, 1),
    ],
    "tiny": [
        (0.62, 0.1, 0.7, 0.7, 0.6, 0), (0.65, 0.1, 0.8, 0.7, 0.6, 0), (0.65, 0.3, 1, 0.69, 0.6, 0),
        (0.65, 0.1, 0.7, 0.68, 0.6, 1), (0.65, 0.1, 0.5, 0.67, 0.6, 1),
    ],
    "imagenet": [
        (0.65, 0.3, 4, 0.69, 0.6, 0), (0.65, 0.3, 3, 0.68, 0.6, 0), (0.65, 0.3, 2, 0.68, 0.5, 0),
        (0.65, 0.3, 1, 0.65, 1.5, 1), (0.67, 0.4, 1, 0.65, 1.5, 1),
    ],
}
CONTRAST = {"cifar": [0.75, 0.5, 0.4, 0.3, 0.15], "tiny": [0.4, 0.3, 0.2, 0.1, 0.05]}
CONTRAST["imagenet"] = CONTRAST["tiny"]
ELASTIC = {
    "cifar": [[32 * n for n in row] for row in (
        (0, 0, 0.08), (0.05, 0.2, 0.07), (0.08, 0.06, 0.06), (0.1, 0.04, 0.05), (0.1, 0.03, 0.03))],
    "tiny": [[64 * n for n in row] for row in (
        (0, 0, 0.08), (0.05, 0.3, 0.06), (0.1, 0.08, 0.06), (0.1, 0.03, 0.03), (0.16, 0.03, 0.02))],
    "imagenet": [[244 * n for n in row] for row in (
        (2, 0.7, 0.1), (2, 0.08, 0.2), (0.05, 0.01, 0.02), (0.07, 0.01, 0.02), (0.12, 0.01, 0.02))],
}
PIXELATE = {
    "cifar": [0.95, 0.9, 0.85, 0.75, 0.65], "tiny": [0.9, 0.8, 0.7, 0.6, 0.5], "imagenet": [0.6, 0.5, 0.4, 0.3, 0.25],
}
JPEG = {"cifar": [80, 65, 58, 50, 40], "tiny": [65, 58, 50, 40, 25], "imagenet": [25, 18, 15, 10, 7]}
SATURATE = {
    "cifar": [(0.3, 0), (0.1, 0), (1.5, 0), (2, 0.1), (2.5, 0.2)],
    "tiny": [(0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (30, 0.2)],
    "imagenet": [(0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (20, 0.2)],
}


def units(count, shift):
    """Numbers in 0..<1 that both sides make alike: of the n-th the fraction of the golden ratio times (n + shift)^2."""
    n = np.arange(count, dtype=np.uint64) + np.uint64(shift)
    return ((n * n * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(40)).astype(np.float64) / 2**24


def normals(count, shift):
    """Sums of twelve such numbers, less six: near enough to normal ones."""
    return units(12 * count, shift).reshape(count, 12).sum(1) - 6


class Uniform:
    """Takes the place of numpy's generator."""

    def __init__(self, shift):
        self.shift = shift

    def __call__(self, low, high, shape):
        count = int(np.prod(shape))
        numbers = units(count, self.shift).reshape(shape)
        self.shift += count
        return low + (high - low) * numbers


def picture(height, width, channels=3):
    """A photograph's like: slow waves, an edge, a grey and a black patch, a little noise."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    planes = [
        127 + 90 * np.sin(x * (0.11 + 0.05 * c) + 2 * c) * np.cos(y * (0.07 + 0.04 * c)) + 30 * (x + c > y)
        for c in range(channels)
    ]
    image = np.stack(planes, 2) + 20 * units(height * width * channels, 5).reshape(height, width, channels)
    image[: height // 5, : width // 5] = 90
    image[-height // 6:, -width // 6:] = 0
    image[: height // 8, -width // 4:] = 255
    return np.clip(image, 0, 255).astype(np.uint8)


def disc(radius, softness):
    reach, side = (8, 3) if radius <= 8 else (radius, 5)
    steps = np.arange(-reach, reach + 1)
    x, y = np.meshgrid(steps, steps)
    mask = (x**2 + y**2 <= radius**2).astype(np.float32)
    return cv2.GaussianBlur(mask / mask.sum(), ksize=(side, side), sigmaX=softness)


def zoomed(image, factor):
    """The middle, zoomed to at least the size of the whole, cut to it. Both axes, so that it need not be square."""
    height, width = image.shape[:2]
    rows, columns = math.ceil(height / factor), math.ceil(width / factor)
    top, left = (height - rows) // 2, (width - columns) // 2
    part = image[top:top + rows, left:left + columns]
    large = ndimage.zoom(part, (factor, factor, 1), order=1)
    top, left = (large.shape[0] - height) // 2, (large.shape[1] - width) // 2
    return large[top:top + height, left:left + width]


def moved(image, radius, deviation, angle):
    """Motion blur as ImageMagick does it: a half Gaussian along a line, in whole pixels, the nearest beyond the edges."""
    width = 2 * radius + 1
    weights = np.exp(-np.arange(width) ** 2 / (2 * deviation**2))
    weights /= weights.sum()
    height, length = image.shape[:2]
    result = np.zeros(image.shape)
    for i, weight in enumerate(weights):
        down = math.ceil(i * math.sin(math.radians(angle)) - 0.5)
        right = math.ceil(i * math.cos(math.radians(angle)) - 0.5)
        rows = np.clip(np.arange(height) + down, 0, height - 1)
        columns = np.clip(np.arange(length) + right, 0, length - 1)
        result += weight * image[rows][:, columns]
    return result


def cloud(size, decay, uniform):
    """Diamond-square on a torus."""
    heights = np.zeros((size, size))
    step, wibble = size, 100
    while step >= 2:
        half = step // 2
        def random(mean):
            return mean + wibble * uniform(-wibble, wibble, mean.shape)
        corners = heights[::step, ::step]
        rows = corners + np.roll(corners, -1, 0)
        heights[half::step, half::step] = random((rows + np.roll(rows, -1, 1)) / 4)
        middles = heights[half::step, half::step]
        across = middles + np.roll(middles, 1, 0) + corners + np.roll(corners, -1, 1)
        heights[::step, half::step] = random(across / 4)
        along = middles + np.roll(middles, 1, 1) + corners + np.roll(corners, -1, 0)
        heights[half::step, ::step] = random(along / 4)
        step, wibble = half, wibble / decay
    heights -= heights.min()
    return heights / heights.max()


def gaussian_blur(x, deviation):
    return filters.gaussian(x / 255, sigma=deviation, channel_axis=-1) * 255


def defocus_blur(x, amount):
    kernel = disc(*amount)
    return np.stack([cv2.filter2D(x[..., c] / 255, -1, kernel) for c in range(x.shape[2])], 2) * 255


def glass_blur(x, amount):
    deviation, shift, rounds = amount
    x = np.uint8(filters.gaussian(x / 255, sigma=deviation, channel_axis=-1) * 255)
    height, width = x.shape[:2]
    numbers = (units(2 * rounds * height * width, 0) * 2 * shift).astype(int) - shift
    used = 0
    for _ in range(rounds):
        for h in range(height - shift, shift, -1):
            for w in range(width - shift, shift, -1):
                right, down = numbers[used:used + 2]
                used += 2
                # What their scripts write as a swap leaves both with the one's colour: rows of numpy are views.
                x[h, w] = x[h + down, w + right]
    return filters.gaussian(x / 255, sigma=deviation, channel_axis=-1) * 255


def motion_blur(x, amount):
    return moved(x.astype(float), *amount, 27)


def zoom_blur(x, amount):
    factors = np.arange(1, *amount)
    x = (x / 255).astype(np.float32)
    total = x + sum(zoomed(x, factor) for factor in factors)
    return total / (len(factors) + 1) * 255


def snow(x, amount):
    mean, deviation, zoom, threshold, radius, line, kept = amount
    height, width = x.shape[:2]
    layer = mean + deviation * normals(height * width, 0).reshape(height, width)
    layer = zoomed(layer[..., None], zoom)[..., 0]
    layer[layer < threshold] = 0
    layer = np.uint8(np.clip(layer, 0, 1) * 255)
    layer = np.round(moved(layer.astype(float), radius, line, -100)) / 255
    x = np.float32(x) / 255
    grey = cv2.cvtColor(x, cv2.COLOR_RGB2GRAY)[..., None] if x.shape[2] == 3 else x
    x = kept * x + (1 - kept) * np.maximum(x, grey * 1.5 + 0.5)
    return (x + (layer + np.rot90(layer, 2))[..., None]) * 255


def fog(x, amount):
    strength, decay = amount
    height, width = x.shape[:2]
    size = 1 << (max(height, width) - 1).bit_length()
    x = x / 255
    brightest = x.max()
    x = x + strength * cloud(size, decay, Uniform(0))[:height, :width, None]
    return x * brightest / (brightest + strength) * 255


def brightness(x, summand):
    if x.shape[2] == 1:
        return x + 255 * summand
    x = color.rgb2hsv(x / 255)
    x[..., 2] = np.clip(x[..., 2] + summand, 0, 1)
    return color.hsv2rgb(x) * 255


def contrast(x, factor):
    x = x / 255
    means = x.mean((0, 1), keepdims=True)
    return ((x - means) * factor + means) * 255


def saturate(x, amount):
    if x.shape[2] == 1:
        return x
    x = color.rgb2hsv(x / 255)
    x[..., 1] = np.clip(x[..., 1] * amount[0] + amount[1], 0, 1)
    return color.hsv2rgb(x) * 255


def pillow(x):
    return Image.fromarray(x if x.shape[2] == 3 else x[..., 0])


def pixelate(x, share):
    height, width = x.shape[:2]
    small = pillow(x).resize((int(width * share), int(height * share)), Image.BOX)
    return np.array(small.resize((width, height), Image.BOX)).reshape(x.shape)


def jpeg_compression(x, quality):
    file = io.BytesIO()
    pillow(x).save(file, "JPEG", quality=quality)
    return np.array(Image.open(file)).reshape(x.shape)


def spatter(x, amount):
    mean, deviation, blur, threshold, strength, is_mud = amount
    height, width = x.shape[:2]
    x = np.float32(x) / 255
    layer = mean + deviation * normals(height * width, 0).reshape(height, width)
    layer = filters.gaussian(layer, sigma=blur)
    layer[layer < threshold] = 0
    if is_mud:
        mask = filters.gaussian((layer > threshold).astype(np.float32), sigma=strength)
        mask[mask < 0.8] = 0
        mask, tint = mask[..., None], np.array([63, 42, 20]) / 255
        if x.shape[2] == 1:
            tint = tint @ [0.2989, 0.587, 0.114]
        return (x * (1 - mask) + tint * mask) * 255
    # Their cast to bytes wraps around where a drop is brighter than white, which is rare; here it is cut.
    layer = (np.minimum(layer, 1) * 255).astype(np.uint8)
    distance = cv2.distanceTransform(255 - cv2.Canny(layer, 50, 150), cv2.DIST_L2, 5)
    distance = cv2.blur(np.minimum(distance, 20), (3, 3)).astype(np.uint8)
    distance = cv2.equalizeHist(distance)
    relief = cv2.filter2D(distance, cv2.CV_8U, np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]]))
    relief = cv2.blur(relief, (3, 3)).astype(np.float32)
    mask = layer * relief
    mask = mask / mask.max() * strength
    tint = np.array([175, 238, 238]) / 255
    if x.shape[2] == 1:
        tint = tint @ [0.2989, 0.587, 0.114]
    return (x + mask[..., None] * tint) * 255


def elastic_transform(x, amount):
    displacement, smoothness, jitter = amount
    x = np.float32(x) / 255
    height, width = x.shape[:2]
    uniform = Uniform(0)
    middle = np.float32([width, height]) // 2
    reach = min(height, width) // 3
    corners = np.float32([middle + reach, [middle[0] + reach, middle[1] - reach], middle - reach])
    moved_corners = corners + uniform(-jitter, jitter, corners.shape).astype(np.float32)
    matrix = cv2.getAffineTransform(corners, moved_corners)
    x = cv2.warpAffine(x, matrix, (width, height), borderMode=cv2.BORDER_REFLECT_101).reshape(x.shape)
    right, down = [
        (filters.gaussian(uniform(-1, 1, (height, width)), smoothness, mode="reflect", truncate=3) * displacement)
        for _ in range(2)
    ]
    rows, columns = np.mgrid[0:height, 0:width]
    return 255 * np.stack([
        ndimage.map_coordinates(x[..., c], (rows + down, columns + right), order=1, mode="reflect")
        for c in range(x.shape[2])
    ], 2)


KINDS = {
    "gaussian_blur": (gaussian_blur, BLUR),
    "defocus_blur": (defocus_blur, DEFOCUS),
    "glass_blur": (glass_blur, GLASS),
    "motion_blur": (motion_blur, MOTION),
    "zoom_blur": (zoom_blur, ZOOM),
    "snow": (snow, SNOW),
    "fog": (fog, FOG),
    "brightness": (brightness, BRIGHTNESS),
    "contrast": (contrast, CONTRAST),
    "elastic_transform": (elastic_transform, ELASTIC),
    "pixelate": (pixelate, PIXELATE),
    "jpeg_compression": (jpeg_compression, JPEG),
    "spatter": (spatter, SPATTER),
    "saturate": (saturate, SATURATE),
}
# What colour matters to.
MIXING = {"snow", "brightness", "jpeg_compression", "spatter", "saturate"}
# Not square, so that rows and columns are not mixed up.
SIZES = {"cifar": (32, 28), "tiny": (32, 36), "imagenet": (44, 39)}


def main():
    tensors = {}
    for profile in PROFILES:
        for channels in (1, 3):
            image = picture(*SIZES[profile], channels)
            tensors[f"{profile}.{channels}"] = image
            for kind, (change, table) in KINDS.items():
                for severity, amount in enumerate(table[profile], 1):
                    # To keep the file small: one severity in colour where all channels are treated alike, two in grey
                    # where they are not.
                    if severity not in ((1, 4), (3,))[channels == 3] and (kind in MIXING) != (channels == 3):
                        continue
                    result = change(image.copy(), amount)
                    tensors[f"{kind}:{severity}:{profile}.{channels}"] = np.clip(result, 0, 255).astype(np.uint8)
    tensors = {k: np.ascontiguousarray(v.transpose(2, 0, 1)) for k, v in tensors.items()}
    folder = GOLDENS / "corruptions"
    folder.mkdir(exist_ok=True)
    path = folder / "images.safetensors"
    save_file(tensors, path)
    manifest_path = GOLDENS / "MANIFEST.json"
    manifest = json.loads(manifest_path.read_text())
    manifest["corruptions"] = {
        "generator": "generate/corruptions.py",
        "reference": {
            "numpy": np.__version__, "scipy": scipy.__version__, "scikit-image": skimage.__version__,
            "opencv": cv2.__version__, "pillow": PIL.__version__,
        },
        "sha256": {"corruptions/images.safetensors": hashlib.sha256(path.read_bytes()).hexdigest()},
    }
    manifest_path.write_text(json.dumps(manifest, indent=2, sort_keys=True) + "\n")
    print(path.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
