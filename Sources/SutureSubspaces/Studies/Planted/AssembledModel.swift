import SutureModels
import SutureTensor

/// A transformer with random weights in which a circuit was put by hand.
///
/// One token of a prompt has a class y = +-1, along f in its embedding. A head of layer 0 with uniform attention copies it
/// to the last token, along g. In the MLP of layer 1 some *used* channels read g and write r; some *disconnected* ones
/// read g and write nothing along r or g; some *dormant* ones write r and are shut, whatever the class. The answer is read
/// from r, and from g where the feature passes around the MLP. All else is random: every channel also reads and writes a
/// little of everything.
enum AssembledModel {
    /// How the feature reaches the output.
    enum Kind: String, CaseIterable {
        case through = "through the MLP alone"
        case shared = "through the MLP and around it"
        case around = "around the MLP"
        case blind = "the MLP cannot see the feature"
    }

    /// Tokens 0..<8 are of one class, 8..<16 of the other, then come tokens without any.
    private static let query = 36
    private static let yes = 37
    private static let no = 38

    /// A network of a kind, drawn by a seed, and prompts for it.
    static func make(_ kind: Kind, seed: UInt64, pairs: Int) throws -> PlantedTransformer {
        let random = try RandomSource(seed: seed)
        var choice = SeededGenerator(seed: seed)
        let width = choice.pick([24, 32, 48])
        let shape = TinyTransformer(
            layers: 2 + choice.below(3), width: width, hiddenWidth: width * (2 + choice.below(3)), vocabulary: 40)
        var weights = try shape.weights(random, gain: choice.between(0.05...0.25))
        // f, g, r, and what tells the last token: orthogonal, and free of all other embeddings.
        let axes = try random.normal([width, 4]).qr().q.transposed()
        let (f, g, r, own) = try (axes.selected(0, 0), axes.selected(0, 1), axes.selected(0, 2), axes.selected(0, 3))
        func change(_ name: String, _ body: (Tensor) throws -> Tensor) throws {
            if let old = weights[name] { weights[name] = try body(old) }
        }

        let tokens = 0..<shape.vocabulary
        try change(TinyTransformer.embedding) { old in
            let rows = try old - old.matmul(axes.transposed()).matmul(axes)
            return try rows + outer(tokens.map { $0 < 8 ? 3 : $0 < 16 ? -3 : 0 }, f)
                + outer(tokens.map { $0 == query ? 4 : 0 }, own)
        }
        // Without queries attention is uniform; the head's first channel reads f and writes g.
        let isFirst = (0..<width).map { $0 == 0 ? 1.0 : 0 }
        let others = try Tensor((0..<width).map { $0 < shape.headWidth ? 0 : 1 as Float }, shape: [width, 1])
        let copying = choice.between(2...4)
        try change(TinyTransformer.name("self_attn.q_proj", 0)) { try $0 * others }
        try change(TinyTransformer.name("self_attn.v_proj", 0)) { try $0 + outer(isFirst, f * copying) }
        try change(TinyTransformer.name("self_attn.o_proj", 0)) { try $0 + outer(isFirst, g).transposed() }

        let channels = Channels(shape.hiddenWidth, kind, &choice)
        try change(TinyTransformer.name("mlp.up_proj", 1)) { old in
            kind == .blind ? try without(without(old, g), f) : try old + outer(channels.reads, g)
        }
        try change(TinyTransformer.name("mlp.gate_proj", 1)) { old in
            try (kind == .blind ? without(without(old, g), f) : old) + outer(channels.opens, own)
        }
        try change(TinyTransformer.name("mlp.down_proj", 1)) { old in
            let rows = try old.transposed()
            let kept = try without(without(rows, r), g)
            let isPlanted = channels.disconnected.map { $0 ? 0 : 1 as Float }
            let background = try kept + (rows - kept) * Tensor(isPlanted, shape: [shape.hiddenWidth, 1])
            return try (background + outer(channels.writes, r)).transposed()
        }
        let bypass: Double
        switch kind {
        case .through: bypass = 0
        case .shared: bypass = choice.between(0.2...1)
        case .around, .blind: bypass = choice.between(0.5...1.5)
        }
        try change(TinyTransformer.head) { old in
            try without(without(old, r), g)
                + outer(tokens.map { $0 == yes ? 1 : $0 == no ? -1 : 0 }, r * 2 + g * bypass)
        }
        return PlantedTransformer(
            model: try shape.model(weights), location: Location(.mlpHidden(1)), train: prompts(pairs, &choice),
            heldOut: prompts(pairs, &choice), kind: kind.rawValue,
            truth: kind == .blind ? .blind : .channels(channels.used))
    }

    /// The planted channels of an MLP: what of g each reads, of the last token's own mark opens or shuts it, and of r writes.
    private struct Channels {
        var used: [Int]
        var disconnected: [Bool]
        var reads: [Double]
        var opens: [Double]
        var writes: [Double]

        init(_ count: Int, _ kind: Kind, _ choice: inout SeededGenerator) {
            let order = choice.shuffled(Array(0..<count))
            let uses = kind == .through || kind == .shared ? 4 + choice.below(8) : 0
            // Half of the networks that use the MLP alone have nothing planted beside.
            let most = kind == .through && choice.below(2) == 0 ? 0 : count / 8
            let ends = [uses, uses + choice.below(most + 1), uses + count / 8 + choice.below(most + 1)]
            used = Array(order[..<ends[0]])
            disconnected = [Bool](repeating: false, count: count)
            (reads, opens, writes) = (Self.zeros(count), Self.zeros(count), Self.zeros(count))
            let strength = kind == .shared ? choice.between(0.3...1) : 1
            for channel in used {
                let sign = choice.sign()
                reads[channel] = sign * choice.between(0.5...1)
                opens[channel] = choice.between(0.5...1)
                writes[channel] = sign * strength * choice.between(0.2...0.5)
            }
            for channel in order[ends[0]..<ends[1]] {
                disconnected[channel] = true
                reads[channel] = choice.sign() * choice.between(0.5...1)
                opens[channel] = choice.between(0.5...1)
            }
            for channel in order[(uses + count / 8)..<ends[2]] {
                opens[channel] = -choice.between(0.5...1)
                writes[channel] = choice.sign() * choice.between(0.1...0.4)
            }
        }

        private static func zeros(_ count: Int) -> [Double] { [Double](repeating: 0, count: count) }
    }

    private static func outer(_ column: [Double], _ row: Tensor) throws -> Tensor {
        try Tensor(column.map(Float.init), shape: [column.count, 1]).matmul(row.unsqueezed(0))
    }

    /// Rows without what they have along an axis of length one.
    private static func without(_ rows: Tensor, _ axis: Tensor) throws -> Tensor {
        try rows - rows.matmul(axis.unsqueezed(1)).matmul(axis.unsqueezed(0))
    }

    /// Five tokens of which one has a class, and the question; base and source share nothing but the question.
    private static func prompts(_ count: Int, _ choice: inout SeededGenerator) -> [TokenizedPair] {
        (0..<count).map { index in
            func prompt(_ isFirst: Bool) -> [Int] {
                var tokens = (0..<5).map { _ in 16 + choice.below(20) }
                tokens[choice.below(5)] = (isFirst ? 0 : 8) + choice.below(8)
                return tokens + [query]
            }
            let isFirst = index % 2 == 0
            return TokenizedPair(
                base: prompt(isFirst), source: prompt(!isFirst), answer: isFirst ? yes : no, other: isFirst ? no : yes,
                baseLabel: isFirst ? "yes" : "no", sourceLabel: isFirst ? "no" : "yes")
        }
    }
}

extension SeededGenerator {
    /// A number of a range.
    mutating func between(_ range: ClosedRange<Double>) -> Double {
        range.lowerBound + (range.upperBound - range.lowerBound) * Double(below(1 << 30)) / Double(1 << 30)
    }

    /// 1 or -1.
    mutating func sign() -> Double { below(2) == 0 ? 1 : -1 }
}
