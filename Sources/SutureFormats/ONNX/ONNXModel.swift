import Foundation
import SwiftProtobuf

/// An ONNX file: nodes in the order in which they are computed, the tensors that they read, and notes; checked as a whole
/// when it is opened.
///
/// The format: one message of protocol buffers (`onnx.proto` here says which part of it is read). A tensor's bytes lie in
/// the message, or in another file of the same folder.
package struct ONNXModel: Sendable {
    /// An input of the graph; -1 stands for a size that the graph leaves open.
    package struct Input: Sendable, Equatable {
        package let name: String
        package let type: ONNXTensor.Kind
        package let shape: [Int]
    }

    /// The file as the user named it, for messages.
    package let name: String
    /// The version of ONNX's operators.
    package let opset: Int
    package let inputs: [Input]
    package let outputs: [String]
    package let nodes: [ONNXNode]
    package let tensors: [String: ONNXTensor]
    /// The notes of who wrote it, `metadata_props`.
    package let metadata: [String: String]

    /// The versions of the operators whose meaning is known here.
    package static let opsets = 13...24
    /// The most nodes that are read; the largest networks that are known here have less than a tenth.
    static let maximumNodeCount = 100_000

    /// Reads a file and checks all of its graph.
    ///
    /// - Throws: ``FormatError`` for a file that is cut or malformed, names that are defined twice or not at all, nodes that
    ///   read what no node before them computes, and tensors that do not have the bytes that their type and shape ask for.
    package init(_ url: URL) throws {
        let mapped = try MappedFile(url)
        name = mapped.name
        let message = try Self.message(in: mapped)
        guard message.hasGraph, (3...20).contains(message.irVersion) else {
            throw FormatError(
                .badMagic, "this is no ONNX file", subject: name, expected: "a graph, and ir_version 3...20",
                found: message.hasGraph ? "ir_version \(message.irVersion)" : "no graph")
        }
        if let function = message.functions.first {
            throw FormatError(
                .unknownType, "functions of the file's own are not read", subject: name, found: function.name,
                hint: "onnx.inliner.inline_local_functions puts their nodes in their place")
        }
        opset = try Self.opset(of: message, name)
        metadata = try Self.metadata(of: message, name)
        let graph = message.graph
        guard graph.node.count <= Self.maximumNodeCount else {
            throw FormatError(
                .tooLarge, "the graph has too many nodes", subject: name, expected: "at most \(Self.maximumNodeCount)",
                found: "\(graph.node.count)")
        }
        guard graph.sparseInitializer.isEmpty else {
            throw FormatError(.unknownType, "sparse tensors are not read", subject: name)
        }
        tensors = try Self.tensors(of: graph, beside: url, name)
        nodes = try graph.node.enumerated().map { try ONNXNode($1, number: $0, in: url) }
        let (given, file) = (tensors, name)
        inputs = try graph.input.filter { given[$0.name] == nil }.map { try Self.input($0, file) }
        outputs = graph.output.map { $0.name }
        try checkOrder()
    }

    /// A file of this kind by its name.
    package static func isName(_ path: String) -> Bool { path.lowercased().hasSuffix(".onnx") }
}

extension ONNXModel {
    private static func message(in file: MappedFile) throws -> ONNXModelProto {
        defer { withExtendedLifetime(file) {} }
        guard let start = file.bytes.baseAddress else {
            throw FormatError(.truncated, "the file is empty", subject: file.name)
        }
        guard file.bytes.count < Int(Int32.max) else {
            throw FormatError(
                .tooLarge, "the file is larger than protocol buffers can be", subject: file.name,
                expected: "less than 2 GiB", found: "\(file.bytes.count) bytes")
        }
        let bytes = Data(
            bytesNoCopy: UnsafeMutableRawPointer(mutating: start), count: file.bytes.count, deallocator: .none)
        var options = BinaryDecodingOptions()
        options.discardUnknownFields = true
        do {
            return try ONNXModelProto(serializedBytes: bytes, options: options)
        } catch {
            throw FormatError(
                .badMagic, "this is no ONNX file, or it is cut or damaged", subject: file.name,
                expected: "a message of protocol buffers", found: "\(error)".firstWords, hint: "export it again")
        }
    }

    private static func opset(of message: ONNXModelProto, _ name: String) throws -> Int {
        let versions = message.opsetImport.filter { $0.domain.isEmpty || $0.domain == "ai.onnx" }.map(\.version)
        guard versions.count == 1, let version = Int(exactly: versions[0]), opsets.contains(version) else {
            throw FormatError(
                .unsupportedVersion, "ONNX's operators of this version are not known here", subject: name,
                expected: "opset \(opsets.lowerBound)...\(opsets.upperBound)",
                found: versions.isEmpty ? "none" : versions.map(String.init).joined(separator: ", "),
                hint: "torch.onnx.export takes opset_version=17")
        }
        return version
    }

    private static func metadata(of message: ONNXModelProto, _ name: String) throws -> [String: String] {
        var notes: [String: String] = [:]
        for entry in message.metadataProps where notes.updateValue(entry.value, forKey: entry.key) != nil {
            throw FormatError(.duplicateName, "two notes of one name", subject: "\(name): metadata_props \(entry.key)")
        }
        return notes
    }

    private static func tensors(of graph: ONNXGraphProto, beside url: URL, _ name: String) throws -> [String:
        ONNXTensor]
    {
        var files = ExternalFiles(of: url)
        var tensors: [String: ONNXTensor] = [:]
        for message in graph.initializer {
            let tensor = try ONNXTensor(message, subject: "\(name): tensor \(message.name)", &files)
            guard tensors.updateValue(tensor, forKey: message.name) == nil else {
                throw FormatError(.duplicateName, "two tensors of one name", subject: "\(name): \(message.name)")
            }
        }
        return tensors
    }

    private static func input(_ value: ONNXValueInfoProto, _ name: String) throws -> Input {
        let (subject, type) = ("\(name): input \(value.name)", value.type.tensorType)
        guard value.type.hasTensorType, let kind = ONNXTensor.Kind(rawValue: type.elemType), type.hasShape else {
            throw FormatError(.unknownType, "the input is no tensor whose type and rank are known", subject: subject)
        }
        let shape = try type.shape.dim.map { size -> Int in
            guard case .dimValue(let count) = size.value else { return -1 }
            guard (1...(1 << 31)).contains(count) else {
                throw FormatError(.overflow, "impossible shape", subject: subject, found: "\(count)")
            }
            return Int(count)
        }
        return Input(name: value.name, type: kind, shape: shape)
    }

    /// Every name is defined once and before it is read, as ONNX asks; so there is no cycle.
    private func checkOrder() throws {
        var known = Set(tensors.keys)
        func define(_ value: String, _ subject: String) throws {
            guard known.insert(value).inserted else {
                throw FormatError(.duplicateName, "\"\(value)\" is defined twice", subject: subject)
            }
        }
        for input in inputs { try define(input.name, name) }
        for node in nodes {
            for value in node.inputs where !value.isEmpty && !known.contains(value) {
                throw FormatError(
                    .missingTensor, "this node reads \"\(value)\", which nothing before it gives",
                    subject: node.subject,
                    hint: "onnx.checker.check_model says more")
            }
            for value in node.outputs where !value.isEmpty { try define(value, node.subject) }
        }
        for value in outputs where !known.contains(value) {
            throw FormatError(.missingTensor, "no node gives the output \"\(value)\"", subject: name)
        }
    }
}

extension String {
    /// What an error of another library says, short.
    fileprivate var firstWords: String { String(prefix(80)) }
}
