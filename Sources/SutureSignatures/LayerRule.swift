import Foundation
import SutureFormats

/// Which layers of a network a signature is taken from.
///
/// A layer is what shares a name up to the last dot, a weight with its bias. A batch norm goes with the layer before it:
/// that of the same parent whose number is its own or the nearest below, so `bn2` with `conv2` and `features.1` with
/// `features.0`. The last layers of classifiers and language models, which speak of classes or tokens, are none.
public enum LayerRule: Sendable, Equatable {
    /// All of them.
    case all
    /// The first so many by name, numbers by value: robustness to corruption is said to be in shallow layers.
    case first(Int)
    /// Those whose names begin with one of these.
    case named([String])
    /// The so many with the largest relative change: |what would be taken| / |weights of the standard model|.
    case largest(Int)
    /// The fewest whose squared relative changes make up this share, 0...1, of those of all layers.
    case share(Double)

    /// Whether the relative changes must be known.
    var isBySize: Bool {
        switch self {
        case .largest, .share: true
        case .all, .first, .named: false
        }
    }

    /// The layers that the rule takes, in the order of their names.
    ///
    /// `relativeChanges` is asked only by rules that go by size.
    func choose(from layers: NetworkLayers, relativeChanges: [String: Double]) -> [String] {
        let bySize = relativeChanges.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
        let chosen: Set<String>
        switch self {
        case .all: chosen = Set(layers.names)
        case .first(let count): chosen = Set(layers.names.prefix(count))
        case .named(let beginnings):
            chosen = Set(layers.names.filter { name in beginnings.contains { name.hasPrefix($0) } })
        case .largest(let count): chosen = Set(bySize.prefix(count).map(\.key))
        case .share(let share):
            let wanted = share * bySize.reduce(0) { $0 + $1.value * $1.value }
            var sum = 0.0
            chosen = Set(
                bySize.prefix { _, change in
                    defer { sum += change * change }
                    return sum < wanted
                }.map(\.key))
        }
        return layers.names.filter(chosen.contains)
    }
}

extension LayerRule: CustomStringConvertible {
    public var description: String {
        switch self {
        case .all: "all"
        case .first(let count): "the first \(count)"
        case .named(let beginnings): beginnings.joined(separator: ", ")
        case .largest(let count): "the \(count) that change most"
        case .share(let share): "\(share) of the change"
        }
    }
}
