/// Vision transformers (Dosovitskiy et al. 2021, arXiv 2010.11929), with the names that torchvision or timm has for their
/// tensors.
public struct ViT: Sendable, Equatable {
    /// Whose names.
    public enum Names: String, Sendable, CaseIterable {
        case torchvision, timm
    }

    public var names: Names
    /// The side of an image, and of the squares that become tokens, in pixels.
    public var image: Int
    public var patch: Int
    public var width: Int
    public var depth: Int
    public var heads: Int
    /// The width of the MLPs.
    public var hidden: Int

    /// A vision transformer by its names and sizes; `image` and `patch` in pixels.
    public init(names: Names, image: Int, patch: Int, width: Int, depth: Int, heads: Int, hidden: Int) {
        (self.names, self.image, self.patch) = (names, image, patch)
        (self.width, self.depth, self.heads, self.hidden) = (width, depth, heads, hidden)
    }

    var head: String { names == .timm ? "head" : "heads.head" }

    func layers(channels: Int, classes: Int) -> [ClassifierArchitecture.Layer] {
        let isTimm = names == .timm
        let places = (image / patch) * (image / patch) + 1
        var layers: [ClassifierArchitecture.Layer] = [
            .convolution(
                .init(
                    name: isTimm ? "patch_embed.proj" : "conv_proj", inputs: channels, outputs: width, size: patch,
                    stride: patch, padding: 0, hasBias: true)),
            .tokens(
                first: isTimm ? "cls_token" : "class_token", places: isTimm ? "pos_embed" : "encoder.pos_embedding",
                count: places, width: width)
        ]
        for index in 0..<depth {
            let block = isTimm ? "blocks.\(index)" : "encoder.layers.encoder_layer_\(index)"
            let attention = ClassifierArchitecture.Attention(
                inputs: isTimm ? "\(block).attn.qkv." : "\(block).self_attention.in_proj_",
                outputs: isTimm ? "\(block).attn.proj" : "\(block).self_attention.out_proj", heads: heads, width: width)
            layers += [
                .sum([.layerNorm(isTimm ? "\(block).norm1" : "\(block).ln_1", width), .attention(attention)]),
                .sum([
                    .layerNorm(isTimm ? "\(block).norm2" : "\(block).ln_2", width),
                    .linear(isTimm ? "\(block).mlp.fc1" : "\(block).mlp.0", inputs: width, outputs: hidden), .gelu,
                    .linear(isTimm ? "\(block).mlp.fc2" : "\(block).mlp.3", inputs: hidden, outputs: width)
                ])
            ]
        }
        return layers + [
            .layerNorm(isTimm ? "norm" : "encoder.ln", width), .firstToken,
            .linear(head, inputs: width, outputs: classes)
        ]
    }
}

extension ViT {
    /// The published ones, by the names that torchvision (`vit_b_16`) and timm (`vit_tiny_patch16_224`) have for them.
    static let published: [(name: String, network: ViT)] = {
        func made(_ names: Names, _ size: (width: Int, heads: Int, depth: Int), _ patch: Int, _ image: Int) -> ViT {
            ViT(
                names: names, image: image, patch: patch, width: size.width, depth: size.depth, heads: size.heads,
                hidden: 4 * size.width)
        }
        let (base, large) = ((768, 12, 12), (1024, 16, 24))
        let torchvision = [
            ("vit_b_16", base, 16), ("vit_b_32", base, 32), ("vit_l_16", large, 16), ("vit_l_32", large, 32)
        ]
        let timm = [
            ("tiny", (192, 3, 12), [(16, 224), (16, 384)]),
            ("small", (384, 6, 12), [(16, 224), (16, 384), (32, 224), (32, 384)]),
            ("base", base, [(16, 224), (16, 384), (32, 224), (32, 384)]),
            ("large", large, [(16, 224), (16, 384), (32, 384)])
        ]
        return torchvision.map { ($0, made(.torchvision, $1, $2, 224)) }
            + timm.flatMap { name, size, forms in
                forms.map { ("vit_\(name)_patch\($0)_\($1)", made(.timm, size, $0, $1)) }
            }
    }()
}
