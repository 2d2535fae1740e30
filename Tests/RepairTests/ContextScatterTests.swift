import SutureTasks
import SutureTensor
import SutureTestSupport
import SutureTokenizers
import Testing

@testable import SutureModels
@testable import SutureRepair

@Suite("What is read of contexts alone")
struct ContextScatterTests {
    private let model: LanguageModel
    private let tokenizer: Tokenizer

    init() throws {
        (model, tokenizer) = try tinyModel()
    }

    @Test("the scatter is that of the differences, pair by pair")
    func scatter() throws {
        let pairs = Array(Texts.restated(tokenizer).prefix(30))
        let layer = 1
        let material = RepairMaterial(model, texts: [[1, 2, 3]], restated: pairs)
        let found = try #require(try ContextScatter.read(material, layer: layer)).elements(as: Double.self)
        let width = model.architecture.width
        var (expected, count) = ([Double](repeating: 0, count: width * width), 0)
        for pair in pairs {
            let (first, second) = (try read(pair.0, layer), try read(pair.1, layer))
            for (first, second) in zip(first, second) {
                let difference = zip(first, second).map { $0 - $1 }
                for row in 0..<width {
                    for column in 0..<width { expected[row * width + column] += difference[row] * difference[column] }
                }
                count += 1
            }
        }
        #expect(count == pairs.reduce(0) { $0 + $1.0.answer.count })
        let scale = expected.map(abs).max() ?? 0
        #expect(scale > 0)
        for (found, expected) in zip(found, expected) {
            #expect(abs(found - expected / Double(2 * count)) < 1e-5 * scale / Double(count))
        }
    }

    /// What a layer reads where an answer is written, of one prompt alone.
    private func read(_ asked: TokenizedFailure, _ layer: Int) throws -> [[Double]] {
        let input = try model.trace([asked.forced]).mlpInput(layer).squeezed(0)
        return try asked.places.map { try input.selected(0, $0).to(.float64).elements(as: Double.self) }
    }

    @Test("pairs that are none, or longer than the model reads, count for nothing")
    func unfit() throws {
        let pairs = Array(Texts.restated(tokenizer).prefix(3))
        let long = TokenizedFailure(
            prompt: [Int](repeating: 1, count: model.architecture.contextLength), answer: pairs[0].0.answer)
        let odd = [(pairs[0].0, pairs[1].0), (pairs[0].0, long)]
        func scatter(_ pairs: [(TokenizedFailure, TokenizedFailure)]) throws -> [Double]? {
            try ContextScatter.read(RepairMaterial(model, texts: [[1, 2, 3]], restated: pairs), layer: 0)?
                .elements(as: Double.self)
        }
        let (alone, beside, none) = (try scatter(pairs), try scatter(pairs + odd), try scatter(odd))
        #expect(alone != nil && alone == beside && none == nil)
    }

    @Test("the built-in answers stand behind different examples, and are the same in tokens")
    func restated() {
        let pairs = Texts.restated(tokenizer)
        #expect(pairs.count > 100)
        #expect(pairs.allSatisfy { $0.0.answer == $0.1.answer && $0.0.prompt != $0.1.prompt && !$0.0.answer.isEmpty })
    }
}
