import SutureModels
import SutureTensor

/// An answer that is to come out behind other wordings, examples and frames, too
/// (`TokenizedFailure.variants`).
extension Recruit {
    /// A neuron that is to be given a new input and output.
    struct Recruited {
        let neuron: Neuron
        /// How active it is where the answer of a run is written, `[answer]`.
        let activations: (TeacherForcedRun) throws -> Tensor
        /// The change with which it writes a vector `[d]`.
        let edit: (Tensor) throws -> NeuronEdit
    }

    /// The answer behind other wordings and variants of its prompt, as far as they fit the model.
    func variants(
        of failure: TokenizedFailure, on model: LanguageModel, layer: Int
    ) throws -> [TeacherForcedRun] {
        try (failure.wordings + failure.variants.prefix(variants)).map {
            TokenizedFailure(prompt: $0, answer: failure.answer)
        }
        .filter(fits(model)).map { TeacherForcedRun($0, try model.trace([$0.forced], from: layer)) }
    }

    func fits(_ model: LanguageModel) -> (TokenizedFailure) -> Bool {
        { $0.forced.count <= model.architecture.contextLength }
    }

    /// A change with which the answers come out behind their prompts and, as far as can be, behind the variants of these:
    /// a neuron for each token that is wrong behind any of them. Nil where that does not bring the answers out.
    func behindVariants(
        _ runs: [TeacherForcedRun], _ variants: [[TeacherForcedRun]], _ basis: SemanticBasis, layer: Int,
        recruiting recruit: (Proposal.Place, Set<Neuron>) throws -> Recruited
    ) throws -> Proposal? {
        let prompts = zip(runs, variants).enumerated().flatMap { failure, all in
            ([all.0] + all.1).map { (failure: failure, run: $0) }
        }
        let gaps = try prompts.map { try $0.run.gaps() }
        let places = Set(
            zip(prompts, gaps).flatMap { prompt, gaps in
                gaps.wrong.map { Proposal.Place(failure: prompt.failure, token: $0) }
            }
        ).sorted { ($0.failure, $0.token) < ($1.failure, $1.token) }
        var recruited: [Recruited] = []
        for place in places { recruited.append(try recruit(place, Set(recruited.map(\.neuron)))) }
        let rows = try zip(prompts, gaps).map { prompt, gaps in
            let activations = try recruited.map { try $0.activations(prompt.run) }
            return MarginSolver.Row(
                prompt.run, activations: try .stacked(activations).transposed(),
                margins: try gaps.gaps.enumerated().map { token, gap in
                    guard let own = places.firstIndex(of: .init(failure: prompt.failure, token: token)) else {
                        // A token that is right everywhere has to stay so.
                        return min(hold, max(0.05, -gap / 2))
                    }
                    // What a neuron hardly notices it would have to shout at, and be heard elsewhere.
                    return try activations[own].selected(0, token).item() < 0.5 ? nil : hold
                })
        }.filter { !$0.places.isEmpty }
        guard !rows.isEmpty else { return nil }
        var solver = try MarginSolver(rows, layer: layer, basis)
        let written = try solver.solve()
        let change = WeightChange(
            neurons: try recruited.enumerated().map { try $1.edit(written.selected(0, $0)) })
        guard try runs.allSatisfy({ try $0.gaps(change).wrong.isEmpty }) else { return nil }
        return Proposal(
            change: change, steps: places.count,
            places: .init(uniqueKeysWithValues: zip(recruited.map(\.neuron), places)))
    }
}
