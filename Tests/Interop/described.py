"""Holds `suture serve` to its own description: schemathesis asks what it says can be asked, and what it says cannot.

    .deps/serve/bin/python Tests/Interop/described.py SUTURE MODEL.gguf [EXAMPLES [SEED]]

No answer may be a server error, have another form or status than described, or accept what the description rules out.
"""

import json, subprocess, sys, tempfile
from pathlib import Path

from served import ask, served

SUTURE, MODEL = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
EXAMPLES, SEED = (sys.argv[3:] + ["25", "1"][len(sys.argv[3:]):])[:2]

if not MODEL.exists():
    print(f"skipped: there is no model at {MODEL}; Scripts/setup brings it")
    sys.exit()


def asked(url, description, mode, checks):
    """What schemathesis has to say of requests that the description allows (positive) or rules out (negative)."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "openapi.json"
        file.write_text(json.dumps(description))
        # A repair takes a minute: those are asked for in tests of their own.
        done = subprocess.run(
            [Path(sys.executable).with_name("schemathesis"), "run", file, "--url", url, "--mode", mode, "--checks",
             "not_a_server_error,status_code_conformance,content_type_conformance," + checks, "--max-examples", EXAMPLES,
             "--seed", SEED, "--phases", "coverage,fuzzing", "--request-timeout", "120", "--exclude-operation-id", "startJob",
             "--no-color"], cwd=folder)
        if done.returncode:
            sys.exit(f"described: error: {mode} requests")


with served(SUTURE, MODEL) as url:
    whole = ask(f"{url}/openapi.json")
    asked(url, whole, "negative", "negative_data_rejection")
    # Names that are there, and short texts, so that requests come through to the model.
    narrow = json.loads(json.dumps(whole))
    requests = narrow["components"]["schemas"]
    name = ask(f"{url}/v1/models")["data"][0]["id"]
    for request in ["TextRequest", "ChatRequest", "Passage", "AttentionRequest", "SwapRequest"]:
        properties = requests[request]["properties"]
        properties.pop("patches")
        properties["model"] = {"const": name}
        if "written" in properties:
            properties.pop("messages")
            properties["written"] = {"type": "string", "maxLength": 20}
            requests[request]["required"] = ["prompt"]
        if "prompt" in properties:
            properties["prompt"] = {"type": "string", "minLength": 1, "maxLength": 40}
        if "n" in properties:
            properties["n"] = {"type": "integer", "minimum": 1, "maximum": 2}
            requests[request]["required"].append("max_tokens")
        for limit in ["max_tokens", "max_completion_tokens"]:
            if limit in properties:
                properties[limit] = {"type": "integer", "minimum": 1, "maximum": 3}
    asked(url, narrow, "positive", "response_schema_conformance")
