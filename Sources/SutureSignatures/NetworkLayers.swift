import Foundation
import SutureFormats

/// The layers of a network, by the names of its tensors alone.
struct NetworkLayers: Sendable {
    /// All but the last, which speaks of classes or tokens; numbers in names by their value.
    let names: [String]
    /// The layer of each tensor that belongs to one of them.
    private let layers: [String: String]
    /// Names that tensors of batch norms share.
    private let norms: Set<String>

    private static let heads: Set = ["fc", "linear", "classifier", "head", "heads", "lm_head"]

    init(_ checkpoint: Checkpoint) {
        let tensors = checkpoint.tensors.map(\.name)
        let prefixes = Set(tensors.map(Self.prefix)).filter {
            !Self.heads.contains(String($0.prefix { $0 != "." }))
        }
        norms = Set(tensors.filter { $0.hasSuffix(".running_var") }.map(Self.prefix))
        let own = prefixes.subtracting(norms)
        var partners: [String: String] = [:]
        for norm in norms {
            let (parent, number) = Self.place(norm)
            let before = own.filter { Self.place($0).parent == parent && Self.place($0).number <= number }
            partners[norm] = before.max { Self.place($0).number < Self.place($1).number }
        }
        layers = tensors.reduce(into: [:]) { layers, tensor in
            let prefix = Self.prefix(tensor)
            if prefixes.contains(prefix) { layers[tensor] = partners[prefix] ?? prefix }
        }
        names = Set(layers.values).sorted { $0.compare($1, options: .numeric) == .orderedAscending }
    }

    /// The layer that a tensor belongs to.
    func layer(of tensor: String) -> String? { layers[tensor] }

    /// Whether a tensor is part of a batch norm.
    func isInNorm(_ tensor: String) -> Bool { norms.contains(Self.prefix(tensor)) }

    /// Whether a tensor is a running average of a batch norm.
    static func isAverage(_ tensor: String) -> Bool {
        tensor.hasSuffix(".running_mean") || tensor.hasSuffix(".running_var")
    }

    /// What a tensor's name shares with those of its layer.
    private static func prefix(_ tensor: String) -> String {
        tensor.lastIndex(of: ".").map { String(tensor[..<$0]) } ?? tensor
    }

    /// Where a layer is, and the number at the end of its name; -1 where there is none.
    private static func place(_ layer: String) -> (parent: String, number: Int) {
        let parent = layer.lastIndex(of: ".").map { String(layer[..<$0]) } ?? ""
        let digits = String(layer.reversed().prefix { $0.isNumber }.reversed())
        return (parent, Int(digits) ?? -1)
    }
}
