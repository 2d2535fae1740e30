import Foundation
import SwiftProtobuf

/// Puts an ONNX graph together, node by node, and writes it.
package struct ONNXWriter {
    /// A size of an input or an output: a number, or the name of one that is left open.
    package enum Size {
        case fixed(Int)
        case open(String)
    }

    private var graph = ONNXGraphProto()
    private var metadata: [ONNXStringStringEntryProto] = []
    private let opset: Int
    /// How many bytes the tensors have so far.
    private var byteCount = 0

    /// A graph of this name with operators of this version.
    package init(name: String, opset: Int) {
        graph.name = name
        self.opset = opset
    }

    package mutating func addInput(_ name: String, _ shape: [Size]) { graph.input.append(Self.value(name, shape)) }

    package mutating func addOutput(_ name: String, _ shape: [Size]) { graph.output.append(Self.value(name, shape)) }

    package mutating func addNote(_ key: String, _ value: String) {
        metadata.append(.with { ($0.key, $0.value) = (key, value) })
    }

    /// A float32 tensor in row-major order.
    ///
    /// Throws ``FormatError`` with code `tooLarge` if protocol buffers cannot hold all tensors.
    package mutating func addTensor(_ name: String, _ shape: [Int], _ values: [Float]) throws {
        try addTensor(name, .float32, shape, values.withUnsafeBytes { Data($0) })
    }

    /// A list of whole numbers; throws as ``addTensor(_:_:_:)`` does.
    package mutating func addTensor(_ name: String, _ values: [Int]) throws {
        try addTensor(name, .int64, [values.count], values.map(Int64.init).withUnsafeBytes { Data($0) })
    }

    private mutating func addTensor(_ name: String, _ type: ONNXTensor.Kind, _ shape: [Int], _ bytes: Data) throws {
        byteCount += bytes.count
        // What the nodes take beside it is far less than a mebibyte.
        guard byteCount < Int(Int32.max) - (1 << 24) else {
            throw FormatError(
                .tooLarge, "the tensors do not fit into one ONNX file", subject: name, expected: "less than 2 GiB")
        }
        graph.initializer.append(
            .with {
                $0.name = name
                $0.dataType = type.rawValue
                $0.dims = shape.map(Int64.init)
                $0.rawData = bytes
            })
    }

    /// A node that gives one value, whose name is returned: `output`, or a new one.
    @discardableResult
    package mutating func addNode(
        _ op: String, _ inputs: [String], _ attributes: KeyValuePairs<String, ONNXNode.Attribute> = [:],
        output: String? = nil
    ) -> String {
        let name = "\(op.lowercased())_\(graph.node.count)"
        let output = output ?? name
        graph.node.append(
            .with {
                $0.opType = op
                $0.name = name
                $0.input = inputs
                $0.output = [output]
                $0.attribute = attributes.map { Self.attribute($0, $1) }
            })
        return output
    }

    /// Writes the file, whole or not at all.
    ///
    /// Throws ``FormatError`` if something is there already, or if it cannot be written.
    package func write(to url: URL, overwriting: Bool) throws {
        let message = ONNXModelProto.with {
            // The lowest that has operators of opset 17.
            $0.irVersion = 8
            $0.producerName = "suture"
            $0.opsetImport = [.with { $0.version = Int64(opset) }]
            $0.graph = graph
            $0.metadataProps = metadata
        }
        let bytes: [UInt8] = try message.serializedBytes()
        try AtomicFile.write(bytes, to: url, overwriting: overwriting)
    }

    private static func value(_ name: String, _ shape: [Size]) -> ONNXValueInfoProto {
        .with {
            $0.name = name
            $0.type.tensorType.elemType = ONNXTensor.Kind.float32.rawValue
            $0.type.tensorType.shape.dim = shape.map { size in
                .with {
                    switch size {
                    case .fixed(let count): $0.dimValue = Int64(count)
                    case .open(let name): $0.dimParam = name
                    }
                }
            }
        }
    }

    private static func attribute(_ name: String, _ value: ONNXNode.Attribute) -> ONNXAttributeProto {
        .with {
            $0.name = name
            switch value {
            case .float(let number): ($0.type, $0.f) = (1, Float(number))
            case .int(let number): ($0.type, $0.i) = (2, Int64(number))
            case .text(let text): ($0.type, $0.s) = (3, Data(text.utf8))
            case .ints(let numbers): ($0.type, $0.ints) = (7, numbers.map(Int64.init))
            case .floats(let numbers): ($0.type, $0.floats) = (6, numbers.map { Float($0) })
            case .tensor, .other: preconditionFailure("tensors are added by addTensor")
            }
        }
    }
}
