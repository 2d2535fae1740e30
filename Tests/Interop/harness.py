"""Holds `suture serve` under EleutherAI's lm-eval (`local-completions`) against the same model in transformers.

    .deps/interop-harness/bin/python Tests/Interop/harness.py SUTURE MODEL.gguf

Two tasks from local files, written for this: a choice of several answers (loglikelihoods), and free answers (greedy
decoding up to a stop). Every loglikelihood, every choice and every text is compared, and so are the scores.
"""

import json, os, subprocess, sys, tempfile
from pathlib import Path

os.environ.update(HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1", TOKENIZERS_PARALLELISM="false")
import lm_eval
from lm_eval.tasks import TaskManager
from served import served

SUTURE, MODEL = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
CAPITALS = {"France": "Paris", "Japan": "Tokyo", "Italy": "Rome", "Kenya": "Nairobi", "Canada": "Ottawa", "Peru": "Lima",
            "Egypt": "Cairo", "Norway": "Oslo", "Greece": "Athens", "Cuba": "Havana", "Spain": "Madrid", "Austria": "Vienna",
            "Australia": "Canberra", "Turkey": "Ankara", "Brazil": "Brasília", "Switzerland": "Bern"}
passed = 0


def check(what, holds, seen=""):
    global passed
    assert holds, f"{what}: {seen}"
    passed += 1


def tasks(folder):
    """The files of both tasks."""
    names = list(CAPITALS)
    rows = []
    for number, (country, capital) in enumerate(CAPITALS.items()):
        others = [CAPITALS[names[(number + step) % len(names)]] for step in (1, 5, 8)]
        choices = others[:number % 4] + [capital] + others[number % 4:]
        rows.append({"question": f"Q: What is the capital of {country}?\nA:", "choices": choices, "label": number % 4,
                     "answer": f" The capital of {country} is {capital}."})
    data = folder / "capitals.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    shared = {"dataset_path": "json", "dataset_kwargs": {"data_files": {"test": str(data)}}, "test_split": "test",
              "doc_to_text": "{{question}}", "num_fewshot": 0}
    made = {
        "capitals_choice": {"output_type": "multiple_choice", "doc_to_choice": "{{choices}}", "doc_to_target": "{{label}}",
                            "metric_list": [{"metric": "acc"}, {"metric": "acc_norm"}]},
        "capitals_free": {"output_type": "generate_until", "doc_to_target": "{{answer}}", "target_delimiter": "",
                          "generation_kwargs": {"until": ["\n"], "max_gen_toks": 12, "do_sample": False},
                          "filter_list": [{"name": "first", "filter": [{"function": "take_first"}]}],
                          "metric_list": [{"metric": "exact_match"}]},
    }
    for name, task in made.items():
        # JSON is YAML.
        (folder / f"{name}.yaml").write_text(json.dumps({"task": name, **shared, **task}))
    return list(made)


def evaluated(folder, names, **model):
    return lm_eval.simple_evaluate(
        tasks=names, task_manager=TaskManager(include_path=str(folder), include_defaults=False), log_samples=True,
        bootstrap_iters=0, verbosity="ERROR", **model)


if not MODEL.exists():
    print(f"skipped: there is no model at {MODEL}; Scripts/setup brings it")
    sys.exit()

with tempfile.TemporaryDirectory() as place:
    folder = Path(place)
    snapshot = folder / "snapshot"
    subprocess.run([SUTURE, "convert", MODEL, "-o", snapshot, "--format", "quiet"], check=True, stdout=subprocess.DEVNULL)
    names = tasks(folder)
    theirs = evaluated(folder, names, model="hf", model_args={"pretrained": str(snapshot), "dtype": "float32"},
                       device="cpu", batch_size=4)
    with served(SUTURE, MODEL) as url:
        ours = evaluated(folder, names, model="local-completions", batch_size=4, model_args={
            "model": MODEL.stem, "base_url": f"{url}/v1/completions", "tokenizer": str(snapshot), "num_concurrent": 2,
            "max_retries": 1})

    farthest = 0.0
    for name in names:
        samples = [sorted(run["samples"][name], key=lambda sample: sample["doc_id"]) for run in (ours, theirs)]
        check("every question is asked", len(samples[0]) == len(samples[1]) == len(CAPITALS))
        for own, other in zip(*samples):
            for a, b in zip(own["filtered_resps"], other["filtered_resps"]):
                if isinstance(a, str):
                    check("a text", a == b, (a, b))
                else:
                    (a, is_greedy), (b, was_greedy) = ((float(x[0]), str(x[1])) for x in (a, b))
                    farthest = max(farthest, abs(a - b))
                    check("a loglikelihood", abs(a - b) < 1e-3 * max(1, abs(b)), (a, b))
                    check("whether it is the greedy answer", is_greedy == was_greedy)
        scores = [{key: value for key, value in run["results"][name].items() if isinstance(value, float)} for run in (ours, theirs)]
        check("the scores", scores[0] == scores[1], scores)
        print(f"{name}: {scores[0]}")
    print(f"lm-eval {lm_eval.__version__}: {passed} comparisons with transformers hold; loglikelihoods within {farthest:.1e}")
