"""Writes ../templates/chats.json: conversations as transformers' `apply_chat_template` tokenizes them, with the
tokenizers of ../tokenizers and the templates of templates_models.py.

    python chats.py
"""

import json
import os

import transformers

from templates_models import TEMPLATES

HERE = os.path.dirname(os.path.abspath(__file__))
TOKENIZERS = os.path.join(HERE, "..", "tokenizers")
# Tokenizer, beginning and end token, templates. The last two put <s> before a text, which zephyr's template does not.
FORMATS = [
    ("smollm", "<|im_start|>", "<|im_end|>", ["chatml", "smollm2"]),
    ("llama3", "<|im_start|>", "<|im_end|>", ["chatml"]),
    ("llama2", "<s>", "</s>", ["llama2", "mistral-v1", "zephyr"]),
    ("gemma", "<s>", "</s>", ["llama2", "zephyr"]),
    ("metaspace", "<s>", "</s>", ["llama2", "mistral-v1", "zephyr"]),
]
USERS = ["Name the capital of Peru.", "  two  spaces ", "count\nlines", "où est <s> la gare?"]
ANSWERS = ["Lima", "ls -a | wc -l", "two words"]


def cases():
    for name, beginning, end, templates in FORMATS:
        for template in templates:
            tokenizer = transformers.PreTrainedTokenizerFast(
                tokenizer_file=os.path.join(TOKENIZERS, f"{name}.json"),
                bos_token=beginning, eos_token=end, chat_template=TEMPLATES[template])
            for turns in range(1, 4):
                said = [{"role": "user", "content": USERS[0]}]
                for turn in range(1, turns):
                    said.append({"role": "assistant", "content": ANSWERS[turn]})
                    said.append({"role": "user", "content": USERS[turn]})
                prompt = tokenizer.apply_chat_template(said, add_generation_prompt=True, tokenize=True)
                told = said + [{"role": "assistant", "content": ANSWERS[0]}]
                whole = tokenizer.apply_chat_template(told, tokenize=True)
                yield {"tokenizer": name, "beginning": beginning, "end": end, "template": template, "messages": said,
                       "answer": ANSWERS[0], "prompt": prompt["input_ids"], "whole": whole["input_ids"]}


def main():
    found = list(cases())
    with open(os.path.join(HERE, "..", "templates", "chats.json"), "w") as file:
        json.dump({"made by": {"transformers": transformers.__version__},
                   "templates": {name: TEMPLATES[name] for _, _, _, names in FORMATS for name in names},
                   "cases": found}, file, ensure_ascii=False)
        file.write("\n")
    print(len(found), "conversations")


main()
