import SutureFormats

/// A test: are one's own prompts answered as they should be, with some patches?
struct TestRequest: JobRequest {
    static let kind = "test"

    var stack: StackRequest
    /// What is asked: what the request says, or what is kept.
    var cases: [Case]

    init(_ body: JSONField, _ workbench: Workbench) async throws {
        try body.allow(["kind", "model", "patches", "cases"])
        stack = try StackRequest(of: body, named: workbench.name)
        if let given = try body.optional("cases") {
            cases = try Case.list(given, atLeast: 1, workbench)
        } else {
            cases = try workbench.cases.list()
            guard !cases.isEmpty else {
                throw ServerError(
                    .badRequest, "there is nothing to test", subject: body.path,
                    expected: "\"cases\", or prompts that are kept", hint: "keep some with POST /api/cases")
            }
        }
    }

    init(kept body: JSONField) throws {
        stack = StackRequest()
        cases = try body.require("cases").array.map { try Case(kept: $0) }
    }

    var members: JSONObject { ["cases": .array(cases.map { .object($0.members) })] }

    func run(by worker: isolated JobWorker, _ setting: JobSetting) throws -> JobOutcome {
        let answers = try CaseAnswer.of(cases, setting.model, worker.tokenizers, progress: setting.progress)
        return JobOutcome(members: [
            "asked": JSON(answers.count), "right": JSON(answers.count(where: \.isRight)),
            "cases": .array(
                zip(cases, answers).map { one, answer in
                    var members = one.members
                    members["written"] = answer.written.map { JSON($0) } ?? .null
                    members["right"] = JSON(answer.isRight)
                    return .object(members)
                })
        ])
    }
}
