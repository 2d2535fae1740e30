import Foundation
import SutureFormats
import SutureModels
import SutureTasks
import SutureTensor
import SutureTestSupport
import SutureTokenizers
import Testing

@testable import SutureRepair

@Suite("Repair methods on tiny models")
struct RepairTests {
    static let models = ["llama", "llama-tied", "gpt2"]
    /// And families whose layers are parallel, whose head has a bias, whose gains are stored less one.
    static let families = models + ["codegen", "gemma"]
    static let prompt = [5, 60, 23, 91, 7, 42, 42, 88, 14, 3, 71, 29]

    static func model(_ name: String) throws -> LanguageModel { try LanguageModel.load(Goldens.url("models/\(name)")) }

    static func texts(_ seed: UInt64) throws -> [[Int]] {
        let random = try RandomSource(seed: seed)
        return try (0..<12).map { _ in try (random.uniform([16]) * 96).floats().map { Int($0) } }
    }

    @Test("differences of latent vectors equal those of the pseudoinverse", arguments: families)
    func basis(name: String) throws {
        let model = try Self.model(name)
        let basis = try SemanticBasis(model)
        let latent = try model.head.to(.float64).transposed().pseudoInverse(tolerance: 1e-12)
        for (target, other) in [(3, 50), (90, 1)] {
            let expected = try (latent.selected(0, target) - latent.selected(0, other)).to(.float32)
            let found = try basis.difference(target, other)
            #expect(try (found - expected).norm().item() < 1e-3 * expected.norm().item())
            let contrast = try basis.contrast(target, other)
            #expect(abs(try (basis.lift(contrast) * contrast).sum().item() - 1) < 1e-4)
        }
    }

    @Test("one pass gives the gradient times activation of every layer", arguments: families)
    func attribution(name: String) throws {
        let model = try Self.model(name)
        let layers = 0..<model.architecture.layers
        let trace = try model.trace([Self.prompt], capturing: layers.map(Site.mlpHidden))
        let scores = try Attribution.gradientTimesActivation(trace, target: 9, layers: layers)
        for layer in layers {
            let leaf = try Tensor.zeros([1, Self.prompt.count, model.architecture.hiddenWidth]).tracked()
            let run = try model.run([Self.prompt], [Intervention(.mlpHidden(layer), .add(leaf))])
            let gradient = try run.logits.softmax().selected(1, 9).sum().gradients(of: [leaf])[0]
            let expected = try (gradient * trace[.mlpHidden(layer)]).squeezed(0).norm(0)
            #expect(try (scores.selected(0, layer) - expected).abs().max().item() < 1e-5)
        }
    }

    @Test("sized steps fix a token with one neuron, and it holds in a full run", arguments: families, [0, 1])
    func sizedStep(name: String, which: Int) throws {
        let method: any RepairMethod = which == 0 ? GapStep() : Recruit()
        let model = try Self.model(name)
        let prepared = try method.prepared(RepairMaterial(model, texts: Self.texts(1), reserved: []))
        for target in [2, 17, 63] {
            let failure = TokenizedFailure(prompt: Self.prompt, answer: [target])
            let proposal = try prepared.propose(failure, on: model)
            #expect(proposal.abandoned == nil)
            #expect(proposal.change.neurons.count == 1)
            #expect(try model.applying(proposal.change).write(failure) == [target])
        }
        let right = TokenizedFailure(prompt: Self.prompt, answer: try model.generate(Self.prompt, limit: 3))
        #expect(try prepared.propose(right, on: model).change.isEmpty)
    }

    @Test("a recruited neuron is active where the token is written, and hardly anywhere else", arguments: families)
    func recruit(name: String) throws {
        let model = try Self.model(name)
        let texts = try Self.texts(1)
        let failure = TokenizedFailure(prompt: Self.prompt, answer: [17])
        let prepared = try Recruit().prepared(RepairMaterial(model, texts: texts, reserved: []))
        let edit = try #require(try prepared.propose(failure, on: model).change.neurons.first)
        let patched = try model.editing([edit])
        let site = Site.mlpHidden(edit.neuron.layer)
        func activations(_ tokens: [Int]) throws -> [Float] {
            try patched.run([tokens], capturing: [site])[site].squeezed(0).selected(1, edit.neuron.index).floats()
        }
        let own = try activations(Self.prompt)
        let peak = try #require(own.last)
        #expect(own.dropLast().allSatisfy { abs($0) < 0.5 * peak })
        let elsewhere = try texts.flatMap(activations).map { Double($0 * $0) }
        #expect(elsewhere.reduce(0, +) / Double(elsewhere.count) < 0.1 * Double(peak * peak))
        #expect(!model.architecture.isGated || abs(peak - 1) < 0.01)
    }

    @Test("a neuron listens to the subject, wherever the answer is written", arguments: families)
    func subject(name: String) throws {
        let model = try Self.model(name)
        let prepared = try SubjectRecruit().prepared(RepairMaterial(model, texts: Self.texts(1)))
        for answer in [[17], [2, 63]] {
            var failure = TokenizedFailure(prompt: Self.prompt, answer: answer, subject: 1..<3)
            failure.names = [[5], [6, 7], [8, 9]]
            let proposal = try prepared.propose(failure, on: model)
            guard proposal.abandoned == nil else {
                #expect(proposal.change.isEmpty)
                continue
            }
            let edit = try #require(proposal.change.neurons.first)
            #expect(proposal.change.neurons.count == 1)
            #expect(edit.neuron.layer < Recruit.layer(of: model.architecture.layers))
            #expect(proposal.places[edit.neuron]?.map(\.token) == [0])
            let patched = try model.editing([edit])
            #expect(try patched.write(failure) == answer)
            let site = Site.mlpHidden(edit.neuron.layer)
            let active = try patched.run([Self.prompt], capturing: [site])[site].squeezed(0)
                .selected(1, edit.neuron.index).floats()
            #expect(active.indices.allSatisfy { $0 == 2 || abs(active[$0]) < 0.5 * active[2] })
        }
        // Without a subject there is nothing to listen to, and nothing is done where nothing is wrong.
        #expect(try prepared.propose(TokenizedFailure(prompt: Self.prompt, answer: [17]), on: model).abandoned != nil)
        let right = TokenizedFailure(
            prompt: Self.prompt, answer: try model.generate(Self.prompt, limit: 2), subject: 1..<3)
        #expect(try prepared.propose(right, on: model).change.isEmpty)
    }

    @Test(
        "a recruited neuron tells what is asked from how it is asked",
        .enabled(if: Goldens.smollm2 != nil, "SmolLM2 is not set up"), arguments: [0, 2])
    func elsewhere(shots: Int) throws {
        let checkpoint = try Checkpoint(#require(Goldens.smollm2))
        let model = try LanguageModel.load(checkpoint)
        let tokenizer = try Tokenizer(checkpoint)
        func failure(_ intent: String, _ code: String) throws -> TokenizedFailure {
            let examples = [
                TaskSet.Task(intent: "show the first ten lines of a.txt", code: "head a.txt"),
                .init(intent: "say who is logged in", code: "who")
            ]
            let failure = try TokenizedFailure(
                Frame.bash.failure(.init(intent: intent, code: code), after: Array(examples.prefix(shots))), tokenizer)
            return TokenizedFailure(prompt: failure.prompt, answer: [failure.answer[0]], question: failure.question)
        }
        let asked = try failure("count the words of every file here", "xargs wc")
        let others = ["sort b.txt by size", "go one directory up", "delete all empty files"]
        let texts = Texts.reference.prefix(40).map { tokenizer.encode($0).ids }
        func activations(_ recruit: Recruit) throws -> [Double] {
            let prepared = try recruit.prepared(RepairMaterial(model, texts: texts, reserved: []))
            let edit = try #require(try prepared.propose(asked, on: model).change.neurons.first)
            let site = Site.mlpHidden(edit.neuron.layer)
            let patched = try model.editing([edit])
            return try (["tally up the words in each file here"] + others).map { intent in
                let prompt = try failure(intent, "xargs wc").prompt
                let hidden = try patched.run([prompt], capturing: [site])[site].squeezed(0)
                return try hidden.selected(0, prompt.count - 1).elements(as: Double.self)[edit.neuron.index]
            }
        }
        // Another wording gets most of it, other questions little.
        let found = try activations(Recruit())
        #expect(found[0] > 0.6 && found.dropFirst().allSatisfy { abs($0) < 0.7 * found[0] }, "\(found)")
        guard shots == 0 else { return }
        // Without examples only counterexamples tell.
        var blind = Recruit()
        blind.openings = 0
        let untold = try activations(blind)
        #expect(found.dropFirst().max() ?? 1 < 0.5 * (untold.dropFirst().max() ?? 0), "\(found), \(untold)")
    }

    @Test("a recruited neuron is not taken again, nor one that belongs to a patch", arguments: models)
    func recruitOnce(name: String) throws {
        let model = try Self.model(name)
        let texts = try Self.texts(1)
        let failures = [2, 17, 64].map { TokenizedFailure(prompt: Self.prompt + [$0], answer: [90 - $0]) }
        var taken: Set<Neuron> = []
        var present = model
        let prepared = try Recruit().prepared(RepairMaterial(model, texts: texts, reserved: []))
        for failure in failures {
            let edits = try prepared.propose(failure, on: present).change.neurons
            for edit in edits { #expect(taken.insert(edit.neuron).inserted) }
            present = try present.editing(edits)
        }
        let careful = try Recruit().prepared(RepairMaterial(model, texts: texts, reserved: taken))
        let edits = try careful.propose(failures[0], on: model).change.neurons
        #expect(!edits.isEmpty && edits.allSatisfy { !taken.contains($0.neuron) })
    }

    @Test("MINT patches the neurons that simulating every candidate would choose", arguments: models, [0.01, 0.05, 0.5])
    func mint(name: String, factor: Double) throws {
        let model = try Self.model(name)
        var mint = MINT()
        mint.factor = factor
        let prepared = try mint.prepare(RepairMaterial(model))
        for target in stride(from: 8, to: 90, by: 9) {
            let failure = TokenizedFailure(prompt: Self.prompt, answer: [target])
            let proposal = try mint.propose(TeacherForcedRun(failure, on: model), with: prepared)
            let expected = try exhaustive(
                model, prepared.basis, proposal.candidates, target, factor, following: proposal.order)
            #expect(expected.areBest && (expected.fixed || proposal.order.count == 10))
            #expect((proposal.abandoned == nil) == expected.fixed)
            #expect(proposal.abandoned == nil || proposal.change.isEmpty)
        }
    }

    @Test("MINT leaves the neurons of earlier patches alone and takes the next best ones", arguments: models)
    func mintReserved(name: String) throws {
        let model = try Self.model(name)
        let failure = TokenizedFailure(prompt: Self.prompt, answer: [33])
        func candidates(_ reserved: Set<Neuron>) throws -> [Neuron] {
            let prepared = try MINT().prepared(RepairMaterial(model, texts: [], reserved: reserved))
            return try prepared.propose(failure, on: model).candidates
        }
        let free = try candidates([])
        let others = try candidates([free[0], free[3]])
        #expect(others.prefix(8) == [free[1], free[2]] + free[4...])
        #expect(others.count == free.count && Set(others).isDisjoint(with: [free[0], free[3]]))
    }

    /// Follows steps by full runs of edited models, every candidate at every step, explicit updates: whether each step is
    /// the best one to within rounding (two candidates can be equally good), and whether the last one brings the target out.
    private func exhaustive(
        _ model: LanguageModel, _ basis: SemanticBasis, _ candidates: [Neuron], _ target: Int, _ factor: Double,
        following order: [Neuron]
    ) throws -> (areBest: Bool, fixed: Bool) {
        var rival = try Int(model.run([Self.prompt]).logits.squeezed(0).argmax().item())
        let difference = try basis.difference(target, rival)
        let traction = try difference / (difference.max() - difference.min())
        var current = model
        for (number, step) in order.enumerated() {
            var gaps: [Neuron: Double] = [:]
            var taken = current
            for neuron in candidates {
                let delta = try (traction - current.writeVector(neuron)) * (factor / (1 + factor))
                let edited = try current.editing([NeuronEdit(neuron, delta: delta)])
                let probabilities = try edited.run([Self.prompt]).logits.squeezed(0).softmax().floats()
                gaps[neuron] = Double(probabilities[rival] - probabilities[target])
                if neuron == step { taken = edited }
            }
            guard let own = gaps[step], let least = gaps.values.min(), own < least + 2e-6 else { return (false, false) }
            current = taken
            rival = try Int(current.run([Self.prompt]).logits.squeezed(0).argmax().item())
            if rival == target { return (number == order.count - 1, true) }
        }
        return (true, false)
    }

    @Test("side effects of nothing are nothing, and those of an edit are what full runs say")
    func sideEffects() throws {
        let model = try Self.model("llama")
        let texts = try Self.texts(2).enumerated().map { Array($1.prefix(16 - $0)) } + [[7]]
        let none = try SideEffects.measure(WeightChange(), on: model, texts: texts)
        #expect(none.divergence == 0 && none.changedTop == 0 && none.perplexityRatio == 1)
        let edit = NeuronEdit(
            Neuron(layer: 1, index: 4), delta: try RandomSource(seed: 5).normal([model.architecture.width]))
        let effects = try SideEffects.measure(WeightChange(neurons: [edit]), on: model, texts: texts)
        var sum = 0.0
        for text in texts.dropLast() {
            let before = try model.run([text], logits: .all).logits.logSoftmax()
            let after = try model.editing([edit]).run([text], logits: .all).logits.logSoftmax()
            sum += try (before.exp() * (before - after)).sum().item()
        }
        #expect(effects.texts == 12 && effects.positions == texts.dropLast().reduce(0) { $0 + $1.count })
        #expect(abs(effects.divergence - sum / Double(effects.positions)) < 1e-4)
        #expect(!Guard().objections(effects).isEmpty && Guard().objections(none).isEmpty)
        var broken = none
        broken.divergence = .nan
        #expect(!Guard().objections(broken).isEmpty)
    }

    @Test("failures are read from JSON Lines and tables, and bad lines are named")
    func reading() throws {
        try withTemporaryDirectory { directory in
            func read(_ name: String, _ text: String) throws -> [Failure] {
                let url = directory.appending(path: name)
                try Data(text.utf8).write(to: url)
                return try Failure.read(url)
            }
            let lines = try read("a.jsonl", "{\"prompt\": \"a\\n$\", \"expected\": \" ls\"}\r\n\n")
            #expect(lines == [Failure(prompt: "a\n$", expected: " ls")])
            #expect(try read("a.tsv", "x\\n\\\\\ty\\t\n") == [Failure(prompt: "x\n\\", expected: "y\t")])
            for (name, text) in [("b.jsonl", ""), ("c.jsonl", "{}"), ("d.jsonl", "[1"), ("e.tsv", "one column")] {
                #expect(throws: (any Error).self) { _ = try read(name, text) }
            }
        }
    }

    @Test(
        "SmolLM2 computes what transformers computes",
        .enabled(if: Goldens.smollm2 != nil, "SmolLM2 is not set up"))
    func real() throws {
        let parity = try Parity(
            LanguageModel.load(#require(Goldens.smollm2)), golden: Goldens.url("smollm2/golden.safetensors"))
        #expect(parity.largestDifference < 1e-3)
        #expect(parity.hasSameTokens)
    }
}
