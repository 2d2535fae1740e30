/// An operator that could not be carried out, with the shapes it was given.
public struct TensorError: Error, CustomStringConvertible, Sendable {
    /// The operator, as it is spelled in Swift.
    public let operation: String
    /// The operands: element types and shapes.
    public let operands: [String]
    /// What the engine said.
    public let reason: String

    /// One line: the operator, its operands, and what is wrong.
    public var description: String {
        let operands = operands.isEmpty ? "" : "(\(operands.joined(separator: ", ")))"
        return "\(operation)\(operands): \(reason)"
    }

    init(_ operation: String, _ operands: [Tensor?] = [], reason: String? = nil) {
        self.operation = operation
        self.operands = operands.compactMap(\.?.signature)
        // The engine's messages run over several lines; the first says what is wrong.
        let message = reason ?? Runtime.lastError
        self.reason = message.split(separator: "\n").first.map(String.init) ?? "failed"
    }
}
