"""Measures `suture serve`: tokens a second of one streaming client and of several, and the time to the first token.

    python3 Benchmarks/serve.py SUTURE MODEL.gguf [CLIENTS] [ROUNDS]

One and several clients take turns, so that what else the machine does falls on both; medians and ranges are printed. With
"stacks" behind, each of several clients has a patch at a scale of its own.
"""

import http.client, json, statistics, sys, threading, time
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "Tests/Interop"))
from served import repaired, served

SUTURE, MODEL = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
CLIENTS = int(sys.argv[3]) if len(sys.argv) > 3 else 8
ROUNDS = int(sys.argv[4]) if len(sys.argv) > 4 else 5
STACKS = "stacks" in sys.argv
TOKENS = 64


def stream(port, model, prompt, results):
    """One answer; appends the tokens and the times of the first and the last."""
    start = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    # A high temperature: the model seldom ends by itself.
    body = {"model": model, "prompt": prompt, "max_tokens": TOKENS, "temperature": 1, "seed": len(prompt), "stream": True,
            "stream_options": {"include_usage": True}}
    connection.request("POST", "/v1/completions", json.dumps(body), {"Content-Type": "application/json"})
    first, usage = None, None
    for line in connection.getresponse():
        if line.startswith(b"data: {"):
            first = first or time.monotonic()
            event = json.loads(line[6:])
            usage = event.get("usage") or usage
    results.append((usage["completion_tokens"], first - start, time.monotonic() - start))


def round_of(port, models):
    results, start = [], time.monotonic()
    threads = [threading.Thread(target=stream, args=(port, model, f"Story number {index}: once upon a time", results))
               for index, model in enumerate(models)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.monotonic() - start
    return sum(tokens for tokens, _, _ in results) / seconds, statistics.median(first for _, first, _ in results)


with served(SUTURE, MODEL) as url:
    port, name = int(url.rsplit(":", 1)[1]), MODEL.stem
    several = [name] * CLIENTS
    if STACKS:
        repaired(url, prompt="The capital of Australia is", expected=" Canberra", name="fix")
        several = [f"{name}+fix@{0.1 * (index + 1):.1f}" for index in range(CLIENTS)]
    round_of(port, several)
    one, many = [], []
    for _ in range(ROUNDS):
        one.append(round_of(port, [name]))
        many.append(round_of(port, several))
    for label, rounds in [("1 client", one), (f"{CLIENTS} clients" + (", a stack each" if STACKS else ""), many)]:
        rates, firsts = zip(*rounds)
        print(f"{label}: {statistics.median(rates):.1f} tokens/s ({min(rates):.1f} to {max(rates):.1f}), "
              f"first token after {statistics.median(firsts):.2f} s")
    ratios = [many[0] / one[0] for one, many in zip(one, many)]
    print(f"ratio {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")
