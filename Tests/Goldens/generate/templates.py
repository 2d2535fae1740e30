"""Writes the goldens of SutureTemplates: what transformers renders for published shapes of chat templates and for
random snippets. The reference is transformers' own environment (`_compile_jinja_template`).

    python templates.py            writes ../templates/*.json
    python templates.py N SEED OUT writes N random snippets for a trial that is not kept
"""

import copy
import json
import os
import random
import sys
from datetime import datetime

import jinja2
import transformers
from transformers.utils import chat_template_utils
from transformers.utils.chat_template_utils import _compile_jinja_template, render_jinja_template

from templates_models import TEMPLATES, conversations
from templates_snippets import CONTEXT, Snippets

HERE = os.path.dirname(os.path.abspath(__file__))
GOLDENS = os.path.join(HERE, "..", "templates")
MOMENT = datetime(2026, 3, 7, 9, 5, 2)


class Clock(datetime):
    @classmethod
    def now(cls, tz=None):
        return MOMENT


chat_template_utils.datetime = Clock


def conversation_goldens():
    cases = []
    for name, template in TEMPLATES.items():
        for conversation in conversations(name):
            case = {"template": name, **conversation}
            try:
                rendered, _ = render_jinja_template(
                    [conversation["messages"]], tools=conversation.get("tools"), chat_template=template,
                    add_generation_prompt=conversation["add_generation_prompt"], **conversation["extra"])
                case["text"] = rendered[0]
            except Exception as error:
                case["error"] = type(error).__name__
            cases.append(case)
    return cases


def shared(cases):
    """Conversations are the same for many templates: each is kept once, as are tools and results."""
    pools = {"messages": [], "tools": [], "extra": []}
    index = {}

    def put(kind, value):
        text = kind + json.dumps(value)
        if text not in index:
            index[text] = len(pools[kind])
            pools[kind].append(value)
        return index[text]

    short = []
    for case in cases:
        entry = [case["template"], put("messages", case["messages"]), put("tools", case.get("tools")),
                 put("extra", case["extra"]), case["add_generation_prompt"], case.get("text")]
        short.append(entry)
    return {**pools, "cases": short}


def snippet_goldens(count, seed):
    """Pairs of a snippet and its text; null where the reference refuses."""
    snippets = Snippets(random.Random(seed))
    result = []
    refused = 0
    while len(result) < count:
        source = snippets.template()
        try:
            text = _compile_jinja_template.__wrapped__(source).render(**copy.deepcopy(CONTEXT))
        except Exception as error:
            text = None
        if text is None and refused * 3 > count:
            continue
        refused += text is None
        if text is not None and (" at 0x" in text or " method " in text or "<function" in text):
            continue
        result.append([source, text])
    return result


def write(path, value):
    with open(path, "w", encoding="utf-8") as file:
        json.dump(value, file, ensure_ascii=False, separators=(",", ":"))
        file.write("\n")


def main():
    if len(sys.argv) > 1:
        write(sys.argv[3], {"context": CONTEXT, "cases": snippet_goldens(int(sys.argv[1]), int(sys.argv[2]))})
        return
    os.makedirs(GOLDENS, exist_ok=True)
    versions = {"jinja2": jinja2.__version__, "transformers": transformers.__version__}
    cases = conversation_goldens()
    write(os.path.join(GOLDENS, "models.json"), {"made by": versions, "templates": TEMPLATES})
    write(os.path.join(GOLDENS, "conversations.json"), {"made by": versions, **shared(cases)})
    write(os.path.join(GOLDENS, "snippets.json"),
          {"made by": versions, "seed": 17, "context": CONTEXT, "cases": snippet_goldens(2000, 17)})
    failed = sum("error" in case for case in cases)
    print(f"{len(TEMPLATES)} templates, {len(cases)} conversations ({failed} refused)")


if __name__ == "__main__":
    main()
