/// A named place in a decoder where activations can be read and changed.
///
/// The text form is the same in code, commands and files:
///
/// | site | what | width |
/// |---|---|---|
/// | `residual.6` | the residual stream entering layer 6; `residual.L` of an L-layer model leaves the last layer | d |
/// | `attn.6.queries` | the queries of layer 6, rotated where the model rotates | heads x head width |
/// | `attn.6.keys` | its keys, likewise | key-value heads x head width |
/// | `attn.6.values` | its values | key-value heads x head width |
/// | `attn.6.head.3` | what head 3 of layer 6 read, before the output projection | head width |
/// | `attn.6.heads` | the same of all heads, side by side: the input of the output projection | heads x head width |
/// | `attn.6.out` | what attention of layer 6 writes to the residual stream | d |
/// | `mlp.8.hidden` | the hidden activation of layer 8's MLP, the input of its output projection | m |
/// | `mlp.8.out` | what the MLP of layer 8 writes to the residual stream | d |
/// | `logits` | the scores of the next token | vocabulary |
public enum Site: Hashable, Sendable {
    case residual(Int)
    case queries(Int)
    case keys(Int)
    case values(Int)
    case head(layer: Int, index: Int)
    case heads(Int)
    case attentionOut(Int)
    case mlpHidden(Int)
    case mlpOut(Int)
    case logits
}

extension Site: LosslessStringConvertible {
    /// Reads a name such as `mlp.8.hidden`; nil for what is no site.
    public init?(_ text: String) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        func number(_ index: Int) -> Int? {
            guard index < parts.count, let value = Int(parts[index]), value >= 0, String(value) == parts[index] else {
                return nil
            }
            return value
        }
        switch (parts.count, parts.first) {
        case (1, "logits"):
            self = .logits
        case (2, "residual"):
            guard let layer = number(1) else { return nil }
            self = .residual(layer)
        case (3, "attn"), (3, "mlp"):
            guard let layer = number(1) else { return nil }
            switch (parts[0], parts[2]) {
            case ("attn", "queries"): self = .queries(layer)
            case ("attn", "keys"): self = .keys(layer)
            case ("attn", "values"): self = .values(layer)
            case ("attn", "heads"): self = .heads(layer)
            case ("attn", "out"): self = .attentionOut(layer)
            case ("mlp", "hidden"): self = .mlpHidden(layer)
            case ("mlp", "out"): self = .mlpOut(layer)
            default: return nil
            }
        case (4, "attn"):
            guard parts[2] == "head", let layer = number(1), let head = number(3) else { return nil }
            self = .head(layer: layer, index: head)
        default:
            return nil
        }
    }

    public var description: String {
        switch self {
        case .residual(let layer): "residual.\(layer)"
        case .queries(let layer): "attn.\(layer).queries"
        case .keys(let layer): "attn.\(layer).keys"
        case .values(let layer): "attn.\(layer).values"
        case .head(let layer, let index): "attn.\(layer).head.\(index)"
        case .heads(let layer): "attn.\(layer).heads"
        case .attentionOut(let layer): "attn.\(layer).out"
        case .mlpHidden(let layer): "mlp.\(layer).hidden"
        case .mlpOut(let layer): "mlp.\(layer).out"
        case .logits: "logits"
        }
    }
}

extension Site {
    /// Where along a forward pass a site comes, in steps that a replay can start from.
    var entry: Entry {
        switch self {
        case .residual(let layer), .queries(let layer), .keys(let layer), .values(let layer), .head(let layer, _),
            .heads(let layer), .attentionOut(let layer):
            Entry(layer: layer, stage: .attention)
        case .mlpHidden(let layer), .mlpOut(let layer): Entry(layer: layer, stage: .mlp)
        case .logits: Entry(layer: .max, stage: .attention)
        }
    }

    /// Throws unless `architecture` has this site.
    func check(_ architecture: Architecture) throws {
        let layers = architecture.layers
        switch self {
        case .residual(let layer):
            guard (0...layers).contains(layer) else { throw outOfRange("residual.0 ... residual.\(layers)") }
        case .head(let layer, let index):
            guard (0..<layers).contains(layer), (0..<architecture.heads).contains(index) else {
                throw outOfRange("layers below \(layers), heads below \(architecture.heads)")
            }
        case .queries(let layer), .keys(let layer), .values(let layer), .heads(let layer), .attentionOut(let layer),
            .mlpHidden(let layer), .mlpOut(let layer):
            guard (0..<layers).contains(layer) else { throw outOfRange("layers below \(layers)") }
        case .logits: break
        }
    }

    /// The width of the values there.
    public func width(in architecture: Architecture) -> Int {
        switch self {
        case .residual, .attentionOut, .mlpOut: architecture.width
        case .queries, .heads: architecture.heads * architecture.headWidth
        case .keys, .values: architecture.keyValueHeads * architecture.headWidth
        case .head: architecture.headWidth
        case .mlpHidden: architecture.hiddenWidth
        case .logits: architecture.vocabulary
        }
    }

    /// How many layers have to be computed before the values there are known.
    var depth: Int {
        switch self {
        case .residual(let layer): layer
        case .logits: .max
        default: entry.layer + 1
        }
    }

    private func outOfRange(_ expected: String) -> ModelError {
        ModelError(.outOfRange, "the model has no such site", subject: description, expected: expected)
    }
}

/// The first part of a layer that a change touches; what lies before it need not be computed again.
struct Entry: Comparable {
    enum Stage: Int { case attention, mlp }
    var layer: Int
    var stage: Stage

    /// The beginning of a layer; that of the layer behind the last is the end of all layers.
    static func entering(_ layer: Int) -> Entry { Entry(layer: layer, stage: .attention) }

    static func < (a: Entry, b: Entry) -> Bool { (a.layer, a.stage.rawValue) < (b.layer, b.stage.rawValue) }
}
