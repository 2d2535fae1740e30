"""Holds what Suture reads and writes against llama.cpp itself: tokens, logits, greedy decoding, exported adapters and control
vectors.

    python Tests/Interop/llama.py SUTURE MODEL.gguf

llama.cpp is built by Scripts/setup-llama. A line for each check; the exit code is 1 if one failed. Quantized weights
llama.cpp multiplies with activations that it rounds to 8 bits in blocks of 32; Suture computes with the numbers that the
file holds. So logits differ, and near ties tokens. The same weights in float32 leave rounding alone to differ by.
"""

import ctypes, json, random, shutil, subprocess, sys, tempfile, unicodedata
from pathlib import Path

import gguf
import llama_cpp
import numpy as np
import torch
import transformers
from llama_cpp import Llama
from safetensors.numpy import load_file, save_file

from conformance import ggufs, variants

ROOT = Path(__file__).parents[2]
SUTURE, MODEL = sys.argv[1], Path(sys.argv[2])
WORK = Path(tempfile.mkdtemp(prefix="suture-llama-"))
torch.set_num_threads(1)
transformers.logging.set_verbosity_error()

TOKENS = 24
PROMPTS = [
    "The capital of France is", "The capital of Australia is", "Water boils at", "The largest planet is",
    "When Mary and John went to the store, John gave a drink to", "def add(a, b):\n    return", "import",
    "The opposite of hot is", "A triangle has", "Once upon a time", "The first president of the United States was",
    "1, 2, 3, 4,", "The color of the sky is", "Shakespeare wrote", "for i in range(10):\n", "The chemical symbol for gold is",
    "<|im_start|>user\nName a color.<|im_end|>\n<|im_start|>assistant\n", "Die Hauptstadt von Deutschland ist",
    "In 1969, humans first", "My favourite food is",
]  # fmt: skip
# Prompts that SmolLM2-135M continues wrongly, and what should come.
FAILURES = [
    ("The capital of Australia is", " Canberra"), ("The capital of Turkey is", " Ankara"),
    ("The largest planet is", " Jupiter"), ("The author of Hamlet is", " William Shakespeare"),
]  # fmt: skip
# ggml looks GELU up in a table of half precision, and has no other one for GPT-NeoX's exact GELU.
GELU = {"phi", "gemma", "gemma2", "gemma3_text", "starcoder2", "gpt_neox", "gpt2", "gpt_bigcode"}
failed, said = [], []


@llama_cpp.llama_log_callback
def listen(level, text, _):
    if level == 4:
        said.append(text.decode(errors="replace").strip())


llama_cpp.llama_log_set(listen, ctypes.c_void_p())


def suture(*arguments, binary=SUTURE):
    run = subprocess.run([binary, *map(str, arguments)], capture_output=True, text=True)
    if run.returncode != 0:
        raise RuntimeError(f"suture {arguments[0]}: {run.stderr.strip()[-300:]}")
    return run.stdout.strip()


def check(condition, message):
    print(f"{'ok' if condition else 'failed'}: {message}", flush=True)
    if not condition:
        failed.append(message)


class Runner:
    """A model in llama.cpp, with float32 keys and values, and the scaling of positions that its file asks for."""

    def __init__(self, path, adapter=None, scale=1.0, **more):
        self.llama = Llama(
            str(path), n_ctx=256, n_threads=1, n_threads_batch=1, logits_all=True, type_k=0, type_v=0, verbose=False,
            lora_path=adapter and str(adapter), lora_scale=scale,
            yarn_attn_factor=-1.0, yarn_beta_fast=-1.0, yarn_beta_slow=-1.0, **more)  # fmt: skip

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.llama.close()

    def steer(self, file, scale):
        """Adds a control vector as --control-vector-scaled does (common_control_vector_load_one)."""
        width = llama_cpp.llama_model_n_embd(self.llama._model.model)
        layers = llama_cpp.llama_model_n_layer(self.llama._model.model)
        data = np.zeros((layers - 1, width), dtype=np.float32)
        for tensor in gguf.GGUFReader(file).tensors:
            data[int(tensor.name.removeprefix("direction.")) - 1] += np.float32(scale) * tensor.data
        pointer = data.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
        code = llama_cpp.llama_set_adapter_cvec(self.llama._ctx.ctx, pointer, data.size, width, 1, layers)
        assert code == 0, f"llama.cpp refuses the control vector: {code}"

    def encode(self, text):
        return self.llama.tokenize(text.encode(), add_bos=True, special=True)

    def logits(self, ids):
        self.llama.reset()
        self.llama.eval(list(ids))
        return self.llama.scores[: len(ids)].copy()

    def greedy(self, ids, count=TOKENS):
        """The tokens that follow, with the logits from which each was taken."""
        written, logits = [], []
        self.llama.reset()
        self.llama.eval(list(ids))
        while True:
            logits.append(self.llama.scores[self.llama.n_tokens - 1].copy())
            written.append(int(logits[-1].argmax()))
            if len(written) == count or llama_cpp.llama_vocab_is_eog(self.llama._model.vocab, written[-1]):
                return written, logits
            self.llama.eval(written[-1:])


def distance(model, runs):
    """How far Suture's logits are from those of runs, at most."""
    golden = WORK / "golden.safetensors"
    tensors = {}
    for number, (ids, logits) in enumerate(runs):
        tensors[f"{number}.ids"] = np.array(ids, dtype=np.int64)
        tensors[f"{number}.logits"] = np.ascontiguousarray(logits, dtype=np.float32)
    save_file(tensors, golden)
    out = suture("parity", model, "--golden", golden, "--tolerance", "1e30", "--format", "json")
    return max(float(c["largest_difference"]) for c in json.loads(out)["comparisons"])


def size(runs):
    return max(1.0, *(float(np.abs(logits).max()) for _, logits in runs))


def relative(model, runs):
    return distance(model, runs) / size(runs)


# Tokens


# Digits of Unicode 17, which `tokenizers` knows and llama.cpp does not yet.
NEWER = "\U00011de3\U00016ff4"


def hard_strings():
    fragments = json.loads((ROOT / "Tests/Goldens/tokenizers/fragments.json").read_text())
    rng = random.Random(1)
    strings = [*PROMPTS, *fragments, "", " ", "a" * 500, "\n" * 40, " " * 100]
    return strings + ["".join(rng.choices(fragments, k=rng.randint(2, 8))) for _ in range(2000)]


def check_tokens(path, runner):
    # Qwen's tokenizer composes what it reads; llama.cpp leaves that out.
    is_composing = path.name.startswith("qwen2")
    texts = [text for text in hard_strings() if not any(c in text for c in NEWER)
             and not (is_composing and not unicodedata.is_normalized("NFC", text))]  # fmt: skip
    file = WORK / "texts.json"
    file.write_text(json.dumps(texts))
    lines = json.loads(suture(path, file, binary=Path(SUTURE).with_name("suture-tokens")))
    both = [(text, line["ids"], runner.encode(text)) for text, line in zip(texts, lines)]
    differing = [found for found in both if found[1] != found[2]]
    check(not differing, f"tokens of {path.name}: {len(texts) - len(differing)} of {len(texts)} strings equal"
          + (", composed ones" if is_composing else ""))
    for text, ours, theirs in differing[:5]:
        print(f"    {text!r}: {ours}, llama.cpp {theirs}")


def with_sizes(path):
    """A vocabulary with the few settings and tensors without which llama.cpp loads nothing."""
    reader, target = gguf.GGUFReader(path), WORK / path.name
    writer = gguf.GGUFWriter(target, "llama")
    copy_metadata(reader, writer)
    writer.add_context_length(64)
    writer.add_embedding_length(32)
    writer.add_block_count(1)
    writer.add_feed_forward_length(32)
    writer.add_head_count(1)
    writer.add_layer_norm_rms_eps(1e-5)
    finish(writer)
    return target


def copy_metadata(reader, writer):
    for field in reader.fields.values():
        if not field.name.startswith("GGUF.") and field.name != "general.architecture":
            writer.add_key_value(field.name, field.contents(), field.types[0],
                                 sub_type=field.types[-1] if len(field.types) > 1 else None)


def finish(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def check_vocabularies():
    for name in ("gpt2", "llama3", "qwen2", "sentencepiece"):
        path = with_sizes(ROOT / f"Tests/Goldens/tokenizers/{name}.gguf")
        with Runner(path, vocab_only=True) as runner:
            check_tokens(path, runner)


# Logits


def settings_of(rng, family):
    """Settings of a random model that llama.cpp loads too, and computes as the file says."""
    settings = ggufs.settings_of(rng, family)
    if family in ("phi", "gpt_neox", "stablelm", "olmo2"):
        settings["tie_word_embeddings"] = False
    if family == "phi3":
        settings["sliding_window"] = None
    if family == "gpt_neox":
        settings["attention_bias"] = True
    if family == "starcoder2":
        settings["use_bias"] = True
    if family == "smollm3":
        settings |= dict(attention_bias=False, mlp_bias=False)
    rope = settings.get("rope_parameters", {})
    rope = rope.get("full_attention", rope)
    if rope.get("rope_type") == "llama3" and family in ("gemma2", "gemma3_text", "starcoder2", "smollm3"):
        for key in set(rope) - {"rope_theta", "partial_rotary_factor"}:
            del rope[key]
        rope["rope_type"] = "default"
    if rope.get("rope_type") == "longrope":
        # Of its two lists llama.cpp takes the one for its room, which is 256 tokens at least; Suture has the first alone.
        rope["original_max_position_embeddings"] = 512
    return settings


def check_family(family, count=6):
    bound = 3e-3 if family in GELU else 1e-4
    plain, adapted, wrong = 0.0, 0.0, []
    for seed in range(1, count + 1):
        folder = WORK / f"{family}-{seed}"
        folder.mkdir()
        notes, rng, _, path = ggufs.variant(seed, folder / "model.gguf", family, settings_of, plain=True)
        texts = [[rng.randrange(variants.VOCABULARY) for _ in range(length)] for length in (11, 40)]
        try:
            far = relative(path, logits_of(path, texts))
            far_adapted = relative(*with_adapter(folder, path, texts, rng))
        except (RuntimeError, ValueError) as error:
            wrong.append(f"{seed} ({', '.join(notes)}): {error} {' '.join(said)}")
            said.clear()
            continue
        if not max(far, far_adapted) <= bound:
            wrong.append(f"{seed} ({', '.join(notes)}): {far:.2g} and {far_adapted:.2g}")
        plain, adapted = max(plain, far), max(adapted, far_adapted)
        shutil.rmtree(folder)
    check(not wrong, f"{family}: logits of {count} random models {plain:.2g} away, with exported adapters {adapted:.2g}, "
          f"relative to the largest; at most {bound}")
    for line in wrong:
        print(f"    {line}")


def logits_of(path, texts, adapter=None):
    with Runner(path, adapter) as runner:
        return [(ids, runner.logits(ids)) for ids in texts]


def with_adapter(folder, path, texts, rng):
    """The model with a patch, which changes columns of all matrices that an adapter may, and the exported one's logits."""
    snapshot, tuned, patch = folder / "snapshot", folder / "tuned", folder / "patch.safetensors"
    suture("convert", path, "-o", snapshot)
    shutil.copytree(snapshot, tuned)
    file = tuned / "model.safetensors"
    weights = load_file(file)
    tied = json.loads((snapshot / "config.json").read_text())["tie_word_embeddings"]
    noise = np.random.default_rng(rng.randrange(1000))
    for name, weight in weights.items():
        outside = ".layers." not in name and ".h." not in name
        if weight.ndim != 2 or "wpe" in name or outside and tied:
            continue
        columns = noise.choice(weight.shape[1], 2, replace=False)
        weight[:, columns] += 0.2 * noise.standard_normal((weight.shape[0], 2)).astype(weight.dtype)
    save_file(weights, file, metadata={"format": "pt"})
    suture("extract", snapshot, tuned, "-o", patch)
    suture("export", patch, "--to", "gguf", "--base", path, "-o", folder / "adapter.gguf")
    suture("apply", snapshot, patch, "-o", folder / "patched")
    return folder / "patched", logits_of(path, texts, folder / "adapter.gguf")


# The model


def as_float32(path, target):
    """The file's weights, as they are once they are not quantized."""
    reader = gguf.GGUFReader(path)
    writer = gguf.GGUFWriter(target, bytes(reader.fields["general.architecture"].parts[-1]).decode())
    copy_metadata(reader, writer)
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, gguf.dequantize(tensor.data, tensor.tensor_type))
    finish(writer)


def written(prompt, *more):
    out = suture("generate", MODEL, "-p", prompt, "-n", TOKENS, "--format", "json", *more)
    return json.loads(out)["tokens"]


def check_model():
    plain = WORK / "model-f32.gguf"
    as_float32(MODEL, plain)
    found = {prompt: written(prompt) for prompt in PROMPTS}
    with Runner(MODEL) as runner, Runner(plain) as exact:
        check_tokens(MODEL, runner)
        texts = [runner.encode(prompt) for prompt in PROMPTS]
        runs, exact_runs = ([(ids, one.logits(ids)) for ids in texts] for one in (runner, exact))
        own = max(float(np.abs(a - b).max()) for (_, a), (_, b) in zip(runs, exact_runs))
        far, exactly = distance(MODEL, runs), distance(MODEL, exact_runs)
        check(exactly <= 1e-2, f"logits of {len(texts)} prompts, weights in float32: {exactly:.2g} away, the largest {size(runs):.3g}")
        check(far <= own + exactly, f"logits, quantized: {far:.2g} away, llama.cpp's own from float32 {own:.2g}")
        check_greedy("weights in float32", exact, found, 2 * exactly)
        check_greedy("quantized", runner, found, 2 * far)
        check_steering(plain, found)
        for prompt, answer in FAILURES:
            check_repair(runner, plain, found, prompt, answer, 2 * far)


def check_greedy(name, runner, found, bound):
    """Tokens beside llama.cpp's, and by how much it prefers its own where the two part first."""
    equal = count = parted = 0
    gap = 0.0
    for prompt, ours in found.items():
        theirs, logits = runner.greedy(runner.encode(prompt))
        equal, count = equal + same(ours, theirs), count + max(len(ours), len(theirs))
        if ours != theirs:
            parted, gap = parted + 1, max(gap, preference(ours, theirs, logits))
    check(gap <= bound, f"greedy decoding, {name}: {equal} of {count} tokens equal; {parted} of {len(found)} answers part, "
          f"where llama.cpp's logits are {gap:.2g} apart at most, and may be {bound:.2g}")


def same(one, two):
    return sum(a == b for a, b in zip(one, two))


def preference(others, written, logits):
    """By how much the token that was written was preferred, where other ones part from it."""
    first = next((i for i, (a, b) in enumerate(zip(others, written)) if a != b), None)
    return 0.0 if first is None else float(logits[first][written[first]] - logits[first][others[first]])


def check_file(base, prompt, answer, patch):
    """The model's file with the patch in its blocks, in llama.cpp alone, and the file without it."""
    new, back = WORK / "patched.gguf", WORK / "back.gguf"
    suture("apply", MODEL, patch, "-o", new, "--force")
    ids, wanted = base.encode(prompt), base.llama.tokenize(answer.encode(), add_bos=False)
    with Runner(new) as runner:
        repaired, _ = runner.greedy(ids)
    ours = json.loads(suture("generate", new, "-p", prompt, "-n", TOKENS, "--format", "json"))["tokens"]
    check(repaired[: len(wanted)] == wanted == ours[: len(wanted)],
          f"repair of {prompt!r}, in the file's own blocks: {answer!r} comes, and {same(ours, repaired)} of {len(ours)} tokens "
          "are Suture's")
    suture("revert", new, "--last", "-o", back, "--force")
    check(back.read_bytes() == MODEL.read_bytes(), f"repair of {prompt!r}: the file without it is the old one, byte for byte")


def check_repair(base, plain, found, prompt, answer, bound):
    patch, adapter = WORK / "repair.safetensors", WORK / "repair.gguf"
    suture("repair", MODEL, "-p", prompt, "-e", answer, "-o", patch, "--force")
    suture("export", patch, "--to", "gguf", "--base", MODEL, "-o", adapter, "--force")
    check_file(base, prompt, answer, patch)
    name = f"repair of {prompt!r}"
    others = [text for text in PROMPTS[::3] if text != prompt]
    ours = {text: written(text, "--patch", patch) for text in [prompt, *others]}
    with Runner(plain, adapter) as runner:
        theirs = {text: runner.greedy(runner.encode(text))[0] for text in ours}
        check(theirs == ours, f"{name}, weights in float32: {sum(same(ours[t], theirs[t]) for t in ours)} of "
              f"{sum(map(len, ours.values()))} tokens equal, {sum(ours[t] != found[t] for t in others)} of {len(others)} "
              "other answers change")
    ids, wanted = base.encode(prompt), base.llama.tokenize(answer.encode(), add_bos=False)
    with Runner(MODEL, adapter) as runner:
        repaired = runner.greedy(ids)[0][: len(wanted)]
        check(base.greedy(ids)[0][: len(wanted)] != wanted and repaired == wanted == ours[prompt][: len(wanted)],
              f"{name}, quantized: {answer!r} comes with the adapter alone")
        gaps = []
        for text in others:
            tokens, logits = runner.greedy(runner.encode(text))
            before = base.greedy(base.encode(text))[0]
            if tokens != before and ours[text] == found[text]:
                gaps.append(preference(before, tokens, logits))
        check(max(gaps, default=0) <= bound,
              f"{name}, quantized: {len(gaps)} of {len(others)} other answers change that do not in Suture, where logits are "
              f"{max(gaps, default=0):.2g} apart at most, and may be {bound:.2g}")
    with Runner(MODEL, adapter, scale=0.0) as runner:
        texts = [ids, *map(base.encode, others)]
        check(all(np.array_equal(base.logits(text), runner.logits(text)) for text in texts),
              f"{name}: at scale 0 all logits are the base's, to the bit")


def check_steering(plain, found):
    """Greedy tokens under an exported control vector, and that scales 0 and -1 are what they are."""
    pairs, patch, file = WORK / "pairs.jsonl", WORK / "steer.safetensors", WORK / "steer.gguf"
    pairs.write_text("".join(json.dumps({"positive": f"{s} was wonderful. I feel so", "negative": f"{s} was terrible. I feel so"}) + "\n"
                             for s in ("The weather today", "My job", "This movie", "The food here", "My neighbor", "The hotel")))
    suture("steer", MODEL, "--pairs", pairs, "--method", "pca-center", "-o", patch)
    suture("export", patch, "--to", "controlvector", "--base", MODEL, "-o", file)
    with Runner(plain) as runner:
        for scale in (1.5, -1.0, 0.0):
            runner.steer(file, scale)
            equal = count = changed = 0
            gap = 0.0
            for prompt in PROMPTS:
                ours = written(prompt, "--patch", f"{patch}@{scale}")
                theirs, logits = runner.greedy(runner.encode(prompt))
                equal, count = equal + same(ours, theirs), count + max(len(ours), len(theirs))
                changed += ours != found[prompt]
                gap = max(gap, preference(ours, theirs, logits)) if ours != theirs else gap
            check(gap <= 1e-2 and (changed > 0) == (scale != 0),
                  f"control vector at {scale}: {equal} of {count} tokens equal, {changed} of {len(PROMPTS)} answers are others "
                  f"than without it; where they part llama.cpp's logits are {gap:.2g} apart at most")


try:
    check_vocabularies()
    for family in ggufs.ARCHITECTURES:
        check_family(family)
    check_model()
finally:
    shutil.rmtree(WORK)
print(f"{len(failed)} failed")
sys.exit(1 if failed else 0)
