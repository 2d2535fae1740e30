import SutureFormats

/// Why a patch cannot be read, applied or removed.
public struct PatchError: Diagnostic, Equatable {
    /// What kind of obstacle it was.
    public enum Code: String, Sendable {
        // The patch file
        case unsupportedSchema, unsupportedKind, malformedManifest, badPayload, tampered, emptyPatch
        // The model
        case wrongBase, drifted, unsupportedType, needsSnapshot, noPlace, malformedLock
        // The request
        case conflict, alreadyApplied, notApplied, ambiguousID, badScale, overflow, notLowRank, checkFailed
    }

    public let code: Code
    public let problem: String
    public let subject: String?
    public let expected: String?
    public let found: String?
    public let hint: String?
    /// For `wrongBase` and `drifted`: every tensor that is not what it should be.
    public let differences: [BaseDifference]

    /// An error with its parts; those that say nothing may be left out.
    public init(
        _ code: Code, _ problem: String, subject: String? = nil, expected: String? = nil, found: String? = nil,
        hint: String? = nil, differences: [BaseDifference] = []
    ) {
        self.code = code
        self.problem = problem
        self.subject = subject
        self.expected = expected
        self.found = found
        self.hint = hint
        self.differences = differences
    }

    public var kind: DiagnosticKind {
        switch code {
        case .unsupportedSchema, .unsupportedKind, .malformedManifest, .badPayload, .tampered, .malformedLock: .badInput
        case .emptyPatch, .wrongBase, .drifted, .unsupportedType, .needsSnapshot, .noPlace, .conflict, .alreadyApplied,
            .overflow, .notLowRank, .checkFailed:
            .refused
        case .notApplied, .ambiguousID, .badScale: .usage
        }
    }
}

/// A tensor that is not the one a patch was made for.
public struct BaseDifference: Sendable, Equatable {
    public let tensor: String
    public let expected: String
    public let found: String
    /// Whether it is of the right shape, and in another type only.
    var isOfType = false
}

extension PatchError {
    /// One error for all tensors of a model that differ; `differences` must not be empty.
    static func wrongBase(
        _ differences: [BaseDifference], of model: String, code: Code = .wrongBase, hint: String? = nil
    ) -> PatchError {
        let first = differences[0]
        let others = differences.count == 1 ? "" : ", and \(differences.count - 1) more"
        return PatchError(
            code,
            code == .drifted
                ? "the weights were changed since the patches in suture.lock.json were applied"
                : "this is not the model that the patch was made for",
            subject: model, expected: "\(first.tensor): \(first.expected)", found: first.found + others, hint: hint,
            differences: differences)
    }
}
