"""Applies a patch to a safetensors file: a reader of Documentation/patch-format.md, with nothing but numpy.

    python apply_patch.py model.safetensors fix.safetensors out.safetensors [--scale X]
"""

import argparse, hashlib, json

import numpy as np

DTYPES = {"F32": "<f4", "F16": "<f2", "BF16": "<u2", "F64": "<f8", "U8": "u1", "U32": "<u4", "U64": "<u8"}


def read(path):
    """The header, and for each tensor its type, shape and an array on its bytes, which can be changed in place."""
    data = bytearray(open(path, "rb").read())
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    metadata, tensors = header.pop("__metadata__", {}), {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        array = np.frombuffer(memoryview(data)[start + begin : start + end], DTYPES.get(entry["dtype"], "u1"))
        tensors[name] = entry["dtype"], entry["shape"], array
    return data, metadata, tensors


def digest(dtype, shape, array):
    label = f"{dtype}[{','.join(map(str, shape))}]\0".encode()
    return "sha256:" + hashlib.sha256(label + array.tobytes()).hexdigest()


def to_float(dtype, array):
    return (array.astype(np.uint32) << 16).view(np.float32) if dtype == "BF16" else array


def rounded(dtype, values):
    if dtype != "BF16":
        return values.astype(DTYPES[dtype])
    bits = values.view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)


def symmetric_zero(bits):
    return np.array([0.5 if bits == 1 else 2.0 ** (bits - 1)])


def log_levels(bits):
    """What each logarithmic code stands for, as a fraction of the scale."""
    top = (1 << bits - 1) - 1
    levels = np.exp2((bits - 1) * np.arange(1 - top, 1) / max(top - 1, 1)).astype(np.float32).astype(np.float64)
    return np.concatenate([[0], levels, [0], -levels])


def delta(edit, shape, payload):
    """What an edit adds at scale 1, in float64, as a flat array."""
    part = {key: to_float(payload[name][0], payload[name][2]).reshape(payload[name][1]).astype(np.float64)
            for key, name in edit.items() if key not in ("tensor", "kind", "bits", "scheme") and isinstance(name, str)}
    result = np.zeros(shape)
    match edit["kind"]:
        case "columns": result[:, edit["indices"]] = part["delta"].T
        case "rows": result[edit["indices"]] = part["delta"]
        case "low_rank":
            for b, a in zip(part["b"].T, part["a"]): result += np.outer(b, a)
        case "sparse": result.reshape(-1)[part["indices"].astype(np.int64)] = part["delta"]
        case "dense": result += part["delta"]
        case "quantized":
            bits = np.unpackbits(payload[edit["codes"]][2], bitorder="little")[: result.size * edit["bits"]]
            codes = (bits.reshape(-1, edit["bits"]) @ (1 << np.arange(edit["bits"]))).reshape(len(part["scales"]), -1)
            match edit.get("scheme"):
                case None: numbers = codes - part.get("zeros", symmetric_zero(edit["bits"]))[:, None]
                case "log": numbers = log_levels(edit["bits"])[codes]
                case scheme: raise SystemExit(f"error: unknown scheme {scheme}")
            result += (part["scales"][:, None] * numbers).reshape(shape)
        case kind: raise SystemExit(f"error: unknown kind {kind}")
    return part.get("scale", 1.0), result.reshape(-1)


def main():
    parser = argparse.ArgumentParser()
    for name in ("model", "patch", "out"): parser.add_argument(name)
    parser.add_argument("--scale", type=float, default=1.0)
    options = parser.parse_args()
    _, metadata, payload = read(options.patch)
    manifest = json.loads(metadata["suture"])
    if manifest["schema"].split(".")[:2] != ["suture", "patch/1"]: raise SystemExit("error: unknown schema")
    content = {"base": manifest["base"], "edits": manifest["edits"], "payload": {n: digest(*payload[n]) for n in payload}}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    if manifest["id"] != "sha256:" + hashlib.sha256(text.encode()).hexdigest(): raise SystemExit("error: changed")
    data, _, model = read(options.model)
    for name, base in manifest["base"]["tensors"].items():
        if base.get("absent"): raise SystemExit(f"error: {name} is added when a model runs, and has no place in its files")
        dtype, shape, weights = model[name]
        if digest(*model[name]) != base["digest"]: raise SystemExit(f"error: {name} is not the patch's base")
        total = np.zeros(weights.size)
        for edit in manifest["edits"]:
            if edit["tensor"] == name:
                scale, change = delta(edit, shape, payload)
                total += options.scale * scale * change
        changed = total != 0
        new = (to_float(dtype, weights[changed]).astype(np.float64) + total[changed]).astype(np.float32)
        weights[changed] = rounded(dtype, new)
    open(options.out, "wb").write(data)


if __name__ == "__main__":
    main()
