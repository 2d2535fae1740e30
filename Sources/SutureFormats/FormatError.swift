/// What is wrong with a file or with a value in it.
public typealias FormatError = CodedError<FormatErrorCode>

/// The kinds of problems a file can have.
public enum FormatErrorCode: String, ErrorCode, CaseIterable {
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

    public var kind: DiagnosticKind {
        switch self {
        case .cannotRead, .cannotWrite: .failed
        case .alreadyExists, .busy: .refused
        default: .badInput
        }
    }
}
