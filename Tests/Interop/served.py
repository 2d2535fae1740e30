"""A `suture serve` on a free port, for the scripts that ask it."""

import json, re, signal, subprocess, tempfile, time, urllib.request
from contextlib import contextmanager


@contextmanager
def served(suture, model, *arguments):
    """Runs a server in a folder of its own; gives its address, and ends it as a user would."""
    with tempfile.TemporaryDirectory() as folder:
        command = [suture, "serve", model, "--port", "0", "--folder", f"{folder}/kept", *arguments]
        process = subprocess.Popen([str(part) for part in command], stderr=subprocess.PIPE, text=True)
        try:
            line = process.stderr.readline()
            found = re.search(r"http://127\.0\.0\.1:\d+", line)
            assert found, f"the server did not start: {line}{process.stderr.read()}"
            yield found[0]
            process.send_signal(signal.SIGTERM)
            status = process.wait(60)
            assert status == 0, f"exit code {status}: {process.stderr.read()}"
        finally:
            process.kill()
            process.wait()


def ask(url, body=None, method=None):
    """The JSON that comes for JSON, or for a file."""
    kind = "application/octet-stream" if isinstance(body, bytes) else "application/json"
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": kind}, method=method)
    with urllib.request.urlopen(request) as answer:
        return json.loads(answer.read() or b"null")


def repaired(url, **request):
    """Waits for a repair; its result, and how long it took in seconds."""
    start = time.monotonic()
    number = ask(f"{url}/api/jobs", request)["id"]
    last = None
    with urllib.request.urlopen(f"{url}/api/jobs/{number}/events") as events:
        for line in events:
            if line.startswith(b"data: "):
                last = json.loads(line[6:])
    assert last["state"] == "done", last
    return last["result"], time.monotonic() - start
