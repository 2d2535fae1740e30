"""Holds `suture serve` against OpenAI's own client, and its answers against `suture generate`.

    .deps/serve/bin/python Tests/Interop/serve.py SUTURE MODEL.gguf
"""

import json, subprocess, sys, threading
from pathlib import Path

import openai
from served import ask, repaired, served

SUTURE, MODEL = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
NAME = MODEL.stem
PROMPTS = ["The capital of Australia is", "def fibonacci(n):", "Once upon a time, in a village by the sea,",
           "Q: What is 17 + 25?\nA:", "Die Hauptstadt von Deutschland ist", "ls -la | grep"]
passed = 0


def check(what, holds, seen=""):
    global passed
    assert holds, f"{what}: {seen}"
    passed += 1


def generated(prompt, *arguments):
    command = [SUTURE, "generate", MODEL, f"--prompt={prompt}", "--format", "json", *arguments]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["text"]


if not MODEL.exists():
    print(f"skipped: there is no model at {MODEL}; Scripts/setup brings it")
    sys.exit()

with served(SUTURE, MODEL) as url:
    client = openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
    check("models", [model.id for model in client.models.list()] == [NAME])

    for prompt in PROMPTS:
        expected = generated(prompt, "-n", "24")
        found = client.completions.create(model=NAME, prompt=prompt, max_tokens=24, temperature=0)
        check(f"greedy {prompt!r}", found.choices[0].text == expected, (found.choices[0].text, expected))
        check("usage", found.usage.completion_tokens <= 24 and found.usage.prompt_tokens > 0)
        chunks = client.completions.create(model=NAME, prompt=prompt, max_tokens=24, temperature=0, stream=True)
        text = "".join(chunk.choices[0].text for chunk in chunks)
        check(f"streamed {prompt!r}", text == expected, (text, expected))

    expected = generated(PROMPTS[2], "-n", "24", "--temperature", "0.8", "--top-p", "0.95", "--seed", "7")
    drawn = client.completions.create(
        model=NAME, prompt=PROMPTS[2], max_tokens=24, temperature=0.8, top_p=0.95, seed=7).choices[0].text
    check("drawn", drawn == expected, (drawn, expected))

    expected = generated(PROMPTS[0], "-n", "24", "--stop", ".")
    found = client.completions.create(model=NAME, prompt=PROMPTS[0], max_tokens=24, temperature=0, stop=["."])
    check("stop", found.choices[0].text == expected and found.choices[0].finish_reason == "stop")

    expected = generated("Name a colour.", "-n", "24", "--chat")
    messages = [{"role": "user", "content": "Name a colour."}]
    found = client.chat.completions.create(
        model=NAME, messages=messages, max_tokens=24, temperature=0, logprobs=True, top_logprobs=3)
    check("chat", found.choices[0].message.content == expected, (found.choices[0].message.content, expected))
    logs = found.choices[0].logprobs.content
    check("chat logprobs", all(entry.logprob <= 0 and len(entry.top_logprobs) == 3 for entry in logs))
    check("greedy is the most likely", all(entry.logprob == max(one.logprob for one in entry.top_logprobs) for entry in logs))
    stream = client.chat.completions.create(
        model=NAME, messages=messages, max_tokens=24, temperature=0, stream=True, stream_options={"include_usage": True})
    pieces = list(stream)
    text = "".join(piece.choices[0].delta.content or "" for piece in pieces if piece.choices)
    check("chat streamed", text == expected and pieces[-1].usage.total_tokens > 0, text)

    echoed = client.completions.create(model=NAME, prompt=PROMPTS[0], max_tokens=0, echo=True, logprobs=1)
    scores = echoed.choices[0].logprobs
    check("echo", echoed.choices[0].text == PROMPTS[0] and scores.token_logprobs[0] is None)
    check("echoed scores", all(score < 0 for score in scores.token_logprobs[1:]))

    for error, call in [
        (openai.NotFoundError, lambda: client.completions.create(model="gpt", prompt="a")),
        (openai.BadRequestError, lambda: client.completions.create(model=NAME, prompt="a", max_tokens=-1)),
        (openai.BadRequestError, lambda: client.chat.completions.create(model=NAME, messages=[])),
    ]:
        try:
            call()
            check("an error", False)
        except error as raised:
            check("an error's line", raised.body["message"] and "\n" not in raised.body["message"], raised.body)

    result, seconds = repaired(url, prompt=PROMPTS[0], expected=" Canberra", name="capital")
    check("a repair", result["after"].startswith(" Canberra"), result["after"])
    print(f"a repair took {seconds:.1f} s, the first with its preparation")
    result, seconds = repaired(url, prompt="The capital of Turkey is", expected=" Ankara", name="turkey")
    print(f"the next one took {seconds:.1f} s: {result['report']['failures'][0]['status']}")

    import tempfile, urllib.request
    with tempfile.TemporaryDirectory() as folder:
        file = f"{folder}/capital.safetensors"
        urllib.request.urlretrieve(f"{url}/api/patches/capital/file", file)
        half = generated(PROMPTS[0], "-n", "16", "--patch", file, "--scale", "0.5")
        whole = generated(PROMPTS[0], "-n", "16", "--patch", file)
        base = generated(PROMPTS[0], "-n", "16")

    def answer(model, results, place):
        results[place] = client.completions.create(model=model, prompt=PROMPTS[0], max_tokens=16, temperature=0).choices[0].text

    stacks = {NAME: base, f"{NAME}+capital": whole, f"{NAME}+capital@0.5": half, f"{NAME}+capital@0": base}
    results = {}
    threads = [threading.Thread(target=answer, args=(model, results, (model, turn))) for turn in range(3) for model in stacks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for (model, _), text in results.items():
        check(f"stack {model}", text == stacks[model], (text, stacks[model]))
    check("a patch changes the answer", whole != base)
    extra = client.completions.create(
        model=NAME, prompt=PROMPTS[0], max_tokens=16, temperature=0, extra_body={"patches": ["capital"]})
    check("the field patches", extra.choices[0].text == whole)
    check("adapters as llama.cpp's", ask(f"{url}/lora-adapters")[0]["scale"] == 0)
    ask(f"{url}/lora-adapters", [{"id": 0, "scale": 1.0}])
    found = client.completions.create(model=NAME, prompt=PROMPTS[0], max_tokens=16, temperature=0)
    check("an adapter that is switched on", found.choices[0].text == whole)

print(f"{passed} passed, 0 failed")
