import Foundation
import SutureCore
import SutureFormats
import SutureModels
import SutureTensor
import SutureTestSupport
import Testing

@Suite("Sampling")
struct SamplingTests {
    /// What transformers makes of some scores under some settings.
    private struct Golden: Decodable {
        struct Case: Decodable {
            struct Setting: Decodable {
                var temperature, topP, minP: Double?
                var topK: Int?
            }
            var setting: Setting
            var probabilities: [Double]

            func sampling(seed: UInt64 = 0) throws -> Sampling {
                try Sampling(
                    temperature: setting.temperature ?? 1, topK: setting.topK, topP: setting.topP,
                    minP: setting.minP,
                    seed: seed)
            }
        }
        var scores: [Float]
        var cases: [Case]

        static func read() throws -> Golden {
            let decoder = JSONDecoder()
            decoder.keyDecodingStrategy = .convertFromSnakeCase
            return try decoder.decode(Golden.self, from: Data(contentsOf: Goldens.url("sampling/sampling.json")))
        }
    }

    @Test("what may be drawn, and how likely, is what transformers leaves")
    func distribution() throws {
        let golden = try Golden.read()
        #expect(golden.cases.count > 10)
        for one in golden.cases {
            let (tokens, probabilities) = try one.sampling().distribution(Tensor(golden.scores))
            #expect(zip(probabilities, probabilities.dropFirst()).allSatisfy { $0 >= $1 })
            var found = [Double](repeating: 0, count: golden.scores.count)
            for (token, probability) in zip(tokens, probabilities) { found[token] = probability }
            for (token, (a, b)) in zip(found, one.probabilities).enumerated() {
                #expect(abs(a - b) < 1e-9, "\(one.setting), token \(token): \(a), transformers \(b)")
            }
        }
    }

    @Test("of a large vocabulary a draw is where the whole distribution puts it, likely or not")
    func largeVocabulary() throws {
        let random = try RandomSource(seed: 3)
        // Some scores are equal; the flat ones are beyond what the most likely tokens tell.
        let firm = try (random.normal([3000]) * 3).floats().map { ($0 * 4).rounded() / 4 }
        let settings: [(Double, Int?, Double?, Double?)] = [
            (1, nil, nil, nil), (3, nil, nil, nil), (0.7, 40, nil, nil), (1, nil, 0.9, nil), (4, nil, 0.999, nil),
            (1, nil, nil, 0.05), (5, nil, nil, 1e-6), (2, 1000, 0.95, 0.001), (1, 256, nil, nil), (1, 5000, nil, nil)
        ]
        for scores in [firm, firm.map { $0 / 50 }] {
            let logits = try Tensor(scores)
            for (temperature, topK, topP, minP) in settings {
                for seed in 0..<40 {
                    var sampling = try Sampling(
                        temperature: temperature, topK: topK, topP: topP, minP: minP, seed: UInt64(seed))
                    let (tokens, probabilities) = try sampling.distribution(logits)
                    var generator = SeededGenerator(seed: UInt64(seed))
                    var rest = Double(generator.next() >> 11) * 0x1p-53
                    let place = probabilities.firstIndex { probability in
                        rest -= probability
                        return rest < 0
                    }
                    let drawn = try sampling.draw(logits)
                    // Which of equal scores comes first is the sorting's choice.
                    let expected = tokens[place ?? tokens.count - 1]
                    #expect(scores[drawn] == scores[expected], "\(temperature) \(seed)")
                }
            }
        }
    }

    @Test("10,000 draws are spread as transformers' probabilities (chi-squared)")
    func draws() throws {
        let golden = try Golden.read()
        let scores = try Tensor(golden.scores)
        for (index, one) in golden.cases.enumerated() {
            var sampling = try one.sampling(seed: UInt64(index))
            var counts = [Int](repeating: 0, count: golden.scores.count)
            for _ in 0..<10_000 { counts[try sampling.draw(scores)] += 1 }
            let likely = one.probabilities.indices.filter { one.probabilities[$0] > 0 }
            #expect(counts.indices.allSatisfy { counts[$0] == 0 || one.probabilities[$0] > 0 }, "\(one.setting)")
            // Tokens of which fewer than five are expected are counted together.
            let rare = likely.filter { one.probabilities[$0] * 10_000 < 5 }
            var cells = likely.filter { !rare.contains($0) }.map {
                (Double(counts[$0]), one.probabilities[$0] * 10_000)
            }
            if !rare.isEmpty {
                cells.append(
                    (
                        Double(rare.map { counts[$0] }.reduce(0, +)),
                        rare.map { one.probabilities[$0] }.reduce(0, +) * 10_000
                    ))
            }
            let statistic = cells.map { ($0 - $1) * ($0 - $1) / $1 }.reduce(0, +)
            // The 99.9% point of chi-squared by Wilson and Hilferty.
            let freedom = Double(max(1, cells.count - 1))
            let limit = freedom * pow(1 - 2 / (9 * freedom) + 3.09 * (2 / (9 * freedom)).squareRoot(), 3)
            #expect(statistic < limit, "\(one.setting): \(statistic), at most \(limit)")
        }
    }

    @Test("settings out of range are refused")
    func refusals() {
        #expect(throws: ModelError.self) { try Sampling(temperature: 0) }
        #expect(throws: ModelError.self) { try Sampling(temperature: .nan) }
        #expect(throws: ModelError.self) { try Sampling(topK: 0) }
        #expect(throws: ModelError.self) { try Sampling(topP: 0) }
        #expect(throws: ModelError.self) { try Sampling(topP: 1.1) }
        #expect(throws: ModelError.self) { try Sampling(minP: -0.1) }
    }

    @Test("a seed gives one text, another seed another; one token to choose from is the most likely")
    func generation() throws {
        let model = try TinyModel("llama").model
        func text(_ sampling: Sampling?) throws -> [Int] {
            try model.generate(TinyModel.promptA, limit: 12, sampling: sampling)
        }
        let first = try text(Sampling(temperature: 2, seed: 1))
        #expect(try first == text(Sampling(temperature: 2, seed: 1)))
        #expect(try first != text(Sampling(temperature: 2, seed: 2)))
        #expect(try text(Sampling(topK: 1, seed: 9)) == text(nil))
    }
}
