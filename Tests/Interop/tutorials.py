"""Runs the commands of the tutorials as a reader would, on the real model.

    python Tests/Interop/tutorials.py SUTURE MODEL.gguf

Every line of a block marked `sh` in the articles is run in an empty folder that holds the model as `model.gguf`, fifty
pairs of prompts, and fifty others to learn from; it must end with exit code 0, and what it is told to write must be there.
"""

import os, re, subprocess, sys, tempfile, json
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ARTICLES = ["LookingInside"]
SUTURE, MODEL = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()

CAPITALS = [("France", "Paris"), ("Italy", "Rome"), ("Spain", "Madrid"), ("Japan", "Tokyo"), ("Russia", "Moscow"),
            ("England", "London"), ("Germany", "Berlin"), ("Austria", "Vienna"), ("Egypt", "Cairo"), ("China", "Beijing"),
            ("Ireland", "Dublin")]


def pairs():
    """Pairs of prompts that are not equally long."""
    for first, capital in CAPITALS:
        for second, other in CAPITALS:
            if first != second:
                yield {
                    "base": {"text": f"The capital of {first} is", "roles": {"country": first}},
                    "source": {"text": f"The beautiful capital of {second} is", "roles": {"country": second}},
                    "answer": f" {capital}", "other": f" {other}"}


if not MODEL.exists():
    print(f"skipped: there is no model at {MODEL}; Scripts/setup brings it")
    sys.exit()
count = 0
with tempfile.TemporaryDirectory() as folder:
    folder = Path(folder)
    (folder / "model.gguf").symlink_to(MODEL)
    (folder / "suture").symlink_to(SUTURE)
    lines = [json.dumps(pair) + "\n" for pair in pairs()]
    (folder / "pairs.jsonl").write_text("".join(lines[:50]))
    (folder / "train.jsonl").write_text("".join(lines[50:100]))
    for article in ARTICLES:
        text = (ROOT / f"Sources/SutureKit/SutureKit.docc/{article}.md").read_text()
        for block in re.findall(r"```sh\n(.*?)```", text, re.S):
            for line in block.strip().splitlines():
                environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
                done = subprocess.run(line, shell=True, cwd=folder, env=environment, capture_output=True, text=True)
                if done.returncode:
                    sys.exit(f"{article}: {line}\nexit code {done.returncode}: {done.stderr}")
                for name in re.findall(r"(?:--report|--save|-o) (\S+)", line):
                    if not (folder / name).exists():
                        sys.exit(f"{article}: {line}\n{name} was not written")
                count += 1
print(f"{count} commands of {len(ARTICLES)} tutorials do what they say")
