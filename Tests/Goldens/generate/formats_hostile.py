"""Hostile files: each is wrong in one way, and a reader must say which. Needs nothing but Python 3.

    python Tests/Goldens/generate/formats_hostile.py

Writes Tests/Goldens/hostile and a manifest there: for each file or directory the reader (json, safetensors, gguf,
snapshot), the code of the error that is expected, and the SHA-256 of each file.
"""

import hashlib
import json
import pathlib
import shutil
import struct

OUT = pathlib.Path(__file__).resolve().parent.parent / "hostile"
cases = []


def case(path, reader, code):
    cases.append({"path": path, "reader": reader, "code": code})
    target = OUT / path
    target.parent.mkdir(parents=True, exist_ok=True)
    return target


# --- JSON


def json_case(name, code, data):
    case(f"json/{name}.json", "json", code).write_bytes(data)


def write_json():
    json_case("empty", "truncated", b"")
    json_case("unclosed-object", "truncated", b'{"a": 1')
    json_case("unclosed-string", "truncated", b'{"a": "b')
    json_case("trailing", "trailingBytes", b"{} {}")
    json_case("duplicate-key", "duplicateName", b'{"a": 1, "b": 2, "a": 3}')
    json_case("duplicate-escaped-key", "duplicateName", b'{"a": 1, "\\u0061": 3}')
    json_case("depth-bomb", "tooDeep", b"[" * 5000)
    json_case("depth-bomb-objects", "tooDeep", b'{"a":' * 5000)
    json_case("not-utf8", "invalidUTF8", b'{"a": "\xff"}')
    json_case("overlong-utf8", "invalidUTF8", b'{"a": "\xc0\xaf"}')
    json_case("surrogate-utf8", "invalidUTF8", b'{"a": "\xed\xa0\x80"}')
    json_case("lone-surrogate", "malformedJSON", b'{"a": "\\ud800"}')
    json_case("hex-number", "malformedJSON", b'{"a": 0x10}')
    json_case("leading-zero", "malformedJSON", b"[012]")
    json_case("comment", "malformedJSON", b'{"a": 1 // one\n}')
    json_case("single-quotes", "malformedJSON", b"{'a': 1}")
    json_case("trailing-comma", "malformedJSON", b"[1, 2,]")
    json_case("utf16", "malformedJSON", '{"a": 1}'.encode("utf-16"))
    json_case("control-character", "malformedJSON", b'{"a": "\x01"}')


# --- Safetensors


def entry(dtype, shape, begin, end):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def safetensors(header, data=b"", length=None):
    if not isinstance(header, bytes):
        header = json.dumps(header).encode()
    return struct.pack("<Q", len(header) if length is None else length) + header + data


def st_case(name, code, data):
    case(f"safetensors/{name}.safetensors", "safetensors", code).write_bytes(data)


def write_safetensors():
    one = entry("F32", [2], 0, 8)
    good = safetensors({"a": one}, bytes(8))
    st_case("empty", "truncated", b"")
    st_case("seven-bytes", "truncated", good[:7])
    st_case("cut-in-header", "truncated", good[:20])
    st_case("cut-before-data", "truncated", good[:-8])
    st_case("cut-in-data", "truncated", good[:-1])
    st_case("header-too-long", "tooLarge", safetensors({"a": one}, bytes(8), length=100_000_001))
    st_case("header-length-overflow", "tooLarge", safetensors({"a": one}, bytes(8), length=2**64 - 1))
    st_case("header-length-sign", "tooLarge", safetensors({"a": one}, bytes(8), length=2**63))
    st_case("header-past-end", "truncated", safetensors({"a": one}, bytes(8), length=1_000_000))
    st_case("header-empty", "malformedHeader", safetensors(b""))
    st_case("header-array", "malformedHeader", safetensors(b"[]"))
    st_case("header-leading-space", "malformedHeader", safetensors(b" {}"))
    st_case("header-cut-json", "truncated", safetensors(b'{"a": '))
    st_case("header-not-utf8", "invalidUTF8", safetensors(b'{"\xff\xfe": 1}'))
    st_case("header-trailing", "trailingBytes", safetensors(b"{}{}"))
    st_case("header-depth-bomb", "tooDeep", safetensors(b'{"a":' + b"[" * 2000))
    st_case("duplicate-name", "duplicateName", safetensors(
        b'{"a":%(e)s,"a":%(e)s}' % {b"e": json.dumps(one).encode()}, bytes(8)))
    st_case("overlap", "overlap", safetensors({"a": one, "b": entry("F32", [2], 4, 12)}, bytes(12)))
    st_case("same-bytes-twice", "overlap", safetensors({"a": one, "b": one}, bytes(8)))
    st_case("hole", "hole", safetensors({"a": one, "b": entry("F32", [2], 12, 20)}, bytes(20)))
    st_case("hole-at-start", "hole", safetensors({"a": entry("F32", [2], 4, 12)}, bytes(12)))
    st_case("bytes-after-last", "trailingBytes", safetensors({"a": one}, bytes(9)))
    st_case("no-tensors-but-data", "trailingBytes", safetensors({}, bytes(4)))
    st_case("shape-overflow", "overflow", safetensors({"a": entry("F32", [2**32, 2**32], 0, 8)}, bytes(8)))
    st_case("bytes-overflow", "overflow", safetensors({"a": entry("F64", [2**61], 0, 8)}, bytes(8)))
    st_case("shape-negative", "overflow", safetensors({"a": entry("F32", [-2], 0, 8)}, bytes(8)))
    st_case("shape-negative-pair", "overflow", safetensors({"a": entry("F32", [-1, -2], 0, 8)}, bytes(8)))
    st_case("shape-fraction", "wrongJSONType", safetensors({"a": entry("F32", [2.5], 0, 8)}, bytes(8)))
    st_case("shape-beyond-int", "wrongJSONType", safetensors({"a": entry("F32", [2**64], 0, 8)}, bytes(8)))
    st_case("shape-text", "wrongJSONType", safetensors({"a": entry("F32", "2", 0, 8)}, bytes(8)))
    st_case("shape-too-small", "sizeMismatch", safetensors({"a": entry("F32", [1], 0, 8)}, bytes(8)))
    st_case("offsets-reversed", "badOffsets", safetensors({"a": entry("F32", [2], 8, 0)}, bytes(8)))
    st_case("offsets-negative", "badOffsets", safetensors({"a": entry("F32", [2], -8, 0)}, bytes(8)))
    st_case("offsets-huge", "badOffsets", safetensors({"a": entry("F32", [2], 2**63 - 9, 2**63 - 1)}, bytes(8)))
    st_case("offsets-three", "badOffsets", safetensors(
        {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4, 8]}}, bytes(8)))
    st_case("offsets-missing", "missingKey", safetensors({"a": {"dtype": "F32", "shape": [2]}}, bytes(8)))
    st_case("type-unknown", "unknownType", safetensors({"a": entry("F31", [2], 0, 8)}, bytes(8)))
    st_case("type-lower-case", "unknownType", safetensors({"a": entry("f32", [2], 0, 8)}, bytes(8)))
    st_case("type-number", "wrongJSONType", safetensors({"a": entry(32, [2], 0, 8)}, bytes(8)))
    st_case("tensor-not-object", "wrongJSONType", safetensors({"a": 1}))
    st_case("tensor-unknown-key", "malformedHeader", safetensors({"a": {**one, "stride": [1]}}, bytes(8)))
    st_case("name-with-newlines", "unknownType", safetensors(
        {"a\nerror: b\x1b[2J\u2028": entry("?", [2], 0, 8)}, bytes(8)))
    st_case("name-long", "unknownType", safetensors({"a" * 4000: entry("?", [2], 0, 8)}, bytes(8)))
    st_case("metadata-number", "wrongJSONType", safetensors({"__metadata__": {"step": 3}, "a": one}, bytes(8)))


# --- GGUF


def text(value):
    value = value if isinstance(value, bytes) else value.encode()
    return struct.pack("<Q", len(value)) + value


def tensor(name, sizes, kind, offset):
    return text(name) + struct.pack(f"<I{len(sizes)}QIQ", len(sizes), *sizes, kind, offset)


def gguf(metadata=(), tensors=(), data=b"", version=3, magic=b"GGUF", tensor_count=None, metadata_count=None):
    head = magic + struct.pack("<I", version)
    head += struct.pack("<Q", len(tensors) if tensor_count is None else tensor_count)
    head += struct.pack("<Q", len(metadata) if metadata_count is None else metadata_count)
    head += b"".join(metadata) + b"".join(tensors)
    return head + bytes(-len(head) % 32) + data


def gguf_case(name, code, data):
    case(f"gguf/{name}.gguf", "gguf", code).write_bytes(data)


def write_gguf():
    f32, q8_0, u32, string, array = 0, 8, 4, 8, 9
    one = tensor("a", [8], f32, 0)
    arch = text("general.architecture") + struct.pack("<I", string) + text("llama")
    good = gguf([arch], [one], bytes(32))
    gguf_case("empty", "truncated", b"")
    gguf_case("cut-in-magic", "truncated", good[:3])
    gguf_case("cut-in-counts", "truncated", good[:20])
    gguf_case("cut-in-key", "truncated", good[:40])
    gguf_case("cut-in-value", "truncated", good[:60])
    gguf_case("cut-in-tensor", "truncated", good[:80])
    gguf_case("cut-in-data", "truncated", good[:-1])
    gguf_case("magic", "badMagic", gguf([arch], [one], bytes(32), magic=b"GGML"))
    gguf_case("version-1", "unsupportedVersion", gguf([arch], [one], bytes(32), version=1))
    gguf_case("version-99", "unsupportedVersion", gguf([arch], [one], bytes(32), version=99))
    gguf_case("big-endian", "unsupportedVersion", gguf(version=0x03000000))
    gguf_case("tensor-count-huge", "truncated", gguf([arch], [one], bytes(32), tensor_count=2**64 - 1))
    gguf_case("tensor-count-plausible", "truncated", gguf([arch], [one], bytes(32), tensor_count=2**31))
    gguf_case("metadata-count-huge", "truncated", gguf([arch], [one], bytes(32), metadata_count=2**63))
    gguf_case("key-length-huge", "truncated", gguf([struct.pack("<Q", 2**64 - 1) + b"a"], [], bytes(64)))
    gguf_case("string-length-huge", "truncated", gguf(
        [text("k") + struct.pack("<IQ", string, 2**62)], [one], bytes(32)))
    gguf_case("array-count-huge", "truncated", gguf(
        [text("k") + struct.pack("<IIQ", array, u32, 2**62)], [one], bytes(32)))
    gguf_case("array-count-overflow", "truncated", gguf(
        [text("k") + struct.pack("<IIQ", array, u32, 2**64 - 1)], [one], bytes(32)))
    nested = b"".join(struct.pack("<IQ", array, 1) for _ in range(1000))
    gguf_case("array-depth-bomb", "tooDeep", gguf([text("k") + struct.pack("<I", array) + nested]))
    gguf_case("array-element-type", "malformedMetadata", gguf(
        [text("k") + struct.pack("<IIQ", array, 77, 1)], [one], bytes(32)))
    gguf_case("value-type", "malformedMetadata", gguf([text("k") + struct.pack("<II", 13, 0)], [one], bytes(32)))
    gguf_case("bool", "malformedMetadata", gguf([text("k") + struct.pack("<IB", 7, 2)], [one], bytes(32)))
    gguf_case("key-not-utf8", "invalidUTF8", gguf([text(b"\xff") + struct.pack("<II", u32, 0)], [one], bytes(32)))
    gguf_case("duplicate-key", "duplicateName", gguf([arch, arch], [one], bytes(32)))
    for label, value in (("zero", 0), ("three", 3), ("huge", 1 << 31)):
        alignment = text("general.alignment") + struct.pack("<II", u32, value)
        gguf_case(f"alignment-{label}", "badAlignment", gguf([alignment], [one], bytes(32)))
    gguf_case("alignment-text", "badAlignment", gguf(
        [text("general.alignment") + struct.pack("<I", string) + text("32")], [one], bytes(32)))
    gguf_case("dimensions-five", "overflow", gguf([], [tensor("a", [1] * 5, f32, 0)], bytes(32)))
    gguf_case("dimensions-huge", "overflow", gguf(
        [], [text("a") + struct.pack("<IQIQ", 2**32 - 1, 8, f32, 0)], bytes(32)))
    gguf_case("shape-overflow", "overflow", gguf([], [tensor("a", [2**32, 2**32], f32, 0)], bytes(32)))
    gguf_case("shape-beyond-int", "overflow", gguf([], [tensor("a", [2**64 - 1, 2], f32, 0)], bytes(32)))
    gguf_case("shape-zero", "overflow", gguf([], [tensor("a", [0, 2**62], f32, 0)], bytes(32)))
    gguf_case("bytes-overflow", "overflow", gguf([], [tensor("a", [2**62], f32, 0)], bytes(32)))
    gguf_case("row-not-whole-blocks", "overflow", gguf([], [tensor("a", [33], q8_0, 0)], bytes(128)))
    gguf_case("type-unknown", "unknownType", gguf([], [tensor("a", [8], 1000, 0)], bytes(32)))
    gguf_case("type-removed", "unknownType", gguf([], [tensor("a", [32], 4, 0)], bytes(32)))
    gguf_case("type-unsupported", "unknownType", gguf([], [tensor("a", [256], 16, 0)], bytes(96)))
    gguf_case("offset-past-end", "truncated", gguf([], [tensor("a", [8], f32, 1 << 20)], bytes(32)))
    gguf_case("offset-huge", "truncated", gguf([], [tensor("a", [8], f32, 2**64 - 32)], bytes(32)))
    gguf_case("offset-unaligned", "badAlignment", gguf([], [tensor("a", [8], f32, 8)], bytes(64)))
    gguf_case("overlap", "overlap", gguf(
        [], [tensor("a", [16], f32, 0), tensor("b", [16], f32, 32)], bytes(96)))
    gguf_case("duplicate-tensor", "duplicateName", gguf([], [one, tensor("a", [8], f32, 32)], bytes(64)))
    gguf_case("tensor-not-utf8", "invalidUTF8", gguf([], [tensor(b"\xc3", [8], f32, 0)], bytes(32)))


# --- Snapshot directories

SHARD_1 = safetensors({"a": entry("F32", [2], 0, 8)}, bytes(8))
SHARD_2 = safetensors({"b": entry("F32", [1], 0, 4)}, bytes(4))
NAMES = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]


def snapshot_case(name, code, weight_map=None, index=None, files=None):
    directory = case(f"snapshot/{name}", "snapshot", code)
    directory.mkdir(parents=True)
    if files is None:
        files = dict(zip(NAMES, (SHARD_1, SHARD_2)))
    files = {"config.json": b'{"model_type": "llama"}', **files}
    if weight_map is not None:
        index = json.dumps({"metadata": {"total_size": 12}, "weight_map": weight_map}).encode()
    if index is not None:
        files["model.safetensors.index.json"] = index
    for file, data in files.items():
        (directory / file).write_bytes(data)


def write_snapshots():
    good = {"a": NAMES[0], "b": NAMES[1]}
    for label, path in (
        ("parent", "../model.safetensors"), ("absolute", "/etc/model.safetensors"), ("nested", "sub/model.safetensors"),
        ("backslash", "..\\model.safetensors"), ("dots", ".."), ("empty", ""), ("nul", "a\0.safetensors"),
        ("hidden", ".safetensors"), ("pickle", "pytorch_model.bin"),
    ):
        snapshot_case(f"index-path-{label}", "unsafePath", {**good, "b": path})
    snapshot_case("index-shard-missing", "missingFile", good, files={NAMES[0]: SHARD_1})
    snapshot_case("index-duplicate-tensor", "duplicateName", index=(
        b'{"weight_map": {"a": "%b", "a": "%b"}}' % (NAMES[0].encode(), NAMES[1].encode())))
    snapshot_case("index-no-map", "missingKey", index=b'{"metadata": {}}')
    snapshot_case("index-map-array", "wrongJSONType", index=b'{"weight_map": []}')
    snapshot_case("index-value-number", "wrongJSONType", index=b'{"weight_map": {"a": 1}}')
    snapshot_case("index-cut", "truncated", index=b'{"weight_map": {"a": "mod')
    snapshot_case("tensor-in-two-shards", "duplicateName", files={NAMES[0]: SHARD_1, NAMES[1]: SHARD_1})
    snapshot_case("shard-cut", "truncated", good, files={NAMES[0]: SHARD_1, NAMES[1]: SHARD_2[:-1]})
    snapshot_case("no-weights", "missingFile", files={"pytorch_model.bin": b"\x80\x02"})
    snapshot_case("config-cut", "truncated", good, files={
        "config.json": b'{"model_type": ', NAMES[0]: SHARD_1, NAMES[1]: SHARD_2})


def main():
    if OUT.exists():
        shutil.rmtree(OUT)
    OUT.mkdir()
    write_json()
    write_safetensors()
    write_gguf()
    write_snapshots()
    files = sorted(p for p in OUT.rglob("*") if p.is_file())
    manifest = {
        "generator": "Tests/Goldens/generate/formats_hostile.py",
        "cases": cases,
        "sha256": {str(p.relative_to(OUT)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files},
    }
    (OUT / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")


if __name__ == "__main__":
    main()
