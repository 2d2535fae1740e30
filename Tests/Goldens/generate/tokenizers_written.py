"""Checks the snapshots that the tests wrote from GGUF vocabularies, and keeps the digests of what was checked.

    SUTURE_KEEP_SNAPSHOTS=DIR swift test --filter TokenizersTests
    python3 Tests/Goldens/generate/tokenizers_written.py DIR SmolLM2-135M-Instruct.Q4_1.gguf

For each the `tokenizers` package has to load the written `tokenizer.json` and to make the same ids of all hostile
strings. The digest of every file that passed is written to Tests/Goldens/tokenizers/written.json, which a test compares
with the digest of what is written now.
"""

import hashlib
import json
import pathlib
import sys

from tokenizers import Tokenizer

from tokenizers_goldens import OUT, STRINGS, hostile_string, smollm2


def check(path, reference):
    written = Tokenizer.from_file(str(path))
    differing = 0
    for index in range(STRINGS):
        text = hostile_string(20_240_601, index)
        ids = reference.encode(text, add_special_tokens=False).ids
        same = written.encode(text, add_special_tokens=False).ids == ids and written.decode(ids) == reference.decode(ids)
        differing += not same
    print(path, differing, "of", STRINGS, "differ")
    assert differing == 0
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main():
    root = pathlib.Path(sys.argv[1])
    references = {name: Tokenizer.from_file(str(OUT / f"{name}.json")) for name in ("gpt2", "llama3", "qwen2")}
    references["smollm2"] = smollm2(sys.argv[2])[0]
    digests = {name: check(root / name / "tokenizer.json", reference) for name, reference in references.items()}
    (OUT / "written.json").write_text(json.dumps(digests, indent=1) + "\n")


if __name__ == "__main__":
    main()
