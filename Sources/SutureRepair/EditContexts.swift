import SutureModels
import SutureTensor

/// A failure alone and behind some openings, led along its answer, in one batch: what is learned of a layer there should
/// not hold behind one text only.
struct EditContexts {
    let failure: TokenizedFailure
    /// One row for the prompt alone, then one for each opening.
    let trace: Trace
    /// The position in each row at which the edit is looked up: the subject's last token, or else the prompt's.
    let lookups: [Int]
    /// The positions of each row after which the answer's tokens come.
    private let places: [Range<Int>]

    /// Openings with which the text does not fit the model are left out.
    init(
        _ failure: TokenizedFailure, behind openings: [[Int]], on model: LanguageModel, capturing sites: [Site],
        from layer: Int
    ) throws {
        let room = model.architecture.contextLength - failure.led.count
        let openings = [[]] + openings.filter { !$0.isEmpty && $0.count <= room }
        self.failure = failure
        lookups = openings.map { $0.count + failure.lookup }
        places = openings.map { $0.count + failure.places.lowerBound..<$0.count + failure.places.upperBound }
        trace = try model.trace(openings.map { $0 + failure.led }, capturing: sites, from: layer)
    }

    /// The values of each row at its lookup, of a run that starts at `first`: `[contexts, width]`.
    func lookedUp(_ values: Tensor, from first: Int = 0) throws -> Tensor {
        try Tensor.stacked(lookups.enumerated().map { try values.selected(0, $0).selected(0, $1 - first) })
    }

    /// The mean cross-entropy of the answer over all rows, with `delta` `[d]` added at the lookups of a site.
    func loss(adding delta: Tensor, at site: Site) throws -> Tensor {
        let last = Site.residual(trace.model.architecture.layers)
        let push = Intervention(site, at: .each(lookups), .add(try delta.reshaped([1, 1, -1])))
        let run = try trace.replay(prompts: Array(lookups.indices), [push], capturing: [last], logits: .none)
        let residual = try run[last]
        let rows = try places.enumerated().map { row, places in
            try residual.selected(0, row).narrowed(
                0, places.lowerBound - run.firstPosition..<places.upperBound - run.firstPosition)
        }
        let targets = try Tensor(places.flatMap { _ in failure.answer }, device: trace.model.device)
        return try trace.model.logits(ofResidual: Tensor.concatenated(rows, 0)).crossEntropy(targets)
    }
}

extension TokenizedFailure {
    /// Where an edit of the failure is looked up: at the last token of its subject, or else of its prompt.
    var lookup: Int { (subject?.upperBound ?? prompt.count) - 1 }

    /// What a report should say where there is no subject.
    var lookupNotes: [String] {
        subject == nil ? ["without a subject, the edit is looked up at the last token of the prompt"] : []
    }
}
