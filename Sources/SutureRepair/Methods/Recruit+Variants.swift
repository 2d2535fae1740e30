import SutureModels
import SutureTensor

/// An answer that is to come out behind other wordings, examples and frames, too (`TokenizedFailure.variants`), and answers
/// that are wrong in the same way.
extension Recruit {
    /// A change with which the answers come out behind their prompts and, as far as can be, behind the variants of these:
    /// a neuron for each token that is wrong, or nearly so, behind any of them. Nil where that does not bring the answers out.
    func behindVariants(_ recruitment: Recruitment, _ basis: SemanticBasis) throws -> Proposal? {
        let (runs, variants) = (recruitment.runs, recruitment.variants)
        let isRule = rule && runs.count > 1
        guard isRule || variants.contains(where: { !$0.isEmpty }) else { return nil }
        let prompts = zip(runs, variants).enumerated().flatMap { failure, all in
            ([all.0] + all.1).map { (failure: failure, run: $0) }
        }
        let gaps = try prompts.map { try $0.run.gaps() }
        var rivals: [Proposal.Place: Int] = [:]
        // The first wrong token behind each prompt itself, which stands before its variants.
        var starts: [Int: Int] = [:]
        for (prompt, gaps) in zip(prompts, gaps) {
            starts[prompt.failure] = starts[prompt.failure] ?? gaps.wrong.first ?? 0
            for token in gaps.gaps.indices where gaps.gaps[token] >= (isRule ? 0 : -lead) {
                let place = Proposal.Place(failure: prompt.failure, token: token)
                // Of variants that differ, the prompt itself counts.
                rivals[place] = rivals[place] ?? gaps.rivals[token]
            }
        }
        let places = rivals.keys.sorted()
        let tasks = isRule ? Self.alike(places, runs, rivals) : places.map { [$0] }
        var recruited: [Recruitment.Recruited] = []
        for places in tasks {
            let first = places[0]
            recruited.append(
                try recruitment.recruit(
                    places, besides: Set(recruited.map(\.neuron)), isVaried: true,
                    decides: !isRule && first.token <= starts[first.failure, default: 0]))
        }
        let rows = try zip(prompts, gaps).map { prompt, gaps in
            let activations = try recruited.map { try $0.activations(in: prompt.run) }
            return MarginSolver.Row(
                prompt.run, activations: try .stacked(activations).transposed(),
                margins: try gaps.gaps.enumerated().map { token, gap in
                    let place = Proposal.Place(failure: prompt.failure, token: token)
                    guard let own = tasks.firstIndex(where: { $0.contains(place) }) else {
                        // A token that is right everywhere has to stay so.
                        return min(hold, max(0.05, -gap / 2))
                    }
                    // What a neuron hardly notices it would have to shout at, and be heard elsewhere.
                    return try activations[own].selected(0, token).item() < 0.5 ? nil : hold
                })
        }.filter { !$0.places.isEmpty }
        guard !rows.isEmpty else { return nil }
        var solver = try MarginSolver(rows, layer: recruitment.layer, basis)
        let written = try solver.solve()
        let change = WeightChange(
            neurons: try recruited.enumerated().map { try $1.edit(writing: written.selected(0, $0)) })
        guard try isRule || runs.allSatisfy({ try $0.gaps(change).wrong.isEmpty }) else { return nil }
        return Proposal(
            change: change, steps: tasks.count,
            places: .init(uniqueKeysWithValues: zip(recruited.map(\.neuron), tasks)))
    }

    /// The same places, together where one token is wanted in one other's place, or behind one other.
    private static func alike(
        _ places: [Proposal.Place], _ runs: [TeacherForcedRun], _ rivals: [Proposal.Place: Int]
    ) -> [[Proposal.Place]] {
        var groups: [[Proposal.Place]] = []
        for place in places {
            let answer = runs[place.failure].failure.answer
            func isAlike(_ other: Proposal.Place) -> Bool {
                let theirs = runs[other.failure].failure.answer
                guard theirs[other.token] == answer[place.token] else { return false }
                let isBehindOne =
                    place.token > 0 && other.token > 0 && theirs[other.token - 1] == answer[place.token - 1]
                return rivals[other] == rivals[place] || isBehindOne
            }
            let matching = groups.filter { $0.contains(where: isAlike) }
            groups = groups.filter { !$0.contains(where: isAlike) } + [(matching.flatMap(\.self) + [place]).sorted()]
        }
        return groups.sorted { $0[0] < $1[0] }
    }
}
