"""The peer of `suture-bench circuits`: Hanna's EAP-IG on TransformerLens 2, scores of all edges.

    circuits_peer.py REQUEST.json

REQUEST holds tokens, so that both sides see the same, and the folder of a clone of github.com/hannamw/EAP-IG. Prints one
JSON object. Needs transformer-lens 2 beside the packages of `Scripts/setup-interop`; the program asks for a GPU by name,
which is taken out of a copy of it.
"""

import json, pathlib, sys, tempfile, time

import peer_model
import torch


def program(folder, place):
    """The package as it is, but on the CPU, and fed with tokens."""
    source = pathlib.Path(folder) / "src" / "eap"
    (place / "eap").mkdir()
    for file in source.glob("*.py"):
        (place / "eap" / file.name).write_text(file.read_text().replace("'cuda'", "'cpu'"))
    sys.path.insert(0, str(place))
    from eap import attribute, graph, utils

    def tokens(model, inputs, max_length=None):
        ids = torch.tensor(inputs)
        return ids, torch.ones_like(ids), torch.full((len(inputs),), ids.shape[1]), ids.shape[1]

    attribute.tokenize_plus = utils.tokenize_plus = tokens
    return attribute, graph


def hooked(folder, threads):
    """The model of transformers in TransformerLens, every head's input and result apart."""
    from transformer_lens import HookedTransformer, HookedTransformerConfig
    from transformer_lens.pretrained.weight_conversions import convert_llama_weights

    model = peer_model.load_model(folder, threads)
    c = model.config
    cfg = HookedTransformerConfig(
        d_model=c.hidden_size, d_head=c.hidden_size // c.num_attention_heads, n_heads=c.num_attention_heads,
        d_mlp=c.intermediate_size, n_layers=c.num_hidden_layers, n_ctx=256, eps=c.rms_norm_eps, d_vocab=c.vocab_size,
        act_fn=c.hidden_act, n_key_value_heads=c.num_key_value_heads, normalization_type="RMS",
        positional_embedding_type="rotary", rotary_base=c.rope_parameters["rope_theta"], gated_mlp=True, final_rms=True,
        rotary_adjacent_pairs=False, rotary_dim=c.hidden_size // c.num_attention_heads, device="cpu",
        original_architecture="LlamaForCausalLM")  # fmt: skip
    lens = HookedTransformer(cfg)
    lens.load_state_dict(convert_llama_weights(model, cfg), strict=False)
    lens.cfg.use_split_qkv_input = lens.cfg.use_attn_result = lens.cfg.use_hook_mlp_in = True
    lens.cfg.ungroup_grouped_query_attention = True
    return lens.eval(), model


def main():
    request = json.loads(pathlib.Path(sys.argv[1]).read_text())
    with tempfile.TemporaryDirectory() as place:
        attribute, graph = program(request["eap_ig"], pathlib.Path(place))
        lens, model = hooked(peer_model.snapshot(pathlib.Path(request["model"])), request["threads"])
        batches = request["batches"]
        with torch.no_grad():
            ids = torch.tensor(batches[0]["base"])
            apart = float((lens(ids)[:, -1] - model(ids).logits[:, -1]).abs().max())

        def metric(logits, clean, lengths, label):
            # The logit difference itself, summed as the program's own metrics are over a batch's mean.
            rows = torch.arange(len(label))
            last = logits[rows, lengths - 1]
            answers = torch.tensor(label)
            return (last[rows, answers[:, 0]] - last[rows, answers[:, 1]]).sum()

        data = [(b["base"], b["source"], list(zip(b["answer"], b["other"]))) for b in batches]
        result = {"logits_apart": apart}
        for name, scored in [
            ("eap", lambda g: attribute.get_scores_eap(lens, g, data, metric, quiet=True)),
            ("eap_ig", lambda g: attribute.get_scores_eap_ig(lens, g, data, metric, steps=request["steps"], quiet=True)),
        ]:
            own = graph.Graph.from_model(lens)
            begin = time.perf_counter()
            scores = scored(own)
            result[name + "_seconds"] = time.perf_counter() - begin
            result[name] = scores.flatten().tolist()
    print(json.dumps(result))


main()
