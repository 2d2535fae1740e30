import SutureModels

/// A way to repair a failure: it proposes a change of weights, and says what it did or why it gave up.
///
/// A method proposes; whether the answer comes out right under greedy decoding, and what else
/// changed, is measured by ``Repair`` afterwards, whatever the method.
public protocol RepairMethod: Sendable {
    /// What the method computes once for a model and needs for every repair; `Void` where that is nothing.
    associatedtype Preparation: Sendable

    /// The name in files and commands.
    var name: String { get }
    /// What can be set, for help, for commands and for the patch's manifest.
    static var settings: [MethodSetting<Self>] { get }
    /// What the method is set to, by name.
    var options: [String: Double] { get }
    /// Whether it asks for answers that lie above all other tokens by a margin.
    var needsMargin: Bool { get }
    /// Computes what every repair of a model needs.
    func prepare(_ material: RepairMaterial) throws -> Preparation
    /// Asks for all statistics of reference texts that repairs may need, so that they are kept.
    func readStatistics(_ material: RepairMaterial) throws
    /// A change of the model that was run after which it gives the answer of the failure token by token, or why there is
    /// none.
    func propose(_ run: TeacherForcedRun, with preparation: Preparation) throws -> Proposal
    /// The method together with its preparation. Both kinds of methods have it already.
    func prepared(_ material: RepairMaterial) throws -> PreparedMethod
}

extension RepairMethod {
    public static var settings: [MethodSetting<Self>] { [] }
    public var options: [String: Double] {
        Self.settings.reduce(into: [:]) { options, setting in options[setting.name] = setting.value(in: self) }
    }
    public var needsMargin: Bool { false }

    /// Asks for what the preparation asks for.
    public func readStatistics(_ material: RepairMaterial) throws { _ = try prepare(material) }

    /// The method, ready for a model.
    public func prepared(_ material: RepairMaterial) throws -> PreparedMethod {
        let preparation = try prepare(material)
        return PreparedMethod(self) { runs, _ in try propose(runs[0], with: preparation) }
    }
}

extension RepairMethod where Preparation == Void {
    /// Nothing is needed.
    public func prepare(_ material: RepairMaterial) {}
}

/// A method that can solve for many failures together, and leave earlier answers alone.
public protocol JointRepairMethod: RepairMethod {
    /// A change of the model that was run, at least once, after which it gives the answers of as many of the failures as the
    /// method can bring out.
    ///
    /// The change is projected onto the complement of what the changed parts read, in that model, at the tokens of the answers
    /// `kept`: nothing is added there, save for what changed layers below may have moved. A neuron that is recruited is
    /// silent there.
    func propose(
        _ runs: [TeacherForcedRun], sparing kept: [TokenizedFailure], with preparation: Preparation
    ) throws -> Proposal
}

extension JointRepairMethod {
    /// The same for one failure.
    public func propose(_ run: TeacherForcedRun, with preparation: Preparation) throws -> Proposal {
        try propose([run], sparing: [], with: preparation)
    }

    /// The method, ready for a model.
    public func prepared(_ material: RepairMaterial) throws -> PreparedMethod {
        let preparation = try prepare(material)
        return PreparedMethod(self) { runs, kept in try propose(runs, sparing: kept, with: preparation) }
    }
}

/// A method that is ready to repair one model.
public struct PreparedMethod: Sendable {
    public let method: any RepairMethod
    private let solve: @Sendable ([TeacherForcedRun], [TokenizedFailure]) throws -> Proposal

    init(
        _ method: any RepairMethod,
        _ solve: @escaping @Sendable ([TeacherForcedRun], [TokenizedFailure]) throws -> Proposal
    ) {
        (self.method, self.solve) = (method, solve)
    }

    /// What the method proposes; it is not asked where no change of what it changes could bring an answer out.
    ///
    /// Several failures, and answers that are to be kept, are for a ``JointRepairMethod``; another looks at the first.
    public func propose(_ runs: [TeacherForcedRun], sparing kept: [TokenizedFailure] = []) throws -> Proposal {
        for run in runs {
            if let reason = try method.obstacle(to: run.failure.answer, in: run.model, name: { "\($0)" }) {
                return Proposal().abandoning(reason)
            }
        }
        var proposal = try solve(runs, kept)
        proposal.change = try stored(proposal.change, runs)
        return proposal
    }

    /// What the model's files can hold of a change; a little more of it where rounding would undo an answer.
    private func stored(_ change: WeightChange, _ runs: [TeacherForcedRun]) throws -> WeightChange {
        let model = runs[0].model
        guard let first = try model.storable(change) else { return change }
        func right(_ change: WeightChange) throws -> Int { try runs.count { try $0.gaps(change).wrong.isEmpty } }
        let wanted = try right(change)
        for strength in [1, 1.25, 1.6] {
            let rounded = try strength == 1 ? first : model.storable(change, strength: strength) ?? first
            if try right(rounded) >= wanted { return rounded }
        }
        return first
    }

    /// The same for one failure, which is run for it.
    public func propose(_ failure: TokenizedFailure, on model: LanguageModel) throws -> Proposal {
        try propose([TeacherForcedRun(failure, on: model)])
    }
}
