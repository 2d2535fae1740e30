import SutureFormats
import SutureModels
import SuturePatches

/// What a job is asked to do, as it came and as it is kept, and how it is done. A kind of job is a type.
protocol JobRequest: Sendable {
    /// What `kind` of a request says.
    static var kind: String { get }
    /// The patches that the model is to have.
    var stack: StackRequest { get set }
    /// As it came. Throws ``ServerError`` or an error of the libraries that names what is wrong.
    init(_ body: JSONField, _ workbench: Workbench) async throws
    /// As ``members`` keeps it.
    init(kept body: JSONField) throws
    /// What is kept of it, besides its kind and patches.
    var members: JSONObject { get }
    /// Does it, on the worker's thread.
    func run(by worker: isolated JobWorker, _ setting: JobSetting) throws -> JobOutcome
}

/// The model that a job works on, and whom it tells how far it is.
struct JobSetting: Sendable {
    let model: LanguageModel
    let patches: [AppliedPatch]
    let tell: @Sendable (JobBoard.News) -> Void

    /// Tells what is being done.
    func progress(_ activity: String, _ done: Int, _ total: Int) {
        tell(.progress(Job.Progress(activity: activity, done: done, total: total)))
    }
}

/// What came of a job.
struct JobOutcome: Sendable {
    /// A patch that is to be kept, and the name that was asked for.
    var patch: Patch?
    var name: String?
    /// What is told of it.
    var members: JSONObject
}

/// The kinds of jobs there are.
enum JobKinds {
    static let all: [any JobRequest.Type] = [
        RepairRequest.self, SweepRequest.self, TestRequest.self, EvidenceRequest.self,
        DirectionRequest.self
    ]

    /// A request as it came; without a `kind` it is a repair.
    static func request(_ body: JSONField, _ workbench: Workbench) async throws -> any JobRequest {
        try await type(of: body).init(body, workbench)
    }

    /// A request that was kept.
    static func request(kept body: JSONField) throws -> any JobRequest {
        var request = try type(of: body).init(kept: body)
        request.stack = try body.optional("patches").map { try StackRequest($0) } ?? StackRequest()
        return request
    }

    private static func type(of body: JSONField) throws -> any JobRequest.Type {
        guard let kind = try body.optional("kind") else { return RepairRequest.self }
        let name = try kind.string
        guard let found = all.first(where: { $0.kind == name }) else {
            throw ServerError(
                .badRequest, "there is no such kind of job", subject: kind.path,
                expected: all.map { $0.kind }.joined(separator: ", "), found: "\"\(name.prefix(40))\"")
        }
        return found
    }
}

extension JobRequest {
    /// As it is kept: the same whatever is enabled later.
    var json: JSON {
        var kept: JSONObject = ["kind": JSON(Self.kind)]
        for (key, value) in members { kept[key] = value }
        if let parts = stack.parts {
            kept["patches"] = .array(
                parts.map { ["name": JSON($0.name), "scale": $0.scale.map { JSON($0) } ?? .null] })
        }
        return .object(kept)
    }
}
