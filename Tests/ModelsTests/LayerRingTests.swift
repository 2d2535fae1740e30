import Foundation
import SutureFormats
import SutureTensor
import SutureTestSupport
import Testing

@testable import SutureModels

/// Ranks are threads here, each with a model of its own; real processes are in the tests of the command.
@Suite("Layers that processes share", .serialized)
struct LayerRingTests {
    /// What rank 0 makes of a model whose layers are split.
    static func split<Value: Sendable>(
        _ url: URL, among size: Int = 2, patience: Double = 60, leaving: Int? = nil,
        _ body: @escaping @Sendable (LanguageModel, LayerRing) throws -> Value
    ) async throws -> Value {
        let values = try await inRanks(size) { rank, port -> Value? in
            let group = try ProcessGroup(
                .init(rank: rank, size: size, host: "127.0.0.1", port: port), patience: patience)
            let checkpoint = try Checkpoint(url)
            let ring = try LayerRing(group, of: checkpoint, agreed: [("the model", checkpoint.digest())])
            if rank == leaving { return nil }
            let model = try LanguageModel.load(checkpoint, ring: ring)
            guard rank == 0 else {
                // Where another one leaves, this one may hear of it, too.
                do { _ = try ring.serve(model) } catch  where leaving != nil {}
                return nil
            }
            ring.begin(with: model)
            defer { ring.end(code: 0) }
            return try body(model, ring)
        }
        return try #require(values[0])
    }

    /// What a model computes in all the ways that lead through its layers, to be compared to the last bit.
    @Sendable private static func everything(_ model: LanguageModel) throws -> [[Float]] {
        let (a, b) = (TinyModel.promptA, TinyModel.promptB)
        let top = model.architecture.layers - 1
        var values: [[Float]] = []
        let both = try model.run([a, b], capturing: [.mlpHidden(top), .residual(top + 1)], logits: .all)
        values += try [both.logits, both[.mlpHidden(top)], both[.residual(top + 1)]].map { try $0.floats() }
        values.append(try model.generate(a, limit: 12).map(Float.init))
        let sampling = try Sampling(temperature: 1.3, topP: 0.9, seed: 7)
        values.append(try model.generate(b, limit: 12, sampling: sampling).map(Float.init))
        // Several continuations, of which some are dropped and one is doubled.
        var batch = try DecodingBatch(DecodingSession(model, prompt: a), rows: 3)
        try batch.append([1, 2, 3])
        try batch.keep([2, 0, 2])
        try batch.append([4, 5, 6])
        values.append(try batch.logits.floats())
        // A text that leaves a trace behind, twice, and goes on with each.
        let trace = try model.trace([a])
        for count in [5, a.count] {
            var session = try DecodingSession(trace.prefix(count))
            values.append(try session.write(limit: 5).map(Float.init))
            values.append(try session.logits.floats())
        }
        values.append(try trace.mlpInputs(top, behind: 4, [[8, 9], [7, 3, 1]]).narrowed(1, 0..<2).floats())
        // A neuron that is changed, in a replay, and what the last scores say of it.
        let edit = try NeuronEdit(Neuron(layer: top, index: 3), delta: model.writeVector(Neuron(layer: top, index: 1)))
        values.append(try trace.replay([Alternative(edits: [edit])]).logits.floats())
        values.append(try model.applying(WeightChange(neurons: [edit])).generate(a, limit: 6).map(Float.init))
        let leaf = try Tensor.zeros([1, a.count, model.architecture.width]).tracked()
        let pushed = try trace.replay([Alternative([Intervention(.mlpOut(top), .add(leaf))])]).logits
        values.append(try pushed.logSoftmax().selected(1, 9).sum().gradients(of: [leaf])[0].floats())
        try model.mlpReadings(top, of: [[a], [b, a], [b]]) { values += [try $1.floats(), try $2.floats()] }
        return values
    }

    @Test("compute what one process computes, to the last bit", arguments: TinyModel.names)
    func same(_ name: String) async throws {
        let url = Goldens.url("models/\(name)")
        let whole = try Self.everything(LanguageModel.load(url))
        let split = try await Self.split(url) { model, _ in try Self.everything(model) }
        #expect(split.count == whole.count)
        for (place, (mine, theirs)) in zip(split, whole).enumerated() { #expect(mine == theirs, "\(place)") }
    }

    @Test("no weight of another process is there, and what would need one is refused by name")
    func elsewhere() async throws {
        let url = Goldens.url("models/llama")
        let errors = try await Self.split(url) { model, ring in
            let low = Neuron(layer: 0, index: 1)
            let leaf = try Tensor.zeros([1, 3, model.architecture.width]).tracked()
            let edit = NeuronEdit(low, delta: try Tensor.zeros([model.architecture.width]))
            let works: [() throws -> Void] = [
                { _ = try model.writeVector(low) }, { _ = try model.run([[1, 2]], capturing: [.mlpHidden(0)]) },
                { _ = try model.run([[1, 2]], [Intervention(.attentionOut(0), .scale(0))]) },
                { _ = try model.applying(WeightChange(neurons: [edit])) },
                { _ = try model.trace([[1, 2]]).replay([Alternative(edits: [edit])]) },
                { _ = try model.trace([[1, 2]]).mlpInput(0) },
                { _ = try model.intervening([Intervention(.mlpOut(0), .scale(0))]).generate([1], limit: 1) },
                { _ = try model.trace([[1, 2, 3]]) { try $0 + leaf } },
                { _ = try model.keyMoments([[1, 2]], layers: [0]) },
                {
                    var sessions = try [[1], [2, 3]].map { try DecodingSession(model, prompt: $0) }
                    try DecodingSession.append([4, 5], to: &sessions)
                }
            ]
            return works.map { work in
                do {
                    try work()
                    return "nothing"
                } catch let error as ModelError {
                    return error.code == .split ? "" : error.description
                } catch { return "\(error)" }
            } + [model.tensors.keys.contains { $0.contains("layers.0.") } ? "a tensor is there" : ""]
        }
        #expect(!errors.contains { !$0.isEmpty }, "\(errors)")
    }

    @Test("all weights are held once, about as many by each, and the last tenth of the layers by rank 0")
    func shares() throws {
        for name in TinyModel.names {
            let checkpoint = try Checkpoint(Goldens.url("models/\(name)"))
            let depth = try Architecture(config: checkpoint.config.value, source: name).layers
            for size in 1...depth {
                let shares = try LayerShares(of: checkpoint, among: size)
                let all = Array(shares.layers[1...]).flatMap(Array.init) + Array(shares.layers[0])
                #expect(all == Array(0..<depth))
                #expect(shares.layers.allSatisfy { !$0.isEmpty })
            }
            #expect(throws: ModelError.self) { try LayerShares(of: checkpoint, among: depth + 1) }
        }
    }

    @Test(
        "three ranks hold about a third of the weights each, all of them together, and write the same",
        .enabled(if: Goldens.smollm2 != nil, "SmolLM2 is not set up"))
    func held() async throws {
        let url = try #require(Goldens.smollm2)
        let whole = try LanguageModel.load(url)
        let written = try whole.generate(TinyModel.promptA, limit: 8)
        let seen = try await inRanks(3) { rank, port -> (held: Int, written: [Int]) in
            let group = try ProcessGroup(.init(rank: rank, size: 3, host: "127.0.0.1", port: port), patience: 60)
            let checkpoint = try Checkpoint(url)
            let ring = try LayerRing(group, of: checkpoint, agreed: [])
            let model = try LanguageModel.load(checkpoint, ring: ring)
            guard rank == 0 else {
                _ = try ring.serve(model)
                return (model.widening.held, [])
            }
            ring.begin(with: model)
            defer { ring.end(code: 0) }
            let written = try model.generate(TinyModel.promptA, limit: 8)
            return (model.widening.held, written)
        }
        #expect(seen[0].written == written)
        #expect(seen.reduce(0) { $0 + $1.held } == whole.widening.held)
        for rank in seen {
            let share = Double(rank.held) / Double(whole.widening.held)
            #expect(share > 0.25 && share < 0.42, "\(share)")
        }
    }

    @Test("a rank that leaves is named, in time")
    func dead() async throws {
        let clock = ContinuousClock()
        let start = clock.now
        let told = try await Self.split(Goldens.url("models/llama"), patience: 2, leaving: 1) { model, _ in
            do {
                _ = try model.generate([1, 2], limit: 3)
                return "nothing"
            } catch { return "\(error)" }
        }
        #expect(told.contains("rank 1 died or hangs"), "\(told)")
        // Not a timing: without the watch it would wait for a year.
        #expect(clock.now - start < .seconds(60))
    }

    @Test("ranks with something else than rank 0 are refused at all of them")
    func mismatch() async throws {
        let urls = ["llama", "mistral"].map { Goldens.url("models/\($0)") }
        let told = try await inRanks(2) { rank, port -> String in
            let group = try ProcessGroup(.init(rank: rank, size: 2, host: "127.0.0.1", port: port), patience: 30)
            let checkpoint = try Checkpoint(urls[rank])
            do {
                _ = try LayerRing(group, of: checkpoint, agreed: [("the model", checkpoint.digest())])
                return "nothing"
            } catch { return "\(error)" }
        }
        #expect(told.allSatisfy { $0.hasPrefix("rank 1: the model is not that of rank 0") }, "\(told)")
    }

    @Test("what a rank cannot do is told by rank 0, and the next batch is done")
    func failure() async throws {
        let told = try await Self.split(Goldens.url("models/llama")) { model, ring in
            var session = try DecodingSession(model, prompt: [1, 2])
            let other = DistantKeys(kept: .init(-1, in: ring))
            let right = session.seen.distant
            session.seen.distant = other
            do { try session.append(3) } catch {
                session.seen.distant = right
                try session.append(3)
                return "\(error)"
            }
            return "nothing"
        }
        #expect(told.hasPrefix("rank 1: ") && told.contains("not kept"), "\(told)")
    }
}
