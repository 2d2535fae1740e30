"""The peers of Suture's sweeps and of learning directions.

    subspaces_peer.py sweep REQUEST.json    TransformerLens, patching.get_act_patch_resid_pre: one run for each cell
    subspaces_peer.py das REQUEST.json      pyvene, LowRankRotatedSpaceIntervention of dimension 1

REQUEST holds tokens, so that both sides see the same. Prints one JSON object. Needs `Scripts/setup-python peers`.
"""

import json
import sys
import time

import torch

import peer_model


def sweep(request, folder):
    from transformer_lens import patching
    from transformer_lens.model_bridge import TransformerBridge

    model = TransformerBridge.boot_transformers(str(folder), device="cpu", dtype=torch.float32)
    base, source = (torch.tensor([request[name]]) for name in ("base", "source"))
    answer, other = request["answer"], request["other"]

    def difference(logits):
        return logits[0, -1, answer] - logits[0, -1, other]

    with torch.no_grad():
        clean = difference(model(base)).item()
        begin = time.perf_counter()
        _, cache = model.run_with_cache(source)
        cells = patching.get_act_patch_resid_pre(model, base, cache, lambda logits: 1 - difference(logits) / clean)
        seconds = time.perf_counter() - begin
    return {"seconds": seconds, "cells": cells.tolist()}


def das(request, folder):
    import pyvene

    model = peer_model.load_model(folder, request["threads"])
    config = pyvene.IntervenableConfig(
        model_type=type(model),
        representations=[
            pyvene.RepresentationConfig(request["layer"], "block_output", "pos", 1, low_rank_dimension=1)
        ],
        intervention_types=pyvene.LowRankRotatedSpaceIntervention,
    )
    intervenable = pyvene.IntervenableModel(config, model)
    intervenable.disable_model_gradients()
    parameters = [p for i in intervenable.interventions.values() for p in (i[0] if isinstance(i, tuple) else i).parameters()]
    optimizer = torch.optim.Adam(parameters, lr=0.01)
    # As in pyvene's own tutorial of this task: from a third of the rate to a tenth of it.
    scheduler = torch.optim.lr_scheduler.LinearLR(optimizer, end_factor=0.1, total_iters=max(1, request["epochs"] - 1))
    epochs = []
    losses = []
    for epoch in range(request["epochs"]):
        begin = time.perf_counter()
        total = 0.0
        for batch in request["batches"]:
            base, source = torch.tensor(batch["base"]), torch.tensor(batch["source"])
            last = base.shape[1] - 1
            _, outputs = intervenable(
                {"input_ids": base}, [{"input_ids": source}], {"sources->base": ([[[last]] * len(base)], [[[last]] * len(base)])}
            )
            loss = torch.nn.functional.cross_entropy(outputs.logits[:, -1], torch.tensor(batch["target"]))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()
        epochs.append(time.perf_counter() - begin)
        losses.append(total / len(request["batches"]))
        scheduler.step()
    intervention = next(iter(intervenable.interventions.values()))
    intervention = intervention[0] if isinstance(intervention, tuple) else intervention
    direction = intervention.rotate_layer.weight.detach().reshape(-1).tolist()
    return {"seconds": sorted(epochs)[len(epochs) // 2], "losses": losses, "direction": direction}


def main():
    kind, path = sys.argv[1:]
    with open(path) as file:
        request = json.load(file)
    torch.set_num_threads(request["threads"])
    folder = peer_model.snapshot(__import__("pathlib").Path(request["model"]).resolve())
    print(json.dumps({"sweep": sweep, "das": das}[kind](request, folder)))


if __name__ == "__main__":
    main()
