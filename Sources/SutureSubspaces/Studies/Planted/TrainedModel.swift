import SutureModels
import SutureTensor

/// A transformer that was trained on two questions about the classes a and b of a prompt's first two tokens.
///
/// One question asks for a xor b: no linear readout knows it, and the one MLP (layer 1) has to compute it. The other asks
/// for a alone; on it the MLP's output was that of another prompt in half of the steps and nothing in the others, and was not
/// trained: it could not help, and the feature passes around. Both questions end in the same place of the same network, and the MLP sees a in both.
enum TrainedModel {
    private static let xor = 12
    private static let copy = 13
    private static let yes = 14
    private static let no = 15
    private static let down = TinyTransformer.name("mlp.down_proj", 1)

    /// Trains a network; twice a place to learn directions at, where the test of ``isIllusory`` can tell what it is.
    static func make(seed: UInt64, pairs: Int, steps: Int) throws -> [PlantedTransformer] {
        let random = try RandomSource(seed: seed)
        var choice = SeededGenerator(seed: seed)
        let width = choice.pick([24, 32, 40])
        let shape = TinyTransformer(
            layers: 2 + choice.below(2), width: width, hiddenWidth: width * (2 + choice.below(3)), vocabulary: 16)
        let start = try shape.weights(random, gain: 1)
        // Of the other layers' MLPs nothing is written.
        let idle = try (0..<shape.layers).filter { $0 != 1 }.map {
            (TinyTransformer.name("mlp.down_proj", $0), try Tensor.zeros([width, shape.hiddenWidth]))
        }
        let fixed = Dictionary(uniqueKeysWithValues: idle)
        let names = start.keys.filter { fixed[$0] == nil }.sorted()
        let optimizer = try Optimizer(names.compactMap { start[$0] }, .adam(rate: 0.003))
        func weights(_ values: [Tensor]) -> [String: Tensor] {
            fixed.merging(zip(names, values)) { $1 }
        }
        func off(_ weights: [String: Tensor]) throws -> LanguageModel {
            var weights = weights
            weights[down] = try Tensor.zeros([width, shape.hiddenWidth])
            return try shape.model(weights)
        }
        for step in 0..<steps {
            try optimizer.setRate(0.003 * min(1, 4 * (1 - Double(step) / Double(steps))))
            let asked = (0..<64).map { _ in prompt(xor, &choice) }
            let copied = (0..<64).map { _ in prompt(copy, &choice) }
            _ = try optimizer.step { values in
                let weights = weights(values)
                let model = try shape.model(weights)
                let strange = try step % 2 == 0 ? exchanged(model, copied.map(\.tokens)) : []
                return try loss(model, asked) + loss(step % 2 == 0 ? model : off(weights), copied, strange)
            }
        }
        let trained = try weights(optimizer.parameters.map { try $0.detached().copied() })
        let model = try shape.model(trained)
        let without = try off(trained)
        return try [(xor, "a xor b, which the MLP computes"), (copy, "a, which passes around the MLP")].compactMap {
            question, kind in
            func draw() -> [TokenizedPair] { (0..<pairs).map { _ in pair(question, &choice) } }
            let (train, heldOut) = (draw(), draw())
            guard let isIllusory = try isIllusory(heldOut, model, without) else { return nil }
            return PlantedTransformer(
                model: model, location: Location(.mlpHidden(1)), train: train, heldOut: heldOut, kind: kind,
                truth: .site(isIllusory: isIllusory))
        }
    }

    /// Whether the margin is there without the MLP; nil where a quarter to three quarters of it are, or where the network
    /// has not learned the question.
    private static func isIllusory(_ pairs: [TokenizedPair], _ model: LanguageModel, _ without: LanguageModel) throws
        -> Bool?
    {
        func margins(_ model: LanguageModel) throws -> [Double] {
            try PairOutputs(model.run(pairs.map(\.base)).logits, pairs).difference
        }
        return try Tensor.withoutGradients {
            let (natural, cut) = (try margins(model), try margins(without))
            guard Bootstrap.mean(natural.map { $0 > 0 ? 1 : 0 }) >= 0.95 else { return nil }
            let left = Bootstrap.mean(cut) / Bootstrap.mean(natural)
            return left <= 0.25 ? false : left >= 0.75 ? true : nil
        }
    }

    /// What the MLP writes for each prompt, put in for another.
    private static func exchanged(_ model: LanguageModel, _ prompts: [[Int]]) throws -> [Intervention] {
        try Tensor.withoutGradients {
            let written = try model.run(prompts, capturing: [.mlpOut(1)], logits: .none)[.mlpOut(1)]
            let length = written.shape[1]
            let last = try written.narrowed(1, length - 1..<length)
            let others = try last.indexSelected(0, at: Array(prompts.indices.reversed()))
            return [Intervention(.mlpOut(1), at: .last, .replace(others))]
        }
    }

    private static func loss(
        _ model: LanguageModel, _ prompts: [(tokens: [Int], isYes: Bool)], _ changes: [Intervention] = []
    ) throws -> Tensor {
        try model.run(prompts.map(\.tokens), changes).logits.crossEntropy(Tensor(prompts.map { $0.isYes ? yes : no }))
    }

    /// Tokens 0..<6 are of one class, 6..<12 of the other; the third may be any.
    private static func prompt(_ question: Int, _ choice: inout SeededGenerator, isYes: Bool? = nil) -> (
        tokens: [Int], isYes: Bool
    ) {
        let b = choice.below(2) == 0
        let wanted = isYes ?? (choice.below(2) == 0)
        let a = question == copy ? wanted : wanted != b
        let tokens = [(a ? 0 : 6) + choice.below(6), (b ? 0 : 6) + choice.below(6), choice.below(12), question]
        return (tokens, wanted)
    }

    private static func pair(_ question: Int, _ choice: inout SeededGenerator) -> TokenizedPair {
        let base = prompt(question, &choice)
        let source = prompt(question, &choice, isYes: !base.isYes)
        return TokenizedPair(
            base: base.tokens, source: source.tokens, answer: base.isYes ? yes : no, other: base.isYes ? no : yes,
            baseLabel: base.isYes ? "yes" : "no", sourceLabel: source.isYes ? "yes" : "no")
    }
}
