import SutureModels
import SutureTensor

/// Asks of a change of weights what the checks ask of a direction: does it read what the model itself reads, does it
/// write what the rest of the network is used to, is it needed, and does it hold elsewhere?
///
/// Any change of attention or of MLPs can be asked: of what a part reads (queries, keys, values; the inputs of neurons), of
/// what it writes (an output projection), by columns, rows, low rank or densely. With h the hidden activation that an
/// output projection W reads, a changed part writes more than the original by
///
///     (W + Delta) h' - W h = W (h' - h) + Delta P h' + Delta (1 - P) h'
///
/// P projects on the row space of W: the last term reads what the original projection cannot see, as the kernel part of a
/// direction does (Makelov, Lange & Nanda 2023, section 6).
public struct PatchPathway: Sendable, Codable {
    /// The three ways in which a changed part can write something else; together they are the patch.
    public enum Route: String, Sendable, Codable, CaseIterable, CodingKeyRepresentable {
        /// W (h' - h): other activations, written as before; and changed biases.
        case oldOutputs
        /// Delta P h': new outputs for what the original projection sees.
        case readsRow
        /// Delta (1 - P) h': new outputs for what it cannot see.
        case readsKernel
    }

    /// Prompts under which the answers were asked for again.
    public struct Generalisation: Sendable, Codable {
        public var name: String
        public var prompts: Int
        /// The share of them in which the answer is the most likely token.
        public var before: Estimate
        public var after: Estimate
    }

    public var model: String
    public var prompts: Int
    /// The margin of the wanted token over its strongest rival, before and after.
    public var before: Estimate
    public var after: Estimate
    /// The margin when only one of the routes is open.
    public var routes: [Route: Double]
    /// KL on other text, in nats a token, when what the patch reads is set to its mean in the original model: is it used?
    public var use: Double
    /// KL on other text under the patch itself.
    public var sideEffect: Double
    public var generalisation: [Generalisation]
    /// The changed parts, in the order in which they run.
    public var parts: [PatchedPart]
    /// Changed tensors that belong to no layer's attention or MLP: not examined.
    public var unexamined: [String]

    /// The share of the effect that one route carries by itself.
    public func share(_ route: Route) -> Double {
        let effect = after.value - before.value
        return effect == 0 ? 0 : ((routes[route] ?? before.value) - before.value) / effect
    }

    /// Whether it changes biases alone: it adds the same whatever is there, so ``use`` says nothing.
    public var readsNothing: Bool { parts.allSatisfy { $0.rank == 0 && $0.rangeExit == nil } }

    /// A prompt's tokens and the token that the patch makes the model say.
    public typealias Case = (prompt: [Int], answer: Int)

    /// What a patch is examined on.
    public struct Material: Sendable {
        /// Prompts that it repairs.
        public var cases: [Case]
        /// Other wordings, with the same answers.
        public var reworded: [Case] = []
        /// Text that has nothing to do with them.
        public var reference: [[Int]]
        /// Text that is put before the prompts, each with the break that ends it.
        public var contexts: [[Int]] = []

        /// Prompts that the patch repairs, and other text in tokens.
        public init(cases: [Case], reference: [[Int]]) {
            self.cases = cases
            self.reference = reference
        }
    }

    /// Examines `patched`, which is `original` with some weights changed.
    ///
    /// Throws ``SubspaceError`` without cases or reference text, and where no attention and no MLP was changed.
    public init(
        _ original: LanguageModel, _ patched: LanguageModel, on material: Material, modelName: String,
        progress: ProgressHandler = { _, _, _ in }
    ) throws {
        var material = material
        material.reference = material.reference.filter { $0.count > 1 }
        guard !material.cases.isEmpty, !material.reference.isEmpty else {
            throw SubspaceError(.badRequest, "a patch is examined on prompts that it repairs and on other text")
        }
        self = try Tensor.withoutGradients {
            try PathwayChecks(original, patched, material).run(modelName, progress)
        }
    }

    init(
        model: String, prompts: Int, before: Estimate, after: Estimate, routes: [Route: Double], use: Double,
        sideEffect: Double, generalisation: [Generalisation], parts: [PatchedPart], unexamined: [String]
    ) {
        self.model = model
        self.prompts = prompts
        self.before = before
        self.after = after
        self.routes = routes
        self.use = use
        self.sideEffect = sideEffect
        self.generalisation = generalisation
        self.parts = parts
        self.unexamined = unexamined
    }
}

/// One changed part of a layer: what it reads and writes, here and elsewhere.
public struct PatchedPart: Sendable, Codable {
    /// Such as `mlp.26`.
    public var name: String
    public var tensors: [String]
    /// The rank of the output projection's change; 0 where only what is read changed.
    public var rank: Int
    /// The share, by energy, of what the change reads that the original projection sees; and of a random direction.
    public var rowShare: Double?
    public var randomRowShare: Double
    /// How much it writes more than before where it is meant to, relative to other text (root mean squares).
    public var specificity: Double
    /// The length of that, in natural deviations of the part's output along it.
    public var push: Double
    /// The share of outputs outside everything natural along it.
    public var outside: Double
    /// The distance of patched outputs to the nearest natural one, relative to that of natural ones.
    public var neighborRatio: Double
    /// The share, by energy, of changed activations that leave their channel's natural range; nil where none changed.
    public var rangeExit: Double?
    /// The margin with this part's changes alone, and with all but these.
    public var alone: Double
    public var without: Double
    /// Natural and patched outputs along what is written.
    public var natural: [Double]
    public var patched: [Double]
}

extension PatchPathway {
    /// How much may be said, in the words of ``FaithfulnessReport/Level``, and why no more.
    public var verdict: (level: FaithfulnessReport.Level, obstacles: [String]) {
        guard after.low > before.value, after.value > before.value else {
            return (.none, ["the margin does not grow on these prompts"])
        }
        guard let weakest = generalisation.map({ $0.after.value - $0.before.value }).min(), weakest > 0.25 else {
            return (.controls, ["the answers do not hold behind other text or in other words"])
        }
        var obstacles: [String] = []
        func percent(_ share: Double) -> String { String(format: "%.0f%%", 100 * share) }
        let unseen = share(.readsKernel)
        if unseen > 0.5 {
            obstacles.append("\(percent(min(unseen, 1))) of it reads what the original projections cannot see")
        }
        if let part = parts.filter({ $0.push > 3 || $0.outside > 0.5 }).max(by: { $0.push < $1.push }) {
            obstacles.append(
                String(format: "what it writes is %.1f natural deviations long, ", part.push)
                    + "\(percent(part.outside)) of it outside everything natural")
        }
        if let exit = parts.compactMap(\.rangeExit).max(), exit > 0.5 {
            obstacles.append("\(percent(exit)) of the activations it sets are what they never are")
        }
        if use < 1e-4, !readsNothing {
            obstacles.append(String(format: "the model did not use what it reads (KL %.1g nats)", use))
        }
        return obstacles.isEmpty ? (.mediates, []) : (.generalises, obstacles)
    }

    /// The whole verdict in a sentence: what was shown, and what speaks against it first.
    public var headline: String {
        let (level, obstacles) = verdict
        let reasons = obstacles.prefix(2).joined(separator: ", and ")
        return switch level {
        case .none: "This patch \(level.rawValue): \(reasons)."
        case .controls: "This patch \(level.rawValue), but \(reasons)."
        case .generalises: "This patch \(level.rawValue), but probably not through the model's own pathway: \(reasons)."
        case .mediates: "This patch is \(level.rawValue)."
        }
    }

    /// What is true of all these numbers, from both sides of the debate.
    public static let caveats = [
        "A neuron's own axis lies mostly in the kernel wherever there are more neurons than dimensions, so reading there is "
            + "usual for edits of single neurons and no fault by itself (Wu, Geiger et al., 2401.12631).",
        "Together with writing far outside the natural range it says that an answer is forced through a pathway that the model "
            + "does not use (Makelov, Lange & Nanda, 2311.17030).",
        "A repair that adds a pathway can still be a good repair: what counts is whether it holds in other words and leaves "
            + "other text alone.",
        "The limits (half of the effect, three natural deviations) are conventions."
    ]
}
