import SutureFormats
import SutureModels
import SutureSubspaces
import SutureTensor
import SutureTestSupport
import Testing

@Suite("Edges between heads and MLPs: patched, estimated, and left alone in circuits")
struct CircuitTests {
    /// Grouped-query attention, a head for each, parallel layers, one group for all heads, norms of queries and keys.
    static let models = ["llama", "gpt2", "gptj", "gpt-bigcode", "qwen3"]

    /// Pairs of two lengths that differ from the first token on, or behind some that they share.
    static func pairs(seed: UInt64) -> [TokenizedPair] {
        let early = SubspaceTests.pairs(2, seed: seed + 1, length: 6).map { pair in
            TokenizedPair(
                base: pair.base, source: [(pair.base[0] + 5) % 96] + pair.source.dropFirst(), answer: 12, other: 40)
        }
        return SubspaceTests.pairs(2, seed: seed) + early
    }

    private func near(_ a: [Double], _ b: [Double], within tolerance: Double = 1e-4) -> Bool {
        a.count == b.count && zip(a, b).allSatisfy { abs($0 - $1) < tolerance * max(1, abs($1)) }
    }

    @Test("all edges are the clean run, none the corrupted one", arguments: models)
    func ends(name: String) throws {
        let model = try SubspaceTests.model(name)
        let pairs = Self.pairs(seed: 31)
        let runs = try CircuitRuns(model, pairs)
        func difference(_ prompt: [Int], _ pair: TokenizedPair) throws -> Double {
            let logits = try model.run([prompt]).logits.squeezed(0)
            return try logits.selected(0, pair.answer).item() - logits.selected(0, pair.other).item()
        }
        let clean = try pairs.map { try difference($0.base, $0) }
        let corrupted = try pairs.map { try difference($0.source, $0) }
        #expect(near(try runs.clean(), clean))
        #expect(near(try runs.corrupted(), corrupted))
        #expect(near(try runs.differences(of: Circuit(runs.graph, 0..<runs.graph.edgeCount)), clean))
        #expect(near(try runs.differences(of: Circuit(runs.graph, [Int]())), corrupted))
        #expect(!near(clean, corrupted, within: 1e-2))
        // Of the output alone, what it reads of the senders that read the clean prompt: the input.
        let output = try #require((0..<runs.graph.edgeCount).first { "\(runs.graph.edge($0))" == "input->logits" })
        #expect(near(try runs.differences(of: Circuit(runs.graph, [output])), corrupted))
    }

    @Test("an edge patched by a replay is a circuit of all others", arguments: models)
    func exact(name: String) throws {
        let runs = try CircuitRuns(SubspaceTests.model(name), Self.pairs(seed: 33))
        let graph = runs.graph
        let edges = Set(stride(from: 0, to: graph.edgeCount, by: 29)).union([graph.edgeCount - 1])
        let scores = try runs.patched(edges)
        let clean = try runs.clean()
        var largest = 0.0
        for edge in edges {
            let others = Circuit(graph, (0..<graph.edgeCount).filter { $0 != edge })
            let found = try runs.differences(of: others)
            let expected = zip(found, clean).reduce(0) { $0 + $1.0 - $1.1 } / Double(clean.count)
            largest = max(largest, abs(expected))
            #expect(abs(Double(scores.values[edge]) - expected) < 1e-5, "\(graph.edge(edge))")
        }
        #expect(largest > 1e-3)
        #expect(scores.values.enumerated().allSatisfy { edges.contains($0.offset) || $0.element == 0 })
    }

    /// A GPT-2 whose norms only scale, whose heads look at all tokens alike, and whose hidden units are all far on the
    /// linear side.
    private func linear() throws -> LanguageModel {
        let folder = Goldens.url("models/gpt2")
        var architecture = try Architecture(
            config: JSON.parse(MappedFile(folder.appending(path: "config.json")).copy()))
        architecture.epsilon = 1e8
        let file = try SafetensorsFile(folder.appending(path: "model.safetensors"))
        var tensors: [String: Tensor] = [:]
        for entry in file.tensors {
            var values = file.bytes(of: entry).withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
            if entry.name.contains("ln_"), entry.name.hasSuffix("weight") { values = values.map { $0 * 1e4 } }
            // Small enough to stay there, in every layer.
            if entry.name.contains("c_"), entry.name.hasSuffix("weight") { values = values.map { $0 * 0.3 } }
            if entry.name.hasSuffix("c_fc.bias") { values = values.map { $0 + 20 } }
            if entry.name.contains("c_attn") {
                let width = architecture.width
                for index in values.indices where index % (3 * width) < width { values[index] = 0 }
            }
            tensors[entry.name] = try Tensor(values, shape: entry.shape)
        }
        return try LanguageModel(architecture, tensors: tensors)
    }

    @Test("estimates are exact where the model is linear")
    func linearModel() throws {
        let runs = try CircuitRuns(linear(), Self.pairs(seed: 35))
        let exact = try runs.patched().values.map(Double.init)
        let size = try #require(exact.map(abs).max())
        #expect(size > 1e-3)
        for scores in [try runs.attributed(), try runs.integrated(steps: 3)] {
            for (edge, value) in scores.values.enumerated() {
                #expect(abs(Double(value) - exact[edge]) < 2e-5 + 1e-3 * size, "\(runs.graph.edge(edge))")
            }
        }
        let curved = try CircuitRuns(SubspaceTests.model("gpt2"), Self.pairs(seed: 35))
        let truth = try curved.patched().values
        let estimate = try curved.attributed().values
        let strongest = try #require(truth.map(abs).max())
        #expect(zip(truth, estimate).contains { abs($0 - $1) > 1e-2 * strongest })
    }

    @Test("integrated gradients of the input's edges add up to the whole effect", arguments: models)
    func completeness(name: String) throws {
        let runs = try CircuitRuns(SubspaceTests.model(name), Self.pairs(seed: 37))
        let graph = runs.graph
        let (clean, corrupted) = (try runs.clean(), try runs.corrupted())
        let whole = zip(clean, corrupted).reduce(0) { $0 + $1.1 - $1.0 } / Double(clean.count)
        func error(_ steps: Int) throws -> Double {
            let scores = try runs.integrated(steps: steps).values
            let sum = scores.indices.filter { graph.edge($0).sender == .input }.reduce(0) { $0 + Double(scores[$1]) }
            return abs(sum - whole)
        }
        let (few, many) = (try error(4), try error(128))
        #expect(many < 0.02 * max(abs(whole), few) && many < few, "\(few), \(many) of \(whole)")
    }

    @Test("one batch of pairs or several, one run of points or several: the same scores")
    func batches() throws {
        let model = try SubspaceTests.model("llama")
        let pairs = Self.pairs(seed: 39)
        let together = try CircuitRuns(model, pairs).integrated(steps: 4).values
        let apart = try pairs.map { try CircuitRuns(model, [$0]).integrated(steps: 4).values }
        for (edge, value) in together.enumerated() {
            let mean = apart.reduce(0) { $0 + $1[edge] } / Float(pairs.count)
            #expect(abs(value - mean) < 1e-6 + 1e-4 * abs(mean))
        }
    }

    @Test("the numbers of edges, and their names")
    func graph() throws {
        for (graph, count) in [
            (CircuitGraph(layers: 12, heads: 12), 32491), (CircuitGraph(layers: 2, heads: 1, isParallel: true), 21)
        ] { #expect(graph.edgeCount == count) }
        let graph = CircuitGraph(layers: 2, heads: 3)
        let names = (0..<graph.edgeCount).map { "\(graph.edge($0))" }
        #expect(Set(names).count == names.count)
        #expect(names.first == "input->0.0.queries" && names.last == "mlp.1->logits")
        #expect(names.contains("0.2->mlp.0") && names.contains("mlp.0->1.1.values"))
        #expect(!names.contains("mlp.0->mlp.0") && !names.contains("0.1->0.2.keys"))
        let parallel = CircuitGraph(layers: 2, heads: 3, isParallel: true)
        #expect(!(0..<parallel.edgeCount).contains { "\(parallel.edge($0))" == "0.2->mlp.0" })
    }

    @Test("the strongest edges, and those that lead to the output")
    func choices() throws {
        let graph = CircuitGraph(layers: 1, heads: 1)
        // input -> queries, keys, values; input and head -> MLP; input, head and MLP -> logits.
        let scores = EdgeScores(graph, [5, -4, 3, 0.5, -9, 2, 1, 0.1])
        func chosen(_ count: Int, _ choice: Circuit.Choice) -> [Int] {
            let has = Circuit(count, by: choice, of: scores).has
            return has.indices.filter { has[$0] }
        }
        #expect(chosen(2, .top) == [0, 4] && chosen(8, .top) == Array(0..<8))
        // The output's own first; behind the head, what the head reads.
        #expect(chosen(1, .greedy) == [5] && chosen(2, .greedy) == [5, 6] && chosen(4, .greedy) == [0, 1, 5, 6])
        #expect(chosen(8, .greedy) == Array(0..<8))
        func pruned(_ edges: [Int]) -> [Int] {
            let has = Circuit(graph, edges).pruned.has
            return has.indices.filter { has[$0] }
        }
        #expect(pruned([0, 4]) == [] && pruned([4, 7]) == [] && pruned([0, 4, 7]) == [0, 4, 7])
        #expect(pruned([0, 1, 3, 5]) == [5])
    }

    @Test("circuits do what their connected edges do")
    func pruning() throws {
        let runs = try CircuitRuns(SubspaceTests.model("llama"), Self.pairs(seed: 41))
        let scores = try runs.attributed()
        let circuit = Circuit(60, of: scores)
        #expect(circuit.pruned.count < circuit.count)
        #expect(near(try runs.differences(of: circuit), try runs.differences(of: circuit.pruned), within: 1e-6))
    }

    @Test("what is no graph of edges, and pairs that do not fit, are refused")
    func refused() throws {
        let model = try SubspaceTests.model("llama")
        let pair = SubspaceTests.pairs(1, seed: 43)[0]
        for bad in [
            [], [TokenizedPair(base: pair.base, source: [1, 2], answer: 7, other: 31)],
            [TokenizedPair(base: pair.base, source: pair.base, answer: 7, other: 31)]
        ] as [[TokenizedPair]] {
            #expect(throws: SubspaceError.self) { try CircuitRuns(model, bad) }
        }
        let steered = try model.intervening([Intervention(.mlpOut(1), .scale(0))])
        #expect(throws: SubspaceError.self) { try CircuitRuns(steered, [pair]) }
        let runs = try CircuitRuns(model, [pair])
        #expect(throws: SubspaceError.self) { try runs.integrated(steps: 0) }
        #expect(throws: SubspaceError.self) {
            try runs.differences(of: Circuit(CircuitGraph(layers: 1, heads: 1), [0]))
        }
    }
}
