/// An operator that could not be carried out, with the shapes it was given, or a process group that did not come together.
public struct TensorError: Diagnostic {
    /// What stood in the way.
    public enum Cause: Sendable {
        /// The operator cannot be computed for these operands.
        case impossible
        /// There is not enough memory.
        case memory
        /// A value that is not finite was given to a solver or a decomposition.
        case notFinite
        /// What says how to join a process group makes no sense.
        case place
        /// A process of a group is missing, is late, or is not what it should be.
        case peers
    }

    public let cause: Cause
    /// The operator, as it is spelled in Swift, or the process.
    public let operation: String
    /// The operands: element types and shapes.
    public let operands: [String]
    /// What is wrong, and what can be done about it.
    public let reason: String
    /// What the engine said, shortened; nil where it was not asked.
    public let detail: String?

    public var kind: DiagnosticKind {
        switch cause {
        case .impossible, .peers: .failed
        case .memory: .refused
        case .notFinite: .badInput
        case .place: .usage
        }
    }

    public var problem: String { reason }

    /// One line: the operator, its operands, what is wrong, and behind it what the engine said.
    public var description: String {
        let operands = operands.isEmpty ? "" : "(\(operands.joined(separator: ", ")))"
        return "\(operation)\(operands): \(reason)" + (detail.map { " [engine: \($0)]" } ?? "")
    }

    /// What was noticed before the engine was asked.
    init(_ operation: String, _ operands: [Tensor?] = [], cause: Cause = .impossible, reason: String) {
        self.init(operation, operands, cause: cause, reason: reason, engine: nil)
    }

    /// What the engine's last call on this thread failed with.
    init(_ operation: String, _ operands: [Tensor?] = []) {
        let said = Runtime.lastError
        let isMemory = Self.memoryWords.contains { said.contains($0) }
        self.init(
            operation, operands, cause: isMemory ? .memory : .impossible,
            reason: isMemory
                ? "there is not enough memory for it; work on less at a time, or with a smaller model"
                : "it cannot be computed of these operands",
            engine: said)
    }

    init(_ operation: String, _ operands: [Tensor?] = [], cause: Cause, reason: String, engine: String?) {
        self.cause = cause
        self.operation = operation
        self.operands = operands.compactMap(\.?.signature)
        self.reason = reason
        detail = engine.flatMap(Self.shortened)
    }

    /// What allocators say, for the processor and for graphics cards.
    private static let memoryWords = [
        "can't allocate memory", "not enough memory", "out of memory", "std::bad_alloc",
        "Storage size calculation overflow"
    ]

    /// What is wrong in an engine's message: the first line, without its places in C++ and its maker's address.
    static func shortened(_ message: String) -> String? {
        var line = message.split(whereSeparator: \.isNewline).first.map(String.init) ?? ""
        let noise = [
            #/.*INTERNAL ASSERT FAILED at [^,]*, please report a bug to PyTorch\. */#,
            #/^\[enforce fail at [^\]]*\] [^.]*\. */#, #/^\[[^\[\]]*\.(?:cpp|cc|h|hpp):\d+\] */#,
            #/ *\(?Exception raised from .*/#, #/ *frame #\d+: .*/#,
            #/ *Most certainly there is a bug in the implementation calling the backend library\./#
        ]
        for each in noise { line.replace(each, with: "") }
        line = String(line.drop(while: \.isWhitespace))
        guard !line.isEmpty else { return nil }
        return line.count > 160 ? line.prefix(160) + "..." : line
    }
}
