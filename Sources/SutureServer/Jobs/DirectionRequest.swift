import SutureFormats
import SutureRepair
import SutureSubspaces

/// The question whether the direction of a steering patch works through the model's own pathway.
struct DirectionRequest: JobRequest {
    static let kind = "direction"

    var stack: StackRequest
    /// What the patch is called, and what it adds, so that the job does not need it any more.
    var name: String
    var vector: Steering.Vector
    /// Pairs to learn from and to judge by, as they came; nil for those of indirect object identification.
    var pairs: (train: JSON, heldOut: JSON)?
    /// How many of the latter judge.
    var count: Int

    init(_ body: JSONField, _ workbench: Workbench) async throws {
        try body.allow(["kind", "model", "patches", "direction", "train_pairs", "pairs", "count"])
        stack = try StackRequest(of: body, named: workbench.name)
        name = try body.require("direction").string
        let patch = try await workbench.patches.find(name).patch.get()
        let steering = try Steering(patch, of: workbench.stacks.base.architecture, source: name)
        _ = try steering.subspace(method: patch.method.name)
        vector = steering.vectors[0]
        count = try body.int("count", in: 8...1000) ?? 300
        if let heldOut = try body.optional("pairs") {
            pairs = (try body.require("train_pairs").value, heldOut.value)
            _ = try examination(workbench.tokenizers)
        } else {
            try body.refuse("train_pairs") { _ in false }
        }
        // The direction is asked about, and not on while it is.
        let others = try await workbench.patches.resolved(stack).filter { $0.patch.id != patch.id }
        stack.parts = others.map { StackRequest.Part(name: $0.patch.id, scale: $0.scale) }
    }

    init(kept body: JSONField) throws {
        stack = StackRequest()
        (name, count) = (try body.require("direction").string, try body.require("count").int)
        vector = Steering.Vector(
            layer: try body.require("layer").int,
            values: try body.require("values").array.map { Float(try $0.double) })
        pairs = try body.optional("pairs").map { (try body.require("train_pairs").value, $0.value) }
    }

    var members: JSONObject {
        var members: JSONObject = [
            "direction": JSON(name), "count": JSON(count), "layer": JSON(vector.layer),
            "values": .array(vector.values.map { JSON(Double($0)) })
        ]
        if let pairs { (members["train_pairs"], members["pairs"]) = (pairs.train, pairs.heldOut) }
        return members
    }

    /// What `suture faithful --direction` finds.
    func run(by worker: isolated JobWorker, _ setting: JobSetting) throws -> JobOutcome {
        let tokenizer = worker.tokenizers.plain
        var examination = try examination(worker.tokenizers)
        examination.unrelated = Texts.guards.prefix(8).map { tokenizer.encode($0, specials: .opening).ids }
        examination.tokenName = { tokenizer.decode([$0]) }
        examination.progress = setting.progress
        let subspace = try Steering([vector], for: setting.model.architecture, source: name).subspace(method: "steer")
        let report = try examination.run(subspace, of: setting.model, modelName: worker.modelName)
        return JobOutcome(members: ["headline": JSON(report.headline), "evidence": try JSON(encoding: report)])
    }

    private func examination(_ tokenizers: Tokenizers) throws -> Faithfulness {
        guard let pairs else { return try Faithfulness(ofIndirectObjects: tokenizers.plain, count: count) }
        func read(_ list: JSON, _ key: String) throws -> [TokenizedPair] {
            let list = try JSONField(list, source: key).array
            guard (8...1000).contains(list.count) else {
                throw ServerError(
                    .badRequest, "these are not as many pairs as can be judged by", subject: key, expected: "8...1000",
                    found: "\(list.count)")
            }
            return try list.map { try TokenizedPair(PromptPair($0), tokenizers.plain) }
        }
        let examination = Faithfulness(
            train: try read(pairs.train, "train_pairs"), heldOut: try read(pairs.heldOut, "pairs"))
        try examination.requireApart(subject: "pairs, train_pairs")
        return examination
    }
}
