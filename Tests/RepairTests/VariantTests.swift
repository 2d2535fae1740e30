import Foundation
import SutureFormats
import SutureTasks
import SutureTensor
import SutureTestSupport
import SutureTokenizers
import Testing

@testable import SutureModels
@testable import SutureRepair

@Suite("Variants of a prompt")
struct VariantTests {
    private let model: LanguageModel
    private let tokenizer: Tokenizer

    init() throws {
        (model, tokenizer) = try tinyModel()
    }

    private let prompt = "# ask: list files\n$ ls\n\n# ask: go up\n$ cd ..\n\n# ask: count all the lines of a\n$"

    @Test("ask for the same answer with other examples, other words, in another order")
    func shots() throws {
        let failure = Failure(prompt: prompt, expected: " wc -l a\n")
        let variants = failure.variants(tokenizer, behind: ["Some text."])
        #expect(variants.allSatisfy { $0.expected == failure.expected && $0.prompt.hasSuffix("\n$") })
        #expect(Set(variants.map(\.prompt)).count == variants.count)
        let prompts = variants.map(\.prompt)
        #expect(!prompts.contains(prompt))
        for expected in [
            "# ask: count all the lines of a\n$", "# ask: list files\n$ ls\n\n# ask: count all the lines of a\n$",
            "# ask: go up\n$ cd ..\n\n# ask: list files\n$ ls\n\n# ask: count all the lines of a\n$",
            "Some text.\n\n# ask: count all the lines of a\n$",
            "# ask: list files\n$ ls\n\n# ask: go up\n$ cd ..\n\n# ask: count lines\n$"
        ] {
            #expect(prompts.contains(expected), "\(expected) in \(prompts)")
        }
    }

    @Test("have examples from elsewhere, those first whose code is most like that of the prompt's own")
    func otherShots() throws {
        let failure = Failure(prompt: prompt, expected: " wc -l a\n")
        let known = [
            TaskSet.Task(intent: "add", code: "return a + b"), .init(intent: "count", code: "wc -l a"),
            .init(intent: "go home", code: "cd ~"), .init(intent: "show all", code: "ls -a"),
            .init(intent: "name it", code: "x = 1"), .init(intent: "go to tmp", code: "cd /tmp")
        ]
        let prompts = failure.variants(tokenizer, knowing: known).map(\.prompt)
        let question = "# ask: count all the lines of a\n$"
        #expect(prompts[0] == "# ask: go home\n$ cd ~\n\n# ask: show all\n$ ls -a\n\n" + question, "\(prompts[0])")
        #expect(prompts[1].hasPrefix("# ask: go to tmp\n$ cd /tmp\n\n"), "\(prompts[1])")
        // What gives the answer away is no example.
        #expect(prompts.allSatisfy { !$0.contains("wc -l a") })
        #expect(Texts.examples.count > 100 && Set(Texts.examples.map(\.intent)).count == Texts.examples.count)
        #expect(Texts.examples.allSatisfy { !$0.intent.isEmpty && !$0.code.isEmpty && !$0.intent.contains("\n") })
    }

    @Test("what could be asked by mistake stands in the question's place, behind the same examples")
    func nearMisses() throws {
        let failure = Failure(prompt: prompt, expected: " wc -l a\n")
        let near = failure.nearMisses(tokenizer, knowing: Texts.examples)
        let shared = "# ask: list files\n$ ls\n\n# ask: go up\n$ cd ..\n\n# ask: "
        #expect(near.count >= 6 && near.allSatisfy { $0.prompt.hasPrefix(shared) && $0.prompt.hasSuffix("\n$") })
        #expect(near.allSatisfy { $0.expected == failure.expected && $0.prompt != prompt })
        #expect(Set(near.map(\.prompt)).count == near.count)
        #expect(near.contains { $0.prompt == shared + "count all the files\n$" }, "\(near.map(\.prompt))")
        let whole = try TokenizedFailure(failure, variedBy: tokenizer)
        #expect(!whole.nearMisses.isEmpty)
        #expect(whole.part(at: 1).nearMisses == whole.nearMisses.map { $0 + [whole.answer[0]] })
        #expect(Failure(prompt: "a", expected: "b").nearMisses(tokenizer, knowing: Texts.examples).isEmpty)
    }

    @Test("of a prompt without examples are other words in it; of no question there are none")
    func plain() {
        let failure = Failure(prompt: "Say what the capital of Wales is and nothing more", expected: " Cardiff")
        let prompts = failure.variants(tokenizer).map(\.prompt)
        #expect(!prompts.isEmpty && prompts.allSatisfy { $0.count > 10 && $0 != failure.prompt })
        #expect(Failure(prompt: "a", expected: "b").variants(tokenizer).isEmpty)
    }

    @Test("a subject could be another name, in the tokens that it would have in the prompt")
    func names() throws {
        let asked = Failure(prompt: "The capital of Wales is", expected: " Cardiff", subject: "Wales")
        let failure = try TokenizedFailure(asked, variedBy: tokenizer)
        let subject = try #require(failure.subject)
        let before = Array(failure.prompt[failure.opening..<subject.lowerBound])
        #expect(failure.names.count > 50)
        for name in failure.names.prefix(5) {
            #expect(tokenizer.decode(before + name).hasPrefix("The capital of ") && tokenizer.decode(name) != "Wales")
        }
        // One token of an answer is about the same subject.
        let part = failure.part(at: failure.answer.count - 1)
        #expect(part.subject == subject && part.names == failure.names)
        #expect(try TokenizedFailure(Failure(prompt: "a b", expected: " c"), variedBy: tokenizer).names.isEmpty)
    }

    @Test("what is recruited for them brings the answer out behind them, too")
    func held() throws {
        let failure = try TokenizedFailure(Failure(prompt: prompt, expected: " wc"), variedBy: tokenizer)
        #expect(failure.variants.count >= 6)
        let material = RepairMaterial(
            model, texts: Texts.reference.map { tokenizer.encode($0).ids }, restated: Texts.restated(tokenizer))
        func right(_ variants: Int) throws -> (own: Bool, others: Int) {
            var method = Recruit()
            method.variants = variants
            let proposal = try method.prepared(material).propose(failure, on: model)
            let patched = try model.applying(proposal.change)
            let others = try failure.variants.count {
                try patched.write(TokenizedFailure(prompt: $0, answer: failure.answer)) == failure.answer
            }
            return (try patched.write(failure) == failure.answer, others)
        }
        let (alone, together) = (try right(0), try right(8))
        #expect(alone.own && together.own)
        #expect(together.others >= failure.variants.count - 1 && together.others >= alone.others)
    }
}

extension VariantTests {
    @Test("no vector is made longer than what it wins is worth, however little its neuron notices")
    func shouting() throws {
        let failure = try TokenizedFailure(Failure(prompt: prompt, expected: " wc"), tokenizer)
        let run = TeacherForcedRun(failure, try model.trace([failure.forced]))
        let basis = try SemanticBasis(model)
        let (layer, margin) = (Recruit.layer(of: model.architecture.layers), 6.0)
        let count = failure.answer.count
        let rows = [
            MarginSolver.Row(
                run, activations: try .full([count, 1], 0.01), margins: Array(repeating: margin, count: count))
        ]
        var solver = try MarginSolver(rows, layer: layer, basis)
        let written = try solver.solve()
        // With nothing written the loss is the sum of the squared shortfalls of all tokens but the answer's own.
        let last = Site.residual(model.architecture.layers)
        let residual = try run.trace[last].squeezed(0).narrowed(0, failure.places)
        let logits = try model.logits(ofResidual: residual)
        let targets = try Tensor(failure.answer, shape: [count, 1])
        let shortfall = try (logits - logits.gathered(1, at: targets) + margin).clamped(to: 0...Double.infinity)
        let worth = try shortfall.square().sum().item() - margin * margin * Double(count)
        let scale = try model.finalScale(residual).square().mean().item()
        let size = try basis.energy(of: written.transposed()).sum().item()
        #expect(size > 0 && size / (scale * Double(model.architecture.vocabulary)) <= worth)
        // A hundred times as active, it may be heard.
        let heard = MarginSolver.Row(
            run, activations: try .full([count, 1], 1), margins: Array(repeating: margin, count: count))
        var louder = try MarginSolver([heard], layer: layer, basis)
        let change = try louder.solve()
        let pushed = try residual + change.expanded([count, change.shape[1]])
        let before = try AnswerGaps(model, residual: residual, answer: failure.answer).gaps
        let after = try AnswerGaps(model, residual: pushed, answer: failure.answer).gaps
        #expect(zip(before, after).allSatisfy { $1 < $0 - 1 }, "\(before), then \(after)")
    }
}

@Suite("Rows that are solved for together")
struct MarginRowTests {
    @Test("what neurons write comes out behind each prompt as if it ran alone, near or far from the others")
    func bundles() throws {
        let (model, tokenizer) = try tinyModel()
        let layer = Recruit.layer(of: model.architecture.layers)
        let basis = try SemanticBasis(model)
        let prompts = [
            "abc", "defgh", "a", String(repeating: "long ", count: 20), String(repeating: "long ", count: 21)
        ]
        let rows = try prompts.enumerated().map { number, prompt in
            let run = try TeacherForcedRun(
                TokenizedFailure(Failure(prompt: prompt, expected: "xyz"), tokenizer), on: model)
            let activations = try Tensor((0..<6).map { Float($0 + number) / 6 }, shape: [3, 2])
            return MarginSolver.Row(run, activations: activations, margins: number == 1 ? [nil, 2, 2] : [2, nil, 2])
        }
        let width = model.architecture.width
        let written = try Tensor((0..<2 * width).map { sin(Float($0)) }, shape: [2, width])
        func streams(_ rows: [MarginSolver.Row]) throws -> [Int: [Double]] {
            try Dictionary(
                uniqueKeysWithValues: MarginSolver(rows, layer: layer, basis).residuals(written).map {
                    ($0.row, try $0.stream.elements(as: Double.self))
                })
        }
        let together = try streams(rows)
        #expect(together.count == rows.count)
        for (number, row) in rows.enumerated() {
            let alone = try #require(try streams([row])[0])
            let beside = try #require(together[number])
            #expect(alone.count == beside.count && alone.count == 2 * width)
            #expect(zip(alone, beside).allSatisfy { abs($0 - $1) < 1e-4 }, "row \(number)")
        }
    }
}

@Suite("L-BFGS")
struct QuasiNewtonTests {
    @Test("finds the minimum of a quadratic function and of Rosenbrock's")
    func minima() throws {
        let scales = try Tensor([1.0, 10, 100, 1000], shape: [4])
        let wanted = try Tensor([1.0, -2, 3, 0.5], shape: [4])
        let found = try QuasiNewton(steps: 60).minimum(from: .zeros([4], dtype: .float64)) { place in
            let distance = try place - wanted
            return (try (distance.square() * scales).sum().item(), try distance * scales * 2)
        }
        #expect(try (found - wanted).abs().max().item() < 1e-4)

        let valley = try QuasiNewton(steps: 200).minimum(from: Tensor([-1.2, 1.0], shape: [2])) { place in
            let values = try place.elements(as: Double.self)
            let (x, y) = (values[0], values[1])
            let (first, second) = (1 - x, y - x * x)
            return (
                first * first + 100 * second * second,
                try Tensor([-2 * first - 400 * x * second, 200 * second], shape: [2])
            )
        }
        #expect(try (valley - 1).abs().max().item() < 1e-3)
    }
}
