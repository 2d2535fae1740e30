import Foundation
import SutureFormats
import SutureModels
import SutureTasks
import SutureTensor
import SutureTestSupport
import SutureTokenizers
import Testing

@testable import SutureRepair

@Suite("An answer whose token has the output row of another one")
struct ReachTests {
    private let model: LanguageModel
    private let tokenizer: Tokenizer

    /// `Y` and `Z` have one row.
    init() throws {
        (model, tokenizer) = try tinyModel { try TinySnapshot.makeTwins(90, like: 89, in: $0) }
    }

    @Test("twins are the tokens with the same row, and no others")
    func twins() throws {
        #expect(try model.twins(of: 90) == [89])
        #expect(try model.twins(of: 89) == [90])
        #expect(try model.twins(of: 65) == [])
        let head = try model.head.floats()
        let width = model.architecture.width
        let zeros = [Float](repeating: 0, count: 3 * width) + head.dropFirst(3 * width)
        let untrained = try model.replacing(["lm_head.weight": Tensor(zeros, shape: [head.count / width, width])])
        #expect(try untrained.twins(of: 1) == [0, 2])
    }

    @Test("is known before any work, for every method", arguments: MethodName.allCases)
    func known(name: MethodName) throws {
        let failure = Failure(prompt: "abc", expected: "Z")
        let error = try #require(throws: RepairError.self) {
            try Repair.requireReachable([failure], by: name.method, in: model, tokenizer)
        }
        #expect(error.code == .badRequest)
        #expect(error.description.contains("no margin is possible: token 90 \"Z\""))
        #expect(error.description.contains("token 89 \"Y\""))
        // Of two such tokens the first can be written, without a margin.
        let other = Failure(prompt: "abc", expected: "Y")
        if name.method.needsMargin {
            #expect(throws: RepairError.self) {
                try Repair.requireReachable([other], by: name.method, in: model, tokenizer)
            }
        } else {
            try Repair.requireReachable([other], by: name.method, in: model, tokenizer)
        }
        try Repair.requireReachable(
            [failure, Failure(prompt: "abc", expected: "Q")], by: name.method, in: model, tokenizer)
    }

    @Test(
        "is abandoned with that reason where other failures of the list can be repaired",
        arguments: [
            MethodName.recruit, .gap, .astra
        ])
    func abandoned(name: MethodName) throws {
        var repair = try Repair(model, tokenizer, method: name.method)
        repair.guardTexts = ["let a = 1"]
        let result = try repair.run(
            [Failure(prompt: "abc", expected: "Z"), Failure(prompt: "def f(x):", expected: "Q")], modelName: "tiny")
        #expect(result.report.failures.map(\.status) == [.abandoned, .fixed])
        #expect(result.report.failures[0].reason?.contains("no margin is possible") == true)
    }
}
