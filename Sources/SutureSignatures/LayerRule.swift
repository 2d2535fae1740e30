import Foundation
import SutureFormats

/// Which layers of a network a signature is taken from.
///
/// A layer is what shares a name up to the last dot: a weight with its bias, a batch norm. Layers are taken in the order
/// of their names, numbers by value; the last layers of classifiers and language models, which speak of classes or
/// tokens, are none of them.
public enum LayerRule: Sendable, Equatable {
    /// All of them.
    case all
    /// The first so many: robustness to corruption is said to be in shallow layers.
    case first(Int)
    /// Those whose names begin with one of these.
    case named([String])

    private static let heads: Set = ["fc", "classifier", "head", "lm_head"]

    /// The layers of a checkpoint that the rule takes.
    ///
    /// Throws ``SignatureError`` with code `noLayers` where there are none.
    func layers(of checkpoint: Checkpoint) throws -> Set<String> {
        let names = Set(checkpoint.tensors.map { Self.layer(of: $0.name) })
            .filter { !Self.heads.contains(String($0.prefix { $0 != "." })) }
        let found: Set<String>
        switch self {
        case .all: found = names
        case .first(let count):
            found = Set(names.sorted { $0.compare($1, options: .numeric) == .orderedAscending }.prefix(count))
        case .named(let beginnings): found = names.filter { name in beginnings.contains { name.hasPrefix($0) } }
        }
        guard !found.isEmpty else {
            throw SignatureError(
                .noLayers, "the rule leaves no layer", subject: checkpoint.url.relativePath,
                expected: names.sorted().prefix(3).joined(separator: ", ") + ", ...")
        }
        return found
    }

    /// The layer that a tensor belongs to.
    static func layer(of tensor: String) -> String {
        tensor.lastIndex(of: ".").map { String(tensor[..<$0]) } ?? tensor
    }
}
