"""Applies a patch to a safetensors file, or takes it off again: a reader of Documentation/patch-format.md.

    python apply_patch.py model.safetensors fix.safetensors out.safetensors [--scale X | --revert]

Needs numpy, and ml_dtypes for bfloat16. It is written to be read; for one file and one patch only.
"""

import argparse
import hashlib
import json
import struct

import numpy as np


def dtype(name):
    if name == "BF16":
        import ml_dtypes

        return np.dtype(ml_dtypes.bfloat16)
    return np.dtype({"F32": "<f4", "F16": "<f2"}[name])


def read(path):
    """The header, and the bytes of the tensors in one buffer that can be changed."""
    data = bytearray(open(path, "rb").read())
    (length,) = struct.unpack("<Q", data[:8])
    return json.loads(data[8 : 8 + length]), data, 8 + length


def tensor(header, data, start, name):
    """The dtype's name, the shape, and an array on the tensor's bytes in place."""
    entry = header[name]
    begin, end = entry["data_offsets"]
    array = np.frombuffer(memoryview(data)[start + begin : start + end], dtype=dtype(entry["dtype"]))
    return entry["dtype"], entry["shape"], array.reshape(entry["shape"])


def digest(kind, shape, array):
    label = f"{kind}[{','.join(map(str, shape))}]\0".encode()
    return "sha256:" + hashlib.sha256(label + array.tobytes()).hexdigest()


def check(condition, message):
    if not condition:
        raise SystemExit(f"error: {message}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model"), parser.add_argument("patch"), parser.add_argument("out")
    parser.add_argument("--scale", type=float, default=1.0), parser.add_argument("--revert", action="store_true")
    options = parser.parse_args()

    patch = read(options.patch)
    manifest = json.loads(patch[0]["__metadata__"]["suture"])
    check(manifest["schema"].split(".")[:2] == ["suture", "patch/1"], f"unknown schema {manifest['schema']}")
    payload = {name: digest(*tensor(*patch, name)) for name in patch[0] if name != "__metadata__"}
    content = {"base": manifest["base"], "edits": manifest["edits"], "payload": payload}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    check(manifest["id"] == "sha256:" + hashlib.sha256(text.encode()).hexdigest(), "the patch was changed")

    model = read(options.model)
    for edit in manifest["edits"]:
        kind, shape, weights = tensor(*model, edit["tensor"])
        base = manifest["base"]["tensors"][edit["tensor"]]
        check(edit["kind"] in ("columns", "rows"), f"unknown kind {edit['kind']}")
        slices = weights.T if edit["kind"] == "columns" else weights
        original, delta = tensor(*patch, edit["original"])[2], tensor(*patch, edit["delta"])[2]
        if options.revert:
            slices[edit["indices"]] = original
        check(digest(kind, shape, weights) == base["digest"], f"{edit['tensor']} is not the patch's base")
        if not options.revert:
            change = options.scale * delta.astype(np.float64)
            new = (original.astype(np.float64) + change).astype(np.float32).astype(weights.dtype)
            slices[edit["indices"]] = np.where(change == 0, original, new)
    open(options.out, "wb").write(model[1])


if __name__ == "__main__":
    main()
