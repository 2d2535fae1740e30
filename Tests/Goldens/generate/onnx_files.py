#!/usr/bin/env python3
"""Small classifiers as ONNX files, their scores by onnxruntime, and files that are wrong: Tests/Goldens/onnx.

    Scripts/setup-interop onnx
    .deps/interop-onnx/bin/python Tests/Goldens/generate/onnx_files.py

`FAMILY-EXPORTER.onnx` for both exporters of PyTorch, with batch norms folded into convolutions and as they are. Beside them
`scores.safetensors`: `pixels SIZE [50, 3, side, side]` for each side of images, and for each file its scores of them, which
the network sees as pixels / 255 less ImageNet's mean, over its deviation. In `hostile`, files that onnx.checker or onnxruntime
refuses, or that compute what no network of Suture does; `reasons.json` says what a reader has to say of each.
"""

import copy
import json

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

import cifar_resnets
import onnx_networks as networks
from models_record import GOLDENS, update_manifest, write

MEAN = np.array([0.485, 0.456, 0.406], np.float32).reshape(3, 1, 1)
DEVIATION = np.array([0.229, 0.224, 0.225], np.float32).reshape(3, 1, 1)


def small():
    """A network of each family, with the side of its images."""
    return {
        "cifar": (cifar_resnets.CIFARResNet(1, 4, 5), 16),
        "padded": (networks.PaddedCIFARResNet(1, 4, 5), 16),
        "basic": (networks.ResNet(networks.BasicBlock, [1, 2], 4, "imagenet", 3, 5), 32),
        "bottleneck": (networks.ResNet(networks.Bottleneck, [1, 1], 2, "cifar", 3, 5), 16),
        "cnn": (networks.VGG([[4, 4], [6]], True, 1, [], 3, 5), 16),
        "vgg": (networks.VGG([[4], [6]], False, 2, [9, 8], 3, 5), 16),
        "torchvision": (networks.VisionTransformer(16, 8, 2, 2, 8, 12, num_classes=5), 16),
        "timm": (networks.TimmTransformer(
            img_size=16, patch_size=8, embed_dim=8, depth=1, num_heads=2, mlp_ratio=2, num_classes=5), 16),
    }


def hostile(folder):
    """What is wrong, and a part of what has to be said of it."""
    cases = {}

    def add(name, says, model):
        (folder / f"{name}.onnx").write_bytes(model if isinstance(model, bytes) else model.SerializeToString())
        cases[f"{name}.onnx"] = says

    good = onnx.load(GOLDENS / "onnx/cnn-script.onnx")
    data = good.SerializeToString()
    add("truncated", "cut or damaged", data[: len(data) // 2])
    add("empty", "the file is empty", b"")
    add("text", "no ONNX file", b"This is no ONNX file at all, only some words.")

    def changed(change):
        model = copy.deepcopy(good)
        change(model)
        return model

    def initializer(model, change):
        change(model.graph.initializer[0])

    add("short-tensor", "does not fit its data", changed(
        lambda m: initializer(m, lambda t: setattr(t, "raw_data", t.raw_data[:-4]))))
    add("huge-tensor", "impossible shape", changed(lambda m: initializer(m, lambda t: t.dims.extend([1 << 40, 1 << 40]))))
    add("negative-size", "impossible shape", changed(lambda m: initializer(m, lambda t: t.dims.append(-1))))
    add("string-tensor", "elements of this type", changed(
        lambda m: initializer(m, lambda t: setattr(t, "data_type", TensorProto.STRING))))
    add("missing-tensor", "which nothing before it gives", changed(lambda m: m.graph.initializer.pop(0)))
    add("two-tensors", "two tensors of one name", changed(
        lambda m: m.graph.initializer.append(copy.deepcopy(m.graph.initializer[0]))))

    def cycle(model):
        first = model.graph.node[0]
        first.input[0] = model.graph.node[1].output[0]

    add("cycle", "which nothing before it gives", changed(cycle))

    def twice(model):
        model.graph.node[1].output[0] = model.graph.node[0].output[0]

    add("defined-twice", "is defined twice", changed(twice))
    add("no-opset", "opset", changed(lambda m: m.ClearField("opset_import")))
    add("old-opset", "opset", changed(lambda m: setattr(m.opset_import[0], "version", 7)))
    add("other-domain", "other domains", changed(lambda m: setattr(m.graph.node[0], "domain", "com.microsoft")))
    add("function", "functions of the file's own", changed(
        lambda m: m.functions.append(helper.make_function("own", "Relu", ["x"], ["x"], [], m.opset_import))))
    add("no-output", "no node gives the output", changed(lambda m: setattr(m.graph.output[0], "name", "nothing")))

    def external(location, offset="0", length="8"):
        def change(tensor):
            tensor.ClearField("raw_data")
            tensor.data_location = TensorProto.EXTERNAL
            for key, value in (("location", location), ("offset", offset), ("length", length)):
                tensor.external_data.add(key=key, value=value)
        return changed(lambda m: initializer(m, change))

    add("outside", "outside of the file's folder", external("../cnn-script.onnx"))
    add("absolute", "outside of the file's folder", external("/etc/passwd"))
    add("no-external", "there is no such file", external("nowhere.data"))
    add("external-end", "ends behind its file", external("truncated.onnx", "1", "99999999"))
    add("external-offset", "no number", external("truncated.onnx", "-1"))

    def attribute(op, name, value):
        def change(model):
            node = next(n for n in model.graph.node if n.op_type == op)
            for old in [a for a in node.attribute if a.name == name]:
                node.attribute.remove(old)
            node.attribute.append(helper.make_attribute(name, value))
        return changed(change)

    add("asymmetric", "windows of this form", attribute("Conv", "pads", [1, 0, 1, 0]))
    add("dilated", "windows of this form", attribute("Conv", "dilations", [2, 2]))
    add("unknown-attribute", "attribute is not known", attribute("Conv", "surprise", 1))
    add("ceil", "windows of this form", attribute("MaxPool", "ceil_mode", 1))
    add("alpha", "plain linear layers", attribute("Gemm", "alpha", 0.5))

    def operator(name, says, old, new):
        def change(model):
            next(n for n in model.graph.node if n.op_type == old).op_type = new
        add(name, says, changed(change))

    operator("other-operator", "in no network that is imported", "Relu", "HardSwish")
    operator("other-activation", "expected a ReLU", "Relu", "Erf")

    def ending(op):
        def change(model):
            model.graph.node.append(helper.make_node(op, [model.graph.output[0].name], ["last"], name="last"))
            model.graph.output[0].name = "last"
        return changed(change)

    add("probabilities", "node last (Softmax)", ending("Softmax"))

    def preparing(model):
        model.graph.initializer.append(numpy_helper.from_array(MEAN[None], "mean"))
        model.graph.node.insert(0, helper.make_node("Sub", [model.graph.input[0].name, "mean"], ["less"], name="prepare"))
        model.graph.node[1].input[0] = "less"

    add("prepares", "node prepare (Sub)", changed(preparing))

    def half(model):
        for tensor in model.graph.initializer:
            if tensor.data_type == TensorProto.FLOAT:
                tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), tensor.name))

    add("half", "float16", changed(half))

    def endless(model):
        model.graph.initializer.append(numpy_helper.from_array(np.array([1 << 30, 1 << 30]), "endless"))
        model.graph.node.insert(0, helper.make_node("ConstantOfShape", ["endless"], ["much"], name="much"))
        model.graph.node.append(helper.make_node("Add", [model.graph.output[0].name, "much"], ["last"]))
        model.graph.output[0].name = "last"

    add("endless", "more than any network", changed(endless))
    (folder / "reasons.json").write_text(json.dumps(cases, indent=1) + "\n")


def main():
    torch.manual_seed(1)
    folder = GOLDENS / "onnx"
    (folder / "hostile").mkdir(parents=True, exist_ok=True)
    sides = {}
    tensors = {}
    for name, (network, side) in small().items():
        networks.lively(network)
        if side not in sides:
            sides[side] = torch.randint(0, 256, (50, 3, side, side), dtype=torch.uint8)
            tensors[f"pixels {side}"] = sides[side]
        seen = (sides[side].numpy().astype(np.float32) / 255 - MEAN) / DEVIATION
        hasNorms = any(isinstance(part, nn.BatchNorm2d) for part in network.modules())
        kinds = [("script", False, 17, True), ("dynamo", True, 18, True)]
        kinds += [("norms", False, 17, False)] if hasNorms else []
        for kind, dynamo, opset, folded in kinds:
            path = folder / f"{name}-{kind}.onnx"
            networks.export(network, path, 3, side, dynamo=dynamo, opset=opset, folded=folded)
            model = onnx.load(path)
            # What exporters say of lines of Python is longer than the network.
            model.ClearField("metadata_props")
            for node in model.graph.node:
                node.ClearField("metadata_props")
                node.ClearField("doc_string")
            for entry in [*model.graph.value_info, *model.graph.input, *model.graph.output, *model.graph.initializer]:
                entry.ClearField("metadata_props")
            model.graph.ClearField("value_info")
            onnx.checker.check_model(model)
            path.write_bytes(model.SerializeToString())
            session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
            tensors[f"{name}-{kind}"] = torch.from_numpy(session.run(None, {"input": seen})[0])
    write(folder / "scores.safetensors", tensors, onnx=onnx.__version__, onnxruntime=onnxruntime.__version__)
    hostile(folder / "hostile")
    update_manifest("onnx", folder, generator="generate/onnx_files.py", seed=1, onnx=onnx.__version__,
                    onnxruntime=onnxruntime.__version__)


if __name__ == "__main__":
    main()
