/// What is wrong with a file or with a value in it.
public struct FormatError: Diagnostic, Equatable {
    /// The kinds of problems a file can have.
    public enum Code: String, Sendable, CaseIterable {
        // Files
        case cannotRead, cannotWrite, alreadyExists, busy, notARegularFile
        // Every format
        case truncated, trailingBytes, tooLarge, overflow, tooDeep, invalidUTF8, duplicateName, unknownType
        // JSON
        case malformedJSON, missingKey, wrongJSONType
        // Safetensors
        case malformedHeader, badOffsets, overlap, hole, sizeMismatch
        // GGUF
        case badMagic, unsupportedVersion, badAlignment, malformedMetadata
        // Snapshot directories
        case unsafePath, missingFile, missingTensor, unsupportedModel
    }

    public let code: Code
    public let problem: String
    public let subject: String?
    public let expected: String?
    public let found: String?
    public let hint: String?

    public init(
        _ code: Code, _ problem: String, subject: String? = nil, expected: String? = nil, found: String? = nil,
        hint: String? = nil
    ) {
        self.code = code
        self.problem = problem
        self.subject = subject
        self.expected = expected
        self.found = found
        self.hint = hint
    }

    public var kind: DiagnosticKind {
        switch code {
        case .cannotRead, .cannotWrite: .failed
        case .alreadyExists, .busy: .refused
        default: .badInput
        }
    }
}
