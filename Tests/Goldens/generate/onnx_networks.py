"""Networks of the families that Suture imports from ONNX files, small, built of torchvision's and timm's own parts, and
exported as their users do. Of generate/onnx_files.py and Tests/Interop/onnx_files.py.
"""

import warnings

import torch
from torch import nn

# The operators of torchvision are built for CUDA in the usual wheel and do not load; no network here needs them.
operators = torch.library.Library("torchvision", "DEF")
for name in ("nms", "qnms"):
    try:
        operators.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    except RuntimeError:
        pass

from timm.models.vision_transformer import VisionTransformer as TimmTransformer  # noqa: E402
from torch.nn import functional as F  # noqa: E402
from torchvision.models.resnet import BasicBlock, Bottleneck  # noqa: E402
from torchvision.models.vgg import make_layers  # noqa: E402
from torchvision.models.vision_transformer import VisionTransformer  # noqa: E402

import cifar_resnets  # noqa: E402

warnings.filterwarnings("ignore")


class ResNet(nn.Module):
    """torchvision's blocks as its ResNet stacks them, of any width."""

    def __init__(self, block, depths, width, stem, channels, classes):
        super().__init__()
        self.isLarge = stem == "imagenet"
        size = 7 if self.isLarge else 3
        self.conv1 = nn.Conv2d(channels, width, size, 2 if self.isLarge else 1, size // 2, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        inputs = width
        for stage, depth in enumerate(depths):
            blocks = []
            for index in range(depth):
                planes, stride = width << stage, 2 if stage and not index else 1
                outputs, shortcut = planes * block.expansion, None
                if stride != 1 or inputs != outputs:
                    shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
                blocks.append(block(inputs, planes, stride, shortcut))
                inputs = outputs
            setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks))
        self.stages = len(depths)
        self.fc = nn.Linear(inputs, classes)

    def forward(self, x):
        x = self.bn1(self.conv1(x)).relu()
        if self.isLarge:
            x = F.max_pool2d(x, 3, 2, 1)
        for stage in range(self.stages):
            x = getattr(self, f"layer{stage + 1}")(x)
        return self.fc(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1))


class VGG(nn.Module):
    """torchvision's features, its pooling, and any classifier: `cnn` of Suture, too."""

    def __init__(self, stages, norm, pool, hidden, channels, classes):
        super().__init__()
        self.features = make_layers([width for stage in stages for width in [*stage, "M"]], norm)
        # torchvision's parts take three channels.
        if channels != 3:
            self.features[0] = nn.Conv2d(channels, stages[0][0], 3, padding=1)
        self.avgpool = nn.AdaptiveAvgPool2d(pool)
        layers, inputs = [], stages[-1][-1] * pool * pool
        for outputs in hidden:
            layers += [nn.Linear(inputs, outputs), nn.ReLU(True), nn.Dropout()]
            inputs = outputs
        self.classifier = nn.Sequential(*layers, nn.Linear(inputs, classes))

    def forward(self, x):
        return self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))


class PaddedCIFARResNet(cifar_resnets.CIFARResNet):
    """The same network written as the public one is: its shortcut is padded, and windows of one size are averaged."""

    def block(self, part, x):
        y = part.bn2(part.conv2(F.relu(part.bn1(part.conv1(x)))))
        if y.shape[1] != x.shape[1]:
            around = y.shape[1] // 4
            x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, around, around), "constant", 0)
        return F.relu(y + x)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        for stage in (self.layer1, self.layer2, self.layer3):
            for part in stage:
                x = self.block(part, x)
        return self.linear(F.avg_pool2d(x, x.size()[3]).view(x.size(0), -1))


def lively(network):
    """Norms, biases, tokens and heads that are not those of a network that saw nothing."""
    cifar_resnets.lively(network)
    for name, parameter in network.named_parameters():
        if not parameter.any() or "token" in name or "pos_embed" in name:
            parameter.data.normal_(0, 0.1)
        elif parameter.dim() == 1:
            parameter.data.add_(torch.randn(parameter.shape) * 0.05)
    return network.eval()


def random_network(family, chance):
    """A network of a family with sizes by chance: itself, its channels, and the side of its images."""
    channels, classes = chance.choice([1, 3, 3]), chance.randint(2, 9)
    if family == "cifar_resnet":
        kind = chance.choice([cifar_resnets.CIFARResNet, PaddedCIFARResNet])
        return kind(chance.randint(1, 3), 4 * chance.randint(1, 3), classes), 3, 4 * chance.randint(2, 8)
    if family == "resnet":
        stem = chance.choice(["cifar", "imagenet"])
        block = chance.choice([BasicBlock, Bottleneck])
        depths = [chance.randint(1, 2) for _ in range(chance.randint(1, 4))]
        return ResNet(block, depths, chance.randint(2, 9), stem, channels, classes), channels, chance.randint(32, 70)
    if family == "vgg":
        stages = [[chance.randint(2, 12) for _ in range(chance.randint(1, 3))] for _ in range(chance.randint(1, 4))]
        pool = chance.choice([1, 1, 2, 7])
        hidden = [chance.randint(3, 20) for _ in range(chance.choice([0, 2, 1]))]
        network = VGG(stages, chance.random() < 0.5, pool, hidden, channels, classes)
        return network, channels, (pool * chance.randint(1, 3)) << len(stages)
    heads = chance.randint(1, 4)
    width, patch = heads * chance.randint(2, 9), chance.choice([4, 7, 8])
    image, depth = patch * chance.randint(2, 4), chance.randint(1, 3)
    hidden = chance.randint(5, 40)
    if family == "torchvision_vit":
        return VisionTransformer(image, patch, depth, heads, width, hidden, num_classes=classes), 3, image
    return TimmTransformer(
        img_size=image, patch_size=patch, in_chans=channels, embed_dim=width, depth=depth, num_heads=heads,
        mlp_ratio=hidden / width, num_classes=classes), channels, image


FAMILIES = ["cifar_resnet", "resnet", "vgg", "torchvision_vit", "timm_vit"]


def export(network, path, channels, size, *, dynamo, opset, folded=True, batch=None):
    """The file that torch.onnx.export writes; `batch` is the only number of images that it takes, None leaves it open."""
    example = torch.randn(batch or 2, channels, size, size)
    options = {"input_names": ["input"], "output_names": ["scores"], "opset_version": opset}
    if dynamo:
        if batch is None:
            options["dynamic_shapes"] = ({0: torch.export.Dim("batch")},)
        torch.onnx.export(
            network, (example,), path, dynamo=True, external_data=False, verbose=False, optimize=folded, **options)
    else:
        if batch is None:
            options["dynamic_axes"] = {"input": {0: "batch"}, "scores": {0: "batch"}}
        mode = torch.onnx.TrainingMode
        options["training"] = mode.EVAL if folded else mode.PRESERVE
        torch.onnx.export(network, (example,), path, dynamo=False, **options)
    network.eval()
