import Foundation

/// A node of an ONNX graph: an operator with the names of what it reads and gives.
package struct ONNXNode: Sendable {
    package enum Attribute: Sendable {
        case int(Int)
        case float(Double)
        case text(String)
        case ints([Int])
        case floats([Double])
        case tensor(ONNXTensor)
        /// Of a type that no operator here takes.
        case other
    }

    package let op: String
    package let inputs: [String]
    package let outputs: [String]
    /// What messages call it: the file, the node's name or number, and its operator.
    package let subject: String
    private let attributes: [String: Attribute]

    init(_ message: ONNXNodeProto, number: Int, in url: URL) throws {
        op = message.opType
        (inputs, outputs) = (message.input, message.output)
        let label = message.name.isEmpty ? "number \(number)" : message.name
        subject = "\(url.relativePath): node \(label) (\(message.opType))"
        guard message.domain.isEmpty || message.domain == "ai.onnx" else {
            throw FormatError(
                .unknownType, "operators of other domains are not known", subject: subject, found: message.domain)
        }
        var files = ExternalFiles(of: url)
        var attributes: [String: Attribute] = [:]
        for attribute in message.attribute {
            let value = try Self.value(attribute, subject, &files)
            guard attributes.updateValue(value, forKey: attribute.name) == nil else {
                throw FormatError(.duplicateName, "two attributes \(attribute.name)", subject: subject)
            }
        }
        self.attributes = attributes
    }

    // Numbers are those of AttributeProto.AttributeType.
    private static func value(
        _ attribute: ONNXAttributeProto, _ subject: String, _ files: inout ExternalFiles
    ) throws -> Attribute {
        guard attribute.refAttrName.isEmpty else { return .other }
        switch attribute.type {
        case 1: return .float(Double(attribute.f))
        case 2: return .int(Int(attribute.i))
        case 3: return .text(String(decoding: attribute.s, as: UTF8.self))
        case 4: return .tensor(try ONNXTensor(attribute.t, subject: "\(subject): \(attribute.name)", &files))
        case 6: return .floats(attribute.floats.map(Double.init))
        case 7: return .ints(attribute.ints.map(Int.init))
        default: return .other
        }
    }
}

// MARK: What an operator asks for

extension ONNXNode {
    /// Throws ``FormatError`` for an attribute that is not among these: it would change what is computed.
    package func allow(_ names: String...) throws {
        if let other = attributes.keys.filter({ !names.contains($0) }).min() {
            throw FormatError(
                .unknownType, "this attribute is not known here", subject: subject,
                expected: names.joined(separator: ", "), found: other)
        }
    }

    package func attribute(_ name: String) -> Attribute? { attributes[name] }

    package func int(_ name: String) throws -> Int? {
        try attributes[name].map { if case .int(let value) = $0 { value } else { throw wrong(name, "a whole number") } }
    }

    package func ints(_ name: String) throws -> [Int]? {
        try attributes[name].map { if case .ints(let value) = $0 { value } else { throw wrong(name, "whole numbers") } }
    }

    package func float(_ name: String) throws -> Double? {
        try attributes[name].map { if case .float(let value) = $0 { value } else { throw wrong(name, "a number") } }
    }

    package func text(_ name: String) throws -> String? {
        try attributes[name].map { if case .text(let value) = $0 { value } else { throw wrong(name, "a text") } }
    }

    package func tensor(_ name: String) throws -> ONNXTensor? {
        try attributes[name].map { if case .tensor(let value) = $0 { value } else { throw wrong(name, "a tensor") } }
    }

    private func wrong(_ name: String, _ expected: String) -> FormatError {
        FormatError(.unknownType, "the attribute \(name) has another type", subject: subject, expected: expected)
    }
}
