#!/usr/bin/env python3
"""Pictures as Pillow decodes, recompresses and resizes them: Tests/Goldens/images/images.safetensors.

    .deps/python/bin/python -m pip install --no-deps pillow==13.0.0
    .deps/python/bin/python Tests/Goldens/generate/images.py

`file.NAME` are the bytes of a PNG or JPEG file, `pixels.NAME` what Pillow makes of it, [channels, height, width].
`source` is a picture, `quality.Q` the same after it was a JPEG file, `size.HxW` the same in another size.
"""

import io
import struct
import zlib

import numpy as np
import PIL
import torch
from PIL import Image

from models_record import GOLDENS, update_manifest, write

HEIGHT, WIDTH = 21, 34


def scene(height, width):
    """Waves with a hard edge in the middle, [height, width, 3]."""
    y, x = np.mgrid[:height, :width]
    waves = [128 + 90 * np.sin(x / 3 + c) + 60 * np.cos(y / (2 + c) + c) for c in range(3)]
    picture = np.stack(waves, -1)
    picture[height // 3 : height // 2, width // 4 : width // 2] = (250, 10, 130)
    return np.clip(picture, 0, 255).astype(np.uint8)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, depth, color, rows, interlaced=0):
    """A PNG file from rows of bytes as they lie in it, each with its filter: what Pillow cannot write itself."""
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, interlaced)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows), 9))
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND", b"")


def passes(picture):
    """The rows of an interlaced file (Adam7): seven thinned pictures, one after the other."""
    for y, x, dy, dx in [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]:
        for row in picture[y::dy, x::dx]:
            if row.size:
                yield row.tobytes()


def saved(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def files():
    pixels = scene(HEIGHT, WIDTH)
    rgb, grey = Image.fromarray(pixels), Image.fromarray(pixels[..., 0])
    alpha = Image.fromarray(pixels[..., 1])
    palette = rgb.quantize(17)
    yield "rgb.png", saved(rgb, "png")
    yield "grey.png", saved(grey, "png")
    yield "black-and-white.png", saved(grey.point(lambda v: 255 * (v > 128)).convert("1"), "png")
    yield "rgba.png", saved(Image.merge("RGBA", [*rgb.split(), alpha]), "png")
    yield "grey-alpha.png", saved(Image.merge("LA", [grey, alpha]), "png")
    yield "palette.png", saved(palette, "png")
    yield "palette-transparent.png", saved(palette, "png", transparency=3)
    yield "grey-transparent.png", saved(grey, "png", transparency=37)
    yield "interlaced.png", png(WIDTH, HEIGHT, 8, 2, passes(pixels), interlaced=1)
    packed = [np.packbits(np.unpackbits(row[:, None] >> 4 << 4, axis=1)[:, :4].ravel()).tobytes() for row in pixels[..., 0]]
    yield "grey-4-bits.png", png(WIDTH, HEIGHT, 4, 0, packed)
    wide = pixels.astype(np.uint16) * 256 + 77
    yield "rgb-16-bits.png", png(WIDTH, HEIGHT, 16, 2, [row.astype(">u2").tobytes() for row in wide])
    yield "gamma.png", saved(rgb, "png")
    for name, subsampling in [("444", 0), ("422", 1), ("420", 2)]:
        yield f"{name}.jpg", saved(rgb, "jpeg", quality=90, subsampling=subsampling)
    yield "progressive.jpg", saved(rgb, "jpeg", quality=75, progressive=True)
    yield "restart.jpg", saved(rgb, "jpeg", quality=75, restart_marker_rows=1)
    yield "grey.jpg", saved(grey, "jpeg", quality=60)
    yield "cmyk.jpg", saved(Image.merge("CMYK", [*rgb.split(), alpha]), "jpeg", quality=95)


def planes(image):
    array = np.asarray(image)
    return torch.from_numpy(array.copy()[None] if array.ndim == 2 else array.transpose(2, 0, 1).copy())


def main():
    tensors = {}
    for name, data in files():
        if name == "gamma.png":
            # Right behind the header (8 + 25 bytes): a gamma that nobody applies.
            data = data[:33] + chunk(b"gAMA", struct.pack(">I", 100000)) + data[33:]
        image = Image.open(io.BytesIO(data))
        image = image.convert("L" if image.mode in ("1", "L", "LA") else "RGB")
        tensors[f"file.{name}"] = torch.frombuffer(bytearray(data), dtype=torch.uint8)
        tensors[f"pixels.{name}"] = planes(image)
    # Pillow clips 16 bits of grey to 8; every other reader keeps the upper ones.
    wide = scene(HEIGHT, WIDTH)[..., 0].astype(np.uint16) * 256 + 200
    data = png(WIDTH, HEIGHT, 16, 0, [row.astype(">u2").tobytes() for row in wide])
    tensors["file.grey-16-bits.png"] = torch.frombuffer(bytearray(data), dtype=torch.uint8)
    tensors["pixels.grey-16-bits.png"] = torch.from_numpy((wide >> 8).astype(np.uint8))[None]

    source = Image.fromarray(scene(32, 37))
    tensors["source"] = planes(source)
    for quality in [1, 7, 10, 15, 18, 25, 30, 40, 50, 58, 65, 80, 95, 100]:
        for name, image in [("quality", source), ("grey-quality", source.getchannel(0))]:
            tensors[f"{name}.{quality}"] = planes(Image.open(io.BytesIO(saved(image, "jpeg", quality=quality))))
    for height, width in [(16, 16), (64, 64), (32, 8), (7, 37), (1, 1), (33, 36), (100, 5)]:
        resized = source.resize((width, height), Image.Resampling.BILINEAR)
        tensors[f"size.{height}x{width}"] = planes(resized)

    folder = GOLDENS / "images"
    folder.mkdir(exist_ok=True)
    write(folder / "images.safetensors", tensors, pillow=PIL.__version__)
    update_manifest("images", folder, generator="generate/images.py", pillow=PIL.__version__)


if __name__ == "__main__":
    main()
