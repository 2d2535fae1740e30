/// What is wrong with a file or with a value in it.
public typealias FormatError = CodedError<FormatErrorCode>

/// The kinds of problems a file can have.
public enum FormatErrorCode: String, ErrorCode, CaseIterable {
    // Files: `badPlace` is a place where nothing can be written, `inTheWay` one that would cost what a command reads.
    case cannotRead, cannotWrite, badPlace, alreadyExists, inTheWay, busy, notARegularFile, systemFailed
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

    public var kind: DiagnosticKind {
        switch self {
        case .cannotWrite, .systemFailed: .failed
        case .badPlace: .usage
        case .alreadyExists, .inTheWay, .busy: .refused
        default: .badInput
        }
    }
}
