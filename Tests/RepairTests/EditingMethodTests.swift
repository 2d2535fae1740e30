import Foundation
import SutureFormats
import SutureModels
import SuturePatches
import SutureTensor
import SutureTestSupport
import SutureTokenizers
import Testing

@testable import SutureRepair

@Suite("ROME, MEMIT, AlphaEdit and the baselines by second formulas")
struct EditingMethodTests {
    static let models = ["llama", "llama-tied", "gpt2"]
    private static let failure = TokenizedFailure(prompt: RepairTests.prompt, answer: [17, 64])

    /// Methods set so that they repair a tiny random model.
    private static func methods() -> [any RepairMethod] {
        var rome = ROME()
        (rome.layer, rome.search.clamp, rome.search.steps) = (1, 20, 40)
        var original = rome
        original.original = true
        var memit = MEMIT()
        (memit.layer, memit.layers, memit.balance) = (0, 2, 0.01)
        (memit.search.clamp, memit.search.steps) = (20, 40)
        var alpha = AlphaEdit()
        (alpha.layer, alpha.layers, alpha.regularization, alpha.threshold) = (0, 2, 0.01, 0.5)
        (alpha.search.clamp, alpha.search.steps) = (20, 40)
        var tuning = FineTuning()
        (tuning.rate, tuning.box, tuning.steps) = (0.05, 0.5, 30)
        var lora = LoRA()
        (lora.rate, lora.steps) = (0.05, 30)
        var star = STAR()
        star.rate = 0.3
        var astra = ASTRA()
        (astra.limit, astra.share) = (0.5, 0.67)
        var patcher = TransformerPatcher()
        (patcher.rate, patcher.warmup, patcher.steps, patcher.gain) = (0.05, 25, 100, 1)
        return [rome, original, memit, alpha, tuning, lora, star, astra, patcher, Recruit(), GapStep()]
    }

    @Test(
        "each brings the answer out, its patch is what it proposed, and taking it off restores every byte",
        arguments: ["llama", "gpt2"])
    func patches(name: String) throws {
        let checkpoint = try Checkpoint(Goldens.url("models/\(name)"))
        let model = try LanguageModel.load(checkpoint)
        let failure = TokenizedFailure(prompt: RepairTests.prompt, answer: [17])
        for method in Self.methods() {
            let prepared = try method.prepared(RepairMaterial(model, texts: RepairTests.texts(1)))
            let proposal = try prepared.propose(failure, on: model)
            #expect(proposal.abandoned == nil, "\(method.name): \(proposal.abandoned ?? "")")
            guard proposal.abandoned == nil else { continue }
            #expect(try model.applying(proposal.change).write(failure) == failure.answer, "\(method.name)")
            let patch = try Patch(
                proposal.change.edits(model.architecture), of: checkpoint, method: .init(name: method.name))
            let patched = try PatchedCheckpoint(checkpoint).adding([AppliedPatch(patch)])
            let loaded = try LanguageModel.load(checkpoint, replacing: patched.data)
            #expect(try loaded.write(failure) == failure.answer, "\(method.name)")
            let restored = try LanguageModel.load(checkpoint, replacing: patched.removing(patch.id).data)
            #expect(try restored.differences(from: model).isEmpty, "\(method.name)")
        }
    }

    @Test(
        "Transformer-Patcher's losses are the published ones, and its neurons are what they are of", arguments: models)
    func patcher(name: String) throws {
        let model = try RepairTests.model(name)
        let layer = model.architecture.layers - 1
        let material = RepairMaterial(model, texts: try RepairTests.texts(1))
        let reads = try ReadStatistics(material, SemanticBasis(model), layer: layer)
        let run = try TeacherForcedRun(Self.failure, on: model)
        let inputs = try run.trace.mlpInput(layer).squeezed(0).narrowed(0, Self.failure.places)
        let remembered = try RandomSource(seed: 2).normal([40, model.architecture.width])
        let neurons = [3, 8].map { Neuron(layer: layer, index: $0) }
        let patch = try PatcherNeurons(neurons, of: model, at: inputs, remembering: remembered, apartFrom: reads)
        var parameters = try patch.start(gain: 2, seed: 4)

        // At first each is as active as a pre-activation of 1 makes it, at its own place.
        let change = try patch.change(parameters)
        func pre(_ neuron: Int, _ input: Tensor, _ change: WeightChange) throws -> Double {
            let changed = try model.applying(change)
            let (read, bias) = (try changed.readVectors(neurons[neuron]), try changed.readBiases(neurons[neuron]))
            return try (input * (read.gate ?? read.up)).sum().item() + (read.gate == nil ? bias.up : bias.gate)
        }
        for neuron in 0..<2 { #expect(abs(try pre(neuron, inputs.selected(0, neuron), change) - 1) < 1e-3) }

        // The losses, number by number, of what the change really reads.
        parameters[0] = try parameters[0] + RandomSource(seed: 6).normal(parameters[0].shape) * 0.05
        let moved = try patch.change(parameters)
        let own = try (0..<2).map { try pre($0, inputs.selected(0, $0), moved) }
        let others = try (0..<40).flatMap { row in
            try (0..<2).map { ($0, try pre($0, remembered.selected(0, row), moved)) }
        }
        func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(values.count) }
        let expected =
            2 * mean(own.map { exp(-$0) })
            + 7 * (mean(others.map { exp($0.1 - own[$0.0] + 3) }) + mean(others.map { exp($0.1 + 3) }))
        let loss = try patch.loss(parameters, activity: 2, silence: 7).item()
        #expect(abs(loss - expected) < 1e-3 * expected)

        // What they are said to write is what the changed layer gives more, besides what the replaced ones wrote.
        let changed = try model.applying(moved)
        let old = try run.trace.capturing([.mlpHidden(layer)])[.mlpHidden(layer)].squeezed(0)
            .narrowed(0, Self.failure.places)
        let replaced = try Tensor.stacked(neurons.map { try old.selected(1, $0.index) }, 1)
            .matmul(.stacked(neurons.map { try model.writeVector($0) }))
        func out(_ model: LanguageModel) throws -> Tensor {
            try model.run([Self.failure.forced], capturing: [.mlpOut(layer)])[.mlpOut(layer)].squeezed(0)
                .narrowed(0, Self.failure.places)
        }
        let difference = try out(changed) - out(model) + replaced - patch.written(parameters, where: inputs)
        #expect(try difference.abs().max().item() < 1e-3)
    }

    @Test("ROME's key is answered with its new value exactly, by a change of rank one", arguments: models)
    func rome(name: String) throws {
        let model = try RepairTests.model(name)
        var rome = ROME()
        (rome.layer, rome.openings) = (1, 3)
        let prepared = try rome.prepare(RepairMaterial(model, texts: RepairTests.texts(1)))
        let contexts = try EditContexts(
            TeacherForcedRun(Self.failure, on: model), behind: prepared.openings,
            capturing: [.mlpHidden(1), .mlpOut(1)], from: 1)
        #expect(contexts.lookups == [11, 21, 21, 21])
        let keys = try contexts.lookedUp(.mlpHidden(1))
        let value = try contexts.lookedUp(.mlpOut(1)).selected(0, 0)
        let delta = try RandomSource(seed: 3).normal([model.architecture.width])
        let moments = prepared.moments
        let edit = try rome.edit(1, keys: keys, adding: delta, writing: model.writeVectors(layer: 1), moments)
        #expect(edit.rank == 1)
        let changed = try model.applying(WeightChange(matrices: [edit]))
        // What the changed layer makes of k*: run it with k* in the place of its own key.
        let swap = Intervention(.mlpHidden(1), at: .last, .replace(try keys.mean([0]).reshaped([1, 1, -1])))
        let out = try changed.run([RepairTests.prompt], [swap], capturing: [.mlpOut(1)])[.mlpOut(1)]
        let found = try out.squeezed(0).selected(0, RepairTests.prompt.count - 1)
        #expect(try (found - (value + delta)).abs().max().item() < 1e-4)

        // Of all such changes it is the smallest in the metric of C: d/dt |dW + t E|_C = 0 for E with E k* = 0.
        let texts = try RepairTests.texts(1)
        let moment = try #require(try model.keyMoments(texts, layers: [1])[1]).ridged(by: rome.ridge)
        let mean = try keys.mean([0]).to(.float64)
        let other = try RandomSource(seed: 5).normal([1, mean.count]).to(.float64)
        let silent = try other - mean.unsqueezed(0) * ((other * mean).sum() / (mean * mean).sum())
        guard case .lowRank(_, let read) = edit.form else { return }
        let slope = try (read.to(.float64).matmul(moment) * silent).sum().item()
        let size = try (read.to(.float64).matmul(moment) * read.to(.float64)).sum().item()
        #expect(abs(slope) < 1e-4 * max(size, abs(try (silent.matmul(moment) * silent).sum().item())))

        // The published form: the prompt's own key is answered with delta more.
        rome.original = true
        let published = try rome.edit(1, keys: keys, adding: delta, writing: model.writeVectors(layer: 1), moments)
        #expect(try (published.output(keys.selected(0, 0)) - delta).abs().max().item() < 1e-3)
    }

    @Test("the search by odds raises the answer's odds behind all its texts", arguments: models)
    func odds(name: String) throws {
        let model = try RepairTests.model(name)
        let failure = TokenizedFailure(prompt: RepairTests.prompt, answer: [17, 64], subject: 3..<6)
        let opening = try Array(RepairTests.texts(1)[0].prefix(10))
        let contexts = try EditContexts(
            TeacherForcedRun(failure, on: model), behind: [opening], isRetold: true, capturing: [.residual(1)], from: 0)
        let prompt = failure.prompt
        let retold = prompt[3..<6] + prompt[..<3] + prompt[6...]
        let texts = [prompt, opening + prompt, opening + retold, opening + prompt[3..<6] + prompt.suffix(1)]
        #expect(contexts.lookups == [5, 15, 12, 12])

        /// The odds in full runs.
        func odds(_ delta: Tensor) throws -> [[Double]] {
            try zip(texts, contexts.lookups).map { text, lookup in
                let push = Intervention(.mlpOut(0), at: .at([lookup]), .add(try delta.reshaped([1, 1, -1])))
                let scores = try model.run([text + failure.answer.dropLast()], [push], logits: .all).logits.squeezed(0)
                    .softmax()
                return try failure.answer.enumerated().map { offset, token in
                    let p = try scores.selected(0, text.count - 1 + offset).selected(0, token).item()
                    return log(p / (1 - p))
                }
            }
        }
        var search = OddsSearch()
        search.odds = 2
        let found = try search.run(contexts, at: 0)
        #expect(found.steps <= search.steps)
        let (before, now) = (try odds(.zeros([model.architecture.width])), try odds(found.delta))
        let rows = try found.delta.unsqueezed(0).expanded([texts.count, found.delta.count])
        let own = try contexts.odds(adding: rows, at: .mlpOut(0))
        for (row, wanted) in now.enumerated() {
            let values = try own.selected(0, row).elements(as: Double.self)
            #expect(zip(values, wanted).allSatisfy { abs($0 - $1) < 1e-2 })
        }
        func least(_ odds: [[Double]]) -> Double { odds.reduce(0.0) { $0 + ($1.min() ?? 0) } }
        #expect(least(now) > least(before))
        // Where the odds are there already, nothing is done.
        search.odds = -1000
        let enough = try search.run(contexts, at: 0)
        let size = try enough.delta.norm().item()
        #expect(enough.steps == 0 && size == 0)
    }

    @Test("the value search goes down the gradient, and stays within its bound", arguments: models)
    func values(name: String) throws {
        let model = try RepairTests.model(name)
        let openings = try RepairTests.texts(1).prefix(2).map { Array($0.prefix(10)) }
        let subject = TokenizedFailure(prompt: RepairTests.prompt, answer: [17, 64], subject: 3..<6)
        for (failure, site) in [(Self.failure, Site.mlpOut(1)), (subject, .residual(2)), (subject, .mlpOut(0))] {
            let contexts = try EditContexts(
                TeacherForcedRun(failure, on: model), behind: openings, capturing: [site], from: 0)
            var search = ValueSearch()
            (search.steps, search.rate, search.clamp) = (30, 0.3, 2)
            let found = try search.run(contexts, at: site)
            let length = try found.value.norm().item()
            #expect(try found.delta.norm().item() <= 2 * length * 1.0001)
            #expect(try #require(found.losses.last) < found.losses[0])

            // The loss in full runs, and its slope.
            func loss(_ delta: Tensor) throws -> Double {
                let rows = [[]] + openings
                let sums = try rows.map { opening in
                    let push = Intervention(
                        site, at: .at([opening.count + failure.lookup]), .add(try delta.reshaped([1, 1, -1])))
                    let led = opening + failure.prompt + failure.answer.dropLast()
                    let scores = try model.run([led], [push], logits: .all).logits.squeezed(0).logSoftmax()
                    return try failure.answer.enumerated().reduce(0.0) { sum, next in
                        let place = opening.count + failure.prompt.count - 1 + next.offset
                        return sum - (try scores.selected(0, place).selected(0, next.element).item())
                    }
                }
                return sums.reduce(0, +) / Double(rows.count * failure.answer.count)
            }
            let point = try found.delta * 0.5
            #expect(abs(try contexts.loss(adding: point, at: site).item() - loss(point)) < 1e-4)
            let leaf = try point.tracked()
            let gradient = try contexts.loss(adding: leaf, at: site).gradients(of: [leaf])[0]
            let direction = try RandomSource(seed: 8).normal([point.count])
            let slope = try (gradient * direction).sum().item()
            let difference = try (loss(point + direction * 0.01) - loss(point - direction * 0.01)) / 0.02
            #expect(abs(slope - difference) < 2e-2 * max(0.1, abs(slope)))
        }
    }

    @Test("MEMIT's change solves the normal equations", arguments: [false, true])
    func memit(spares: Bool) throws {
        let random = try RandomSource(seed: 6)
        let (keys, missing) = (try random.normal([3, 14]), try random.normal([7, 3]))
        let rows = try random.normal([40, 14]).to(.float64)
        let moment = try rows.transposed().matmul(rows) / 40
        let factor = try moment.cholesky()
        let spared = spares ? try random.normal([2, 14]) : nil
        let (write, read) = try MassEdit.change(keys, missing, spared, weight: 2.5) {
            try $0.transposed().solved(cholesky: factor).transposed()
        }
        let change = try write.matmul(read).to(.float64)
        let k = try keys.to(.float64).transposed()
        var expected: Tensor
        if let spared {
            // The same least squares among changes that answer nothing to the spared keys: in coordinates of their complement.
            let (basis, _) = try Tensor.concatenated(
                [spared.to(.float64).transposed(), random.normal([14, 12]).to(.float64)], 1
            ).qr()
            let free = try basis.narrowed(1, 2..<14)
            let inside = try free.transposed().matmul(moment).matmul(free) * 2.5
            let seen = try free.transposed().matmul(k)
            let right = try missing.to(.float64).matmul(seen.transposed())
            expected = try right.transposed().solved(inside + seen.matmul(seen.transposed())).transposed()
            expected = try expected.matmul(free.transposed())
            #expect(try change.matmul(spared.to(.float64).transposed()).abs().max().item() < 1e-4)
        } else {
            let right = try missing.to(.float64).matmul(k.transposed())
            expected = try right.transposed().solved(moment * 2.5 + k.matmul(k.transposed())).transposed()
        }
        #expect(try (change - expected).abs().max().item() < 1e-4)
    }

    @Test("AlphaEdit's projector keeps the frequent keys' outputs, and its change solves its equation")
    func alphaEdit() throws {
        let model = try RepairTests.model("llama")
        let texts = try RepairTests.texts(1)
        let rare = try RareKeys(RepairMaterial(model, texts: texts), layers: [1], threshold: 0.5)
        let width = model.architecture.hiddenWidth
        let identity = try (Tensor.arange(0..<width) .== Tensor(Array(0..<width), shape: [width, 1])).to(.float64)
        let projector = try rare.projected(identity, layer: 1)
        #expect(try (projector.matmul(projector) - projector).abs().max().item() < 1e-9)
        let moment = try #require(try model.keyMoments(texts, layers: [1])[1])
        let (values, vectors) = try moment.symmetricEigen()
        let limit = try values.mean().item() * 0.5
        let list = try values.elements(as: Double.self)
        let frequent = list.indices.filter { list[$0] >= limit }
        #expect(!frequent.isEmpty && frequent.count < list.count)

        let random = try RandomSource(seed: 2)
        let keys = try random.normal([2, list.count])
        let missing = try random.normal([5, 2])
        let (write, read) = try MassEdit.change(keys, missing, nil, weight: 0.7) { try $0.matmul(projector) }
        let change = try write.matmul(read).to(.float64)
        let kept = try vectors.indexSelected(1, at: frequent)
        #expect(try change.matmul(kept).abs().max().item() < 1e-5)
        // (P K K^T + L I) X = P K R^T with X = dW^T
        let k = try keys.to(.float64).transposed()
        let solution = try change.transposed()
        let left = try projector.matmul(k).matmul(k.transposed().matmul(solution)) + solution * 0.7
        let right = try projector.matmul(k).matmul(missing.to(.float64).transposed())
        #expect(try (left - right).abs().max().item() < 1e-4)
    }

    @Test("training's loss has the slope of full runs with respect to its parameters", arguments: models)
    func training(name: String) throws {
        let model = try RepairTests.model(name)
        let failures = [Self.failure, TokenizedFailure(prompt: [3, 9, 27], answer: [5])]
        let runs = try failures.map { try TeacherForcedRun($0, on: model).changing([0]) }
        let random = try RandomSource(seed: 7)
        let (d, m) = (model.architecture.width, model.architecture.hiddenWidth)
        let values = [
            try random.normal([d, 2]) * 0.2, try random.normal([2, m]) * 0.2, try random.normal([d, m]) * 0.05
        ]
        func change(_ values: [Tensor]) -> WeightChange {
            WeightChange(matrices: [
                MatrixDelta(layer: 0, .lowRank(write: values[0], read: values[1])),
                MatrixDelta(layer: 2, .dense(values[2]))
            ])
        }
        let leaves = try values.map { try $0.tracked() }
        let gradients = try runs.crossEntropy(change(leaves)).gradients(of: leaves)
        func loss(_ values: [Tensor]) throws -> Double {
            let changed = try model.applying(change(values))
            let sums = try failures.map { failure in
                let scores = try changed.scores(failure)
                return -scores.probabilities.reduce(0) { $0 + log($1) }
            }
            return sums.reduce(0, +) / 3
        }
        for index in values.indices {
            let direction = try random.normal(values[index].shape) / Double(values[index].count).squareRoot()
            func moved(_ step: Double) throws -> Double {
                var values = values
                values[index] = try values[index] + direction * step
                return try loss(values)
            }
            let slope = try (gradients[index] * direction).sum().item()
            #expect(abs(try (moved(0.05) - moved(-0.05)) / 0.1 - slope) < 2e-2 * max(0.1, abs(slope)))
        }
    }

    @Test("fine-tuning stays in its box; LoRA's change has its rank and nothing at first")
    func bounds() throws {
        let model = try RepairTests.model("llama")
        var tuning = FineTuning()
        (tuning.rate, tuning.box, tuning.steps) = (0.05, 0.02, 60)
        let change = try tuning.propose(TeacherForcedRun(Self.failure, on: model), with: ())
        if let matrix = change.change.matrices.first {
            #expect(try matrix.matrix.abs().max().item() <= 0.02 + 1e-7)
        }
        var lora = LoRA()
        (lora.rank, lora.steps, lora.rate) = (3, 30, 0.05)
        let found = try lora.propose(TeacherForcedRun(Self.failure, on: model), with: ())
        #expect(found.change.matrices.map(\.rank) == [3, 3, 3])
        lora.steps = 0
        #expect(
            try lora.propose(TeacherForcedRun(Self.failure, on: model), with: ()).abandoned?.hasPrefix("0 steps")
                == true)
    }

    @Test("attributions of knowledge neurons add up to what the layer's activation does", arguments: models)
    func knowledge(name: String) throws {
        let model = try RepairTests.model(name)
        let trace = try model.trace([RepairTests.prompt], capturing: (0..<3).map(Site.mlpHidden))
        var neurons = KnowledgeNeurons()
        neurons.points = 1000
        for layer in 0..<3 {
            let attribution = try neurons.attribution(trace, target: 17, layer: layer)
            func probability(_ changes: [Intervention]) throws -> Double {
                try model.run([RepairTests.prompt], changes).logits.softmax().selected(1, 17).sum().item()
            }
            let without = Intervention(.mlpHidden(layer), at: .last, .scale(0))
            let difference = try probability([]) - probability([without])
            #expect(abs(try attribution.sum().item() - difference) < 1e-2 * max(abs(difference), 1e-2))
        }
        neurons.points = 20
        neurons.strength = 100
        let prepared = try neurons.prepared(RepairMaterial(model, texts: []))
        let proposal = try prepared.propose(
            TokenizedFailure(prompt: RepairTests.prompt, answer: [17]), on: model)
        #expect(!proposal.order.isEmpty)
        let delta = try (model.embedding(17) - model.embedding(Int(trace.logits.squeezed(0).argmax().item()))) * 100
        for edit in proposal.change.neurons { #expect(try (edit.delta - delta).abs().max().item() == 0) }
    }

    @Test("a subject is found by its tokens, and is looked up at its last")
    func subjects() throws {
        try withTemporaryDirectory { directory in
            try TinySnapshot.write(to: directory)
            let tokenizer = try Tokenizer(Checkpoint(directory))
            let failure = Failure(prompt: "the capital of France, France is", expected: " P", subject: "France")
            let tokens = try TokenizedFailure(failure, tokenizer)
            #expect(tokens.subject == 23..<29)
            #expect(tokens.lookup == 28 && tokens.lookupNotes.isEmpty)
            let plain = try TokenizedFailure(Failure(prompt: "abc", expected: "d"), tokenizer)
            #expect(plain.lookup == 2 && plain.lookupNotes.count == 1)
            #expect(throws: TaskError.self) {
                _ = try TokenizedFailure(Failure(prompt: "abc", expected: "d", subject: "x"), tokenizer)
            }
            let url = directory.appending(path: "list.jsonl")
            try AtomicFile.write(Failure.lines([failure]), to: url)
            #expect(try Failure.read(url) == [failure])
        }
    }
}
