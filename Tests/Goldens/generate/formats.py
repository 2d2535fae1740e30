"""Goldens of the file formats, from the reference packages.

    pip install numpy==2.4.6 safetensors==0.8.0 gguf==0.19.0
    python Tests/Goldens/generate/formats.py

Writes Tests/Goldens/formats and a manifest there with the versions, the seed and the SHA-256 of each file.
"""

import hashlib
import importlib.metadata
import json
import pathlib

import gguf
import numpy as np
from safetensors import safe_open
from safetensors.numpy import save

SEED = 20240607
OUT = pathlib.Path(__file__).resolve().parent.parent / "formats"
BLOCKS = 24


def halves(rng, count):
    """Finite halves: random ones, then zeros, the extremes and subnormals."""
    bits = rng.integers(0, 1 << 16, count, dtype=np.uint16)
    infinite = (bits & 0x7C00) == 0x7C00
    bits[infinite] ^= 0x4000
    extremes = [0x0000, 0x8000, 0x0001, 0x8001, 0x03FF, 0x0400, 0x7BFF, 0xFBFF]
    bits[: len(extremes)] = extremes
    return bits


def write_blocks(rng, halves_at):
    """For each type a file of random blocks, which have halves at these places, and a file of their values."""
    for name, offsets in halves_at.items():
        kind = gguf.GGMLQuantizationType[name]
        _, width = gguf.GGML_QUANT_SIZES[kind]
        blocks = rng.integers(0, 256, (BLOCKS, width), dtype=np.uint8)
        for offset in offsets:
            scales = halves(rng, BLOCKS)
            if offset:
                rng.shuffle(scales)
            blocks[:, offset : offset + 2] = scales.view(np.uint8).reshape(BLOCKS, 2)
        write_pair(name, blocks, gguf.dequantize(blocks, kind))


def write_dequantized(rng):
    halves_at = {"Q8_0": [0], "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q4_K": [0, 2], "Q5_K": [0, 2],
                 "Q6_K": [208]}
    write_blocks(rng, halves_at)
    # From a generator of their own, so that the others stay what they are.
    write_blocks(
        np.random.default_rng(SEED + 1), {"Q2_K": [80, 82], "Q3_K": [108], "IQ4_NL": [0], "IQ4_XS": [0]})
    every_half = np.arange(1 << 16, dtype=np.uint16)
    finite = every_half[(every_half & 0x7C00) != 0x7C00]
    sample = np.concatenate([finite[:: 61], halves(rng, 64), np.array([0x7C00, 0xFC00], dtype=np.uint16)])
    write_pair("F16", sample, gguf.dequantize(sample.view(np.uint8), gguf.GGMLQuantizationType.F16))
    brain = rng.integers(0, 1 << 16, (1, 512), dtype=np.uint16)
    brain[(brain & 0x7F80) == 0x7F80] ^= 0x4000
    write_pair("BF16", brain, gguf.dequantize(brain.view(np.uint8), gguf.GGMLQuantizationType.BF16))


def write_pair(name, blocks, values):
    (OUT / f"{name}.blocks").write_bytes(blocks.tobytes())
    (OUT / f"{name}.values").write_bytes(values.astype("<f4").tobytes())


def write_gguf(rng):
    """A model file with every type of metadata and several types of tensors."""
    path = OUT / "small.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_uint8("test.u8", 200)
    writer.add_int8("test.i8", -100)
    writer.add_uint16("test.u16", 60000)
    writer.add_int16("test.i16", -30000)
    writer.add_uint32("test.u32", 4_000_000_000)
    writer.add_int32("test.i32", -2_000_000_000)
    writer.add_uint64("test.u64", 2**64 - 1)
    writer.add_int64("test.i64", -(2**63))
    writer.add_float32("test.f32", 0.1)
    writer.add_float64("test.f64", 0.1)
    writer.add_bool("test.bool", True)
    writer.add_string("test.string", "é e\u0301 😀")
    writer.add_array("test.strings", ["a", "", "Ġthe"])
    writer.add_array("test.ints", [1, -2, 3])
    writer.add_array("test.floats", [0.5, -1.5])
    writer.add_array("test.nested", [[1, 2], [3]])
    matrix = rng.standard_normal((4, 64)).astype(np.float32)
    writer.add_tensor("matrix", matrix)
    writer.add_tensor("half", matrix[:, :6].astype(np.float16).copy())
    quantized = gguf.quantize(matrix, gguf.GGMLQuantizationType.Q8_0)
    writer.add_tensor("quantized", quantized, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
    writer.add_tensor("vector", np.arange(5, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    dequantized = gguf.dequantize(quantized, gguf.GGMLQuantizationType.Q8_0)
    (OUT / "small.gguf.quantized.values").write_bytes(dequantized.astype("<f4").tobytes())


def write_safetensors(rng):
    """A file of the reference writer, which sorts tensors by alignment and name."""
    tensors = {
        "double": rng.standard_normal((3,)),
        "weight": rng.standard_normal((2, 3)).astype(np.float32),
        "half": rng.standard_normal((5,)).astype(np.float16),
        "scalar": np.array(7, dtype=np.int64),
        "empty": np.zeros((0, 4), dtype=np.float32),
        "flags": np.array([True, False, True]),
        "bytes": np.arange(4, dtype=np.uint8),
        "e\u0301": np.array([1], dtype=np.int32),
        "\u00e9": np.array([2], dtype=np.int32),
        'quote"\\\n': np.array([3], dtype=np.uint16),
    }
    (OUT / "reference.safetensors").write_bytes(save(tensors, metadata={"format": "np"}))


def check_written():
    """The file that Suture's writer makes (a test holds it to these bytes) means the same to the reference reader."""
    with safe_open(OUT / "suture.safetensors", framework="np") as file:
        assert file.metadata() == {"format": "pt", "note": 'a "note"\n'}, file.metadata()
        shapes = {name: file.get_slice(name).get_shape() for name in file.keys()}
        assert shapes == {"z": [3], "a.weight": [2, 1], "none": [0], "\u00e9": []}, shapes
        assert file.get_tensor("z").tolist() == [1, 2, 3]
        assert file.get_tensor("a.weight").tolist() == [[1.0], [-2.0]]
        assert file.get_tensor("\u00e9").tolist() is True


def main():
    OUT.mkdir(exist_ok=True)
    rng = np.random.default_rng(SEED)
    write_dequantized(rng)
    write_gguf(rng)
    write_safetensors(rng)
    check_written()
    files = sorted(p for p in OUT.iterdir() if p.name != "manifest.json")
    manifest = {
        "generator": "Tests/Goldens/generate/formats.py",
        "references": {n: importlib.metadata.version(n) for n in ("gguf", "numpy", "safetensors")},
        "seed": SEED,
        "sha256": {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in files},
    }
    (OUT / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")


if __name__ == "__main__":
    main()
