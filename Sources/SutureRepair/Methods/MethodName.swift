/// The methods by the names that they have in commands and files.
public enum MethodName: String, Sendable, CaseIterable {
    case recruit, subject, gap, mint, star, astra, rome, memit, alphaedit, ft, lora, kn, patcher

    /// What the method changes, in a line.
    public var summary: String {
        switch self {
        case .recruit: "an idle neuron is given a new input and output"
        case .subject: "an idle neuron of an early layer listens to the subject, which has to be named"
        case .gap: "a neuron writes more than before, by a step that is sized by the gap"
        case .mint: "a few neurons are moved towards the target until it is the most likely, as published"
        case .star: "a quarter of the output projections move by least-squares steps; differs from the authors' code"
        case .astra: "some neurons of a quarter of the layers, solved for in closed form"
        case .rome: "one output projection answers one key with a new value, in its corrected form"
        case .memit: "five output projections share the new values of many keys"
        case .alphaedit: "the same, by changes that leave the keys of a corpus alone"
        case .ft: "one output projection is trained, each weight within a small box"
        case .lora: "factors of rank 8 beside every output projection are trained"
        case .kn: "the neurons to which the target is attributed write more of it"
        case .patcher: "an idle neuron of the last layer is trained for each wrong token (Transformer-Patcher)"
        }
    }

    /// Whether it reads statistics of reference texts that are kept (`suture statistics`).
    public var readsStatistics: Bool {
        switch self {
        case .recruit, .subject, .star, .astra, .rome, .memit, .alphaedit, .patcher: true
        case .gap, .mint, .ft, .lora, .kn: false
        }
    }

    static var readingStatistics: [String] { allCases.filter(\.readsStatistics).map(\.rawValue) }

    /// The method as it is set unless told otherwise.
    public var method: any RepairMethod {
        switch self {
        case .recruit: Recruit()
        case .subject: SubjectRecruit()
        case .gap: GapStep()
        case .mint: MINT()
        case .star: STAR()
        case .astra: ASTRA()
        case .rome: ROME()
        case .memit: MEMIT()
        case .alphaedit: AlphaEdit()
        case .ft: FineTuning()
        case .lora: LoRA()
        case .kn: KnowledgeNeurons()
        case .patcher: TransformerPatcher()
        }
    }
}
