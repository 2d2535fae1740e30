import Foundation
import SutureFormats
import SutureTestSupport
import Testing

@Suite("ONNX files")
struct ONNXTests {
    @Test("a graph is read with its tensors, in any way in which they are stored")
    func reading() throws {
        let model = try ONNXModel(Goldens.url("onnx/cnn-norms.onnx"))
        #expect(model.opset == 17 && model.outputs == ["scores"])
        #expect(model.inputs.count == 1 && model.inputs[0].type == .float32 && model.inputs[0].shape == [-1, 3, 16, 16])
        #expect(model.nodes.map(\.op).contains("BatchNormalization"))
        let weight = try #require(model.tensors["features.0.weight"])
        #expect(weight.shape == [4, 3, 3, 3] && weight.floats?.count == 108 && weight.ints == nil)
    }

    @Test("what is written is read again")
    func writing() throws {
        try withTemporaryDirectory { directory in
            let url = directory.appending(path: "a.onnx")
            var writer = ONNXWriter(name: "a", opset: 17)
            writer.addInput("x", [.open("batch"), .fixed(2)])
            writer.addOutput("y", [.open("batch"), .fixed(1)])
            writer.addNote("key", "value")
            try writer.addTensor("w", [2, 1], [0.1, -.infinity])
            try writer.addTensor("n", [7, -8])
            writer.addNode(
                "Odd", ["x", "w"], ["i": .int(-3), "f": .float(0.5), "s": .text("no"), "l": .ints([1, 2])], output: "y")
            try writer.write(to: url, overwriting: false)
            let model = try ONNXModel(url)
            #expect(model.inputs[0].shape == [-1, 2] && model.metadata == ["key": "value"])
            #expect(model.tensors["w"]?.floats == [0.1, -.infinity] && model.tensors["n"]?.ints == [7, -8])
            let node = model.nodes[0]
            #expect(try node.int("i") == -3 && node.float("f") == 0.5 && node.ints("l") == [1, 2])
            #expect(try node.text("s") == "no" && node.int("none") == nil)
            #expect(throws: FormatError.self) { try node.int("s") }
            #expect(throws: FormatError.self) { try node.allow("i", "f", "s") }
            #expect(throws: FormatError.self) { try writer.write(to: url, overwriting: false) }
        }
    }

    @Test("tensors may lie in another file of the folder, and only there")
    func external() throws {
        try withTemporaryDirectory { directory in
            let data = directory.appending(path: "a.data")
            try Data([9, 9] + [Float(1.5), -2].withUnsafeBytes { Array($0) }).write(to: data)
            // ir_version 8; opset 17; a graph with the tensor "w", float32 [2], EXTERNAL.
            func entry(_ key: String, _ value: String) -> [UInt8] { field(13, field(1, key) + field(2, value)) }
            func model(_ entries: [UInt8]) throws -> ONNXModel {
                let tensor: [UInt8] = [0x08, 2, 0x10, 1] + field(8, "w") + [0x70, 1] + entries
                let bytes: [UInt8] = [0x08, 8] + field(8, [0x10, 17]) + field(7, field(5, tensor))
                let url = directory.appending(path: "a.onnx")
                try Data(bytes).write(to: url)
                return try ONNXModel(url)
            }
            let good = entry("location", "a.data") + entry("offset", "2") + entry("length", "8")
            #expect(try model(good).tensors["w"]?.floats == [1.5, -2])
            for entries in [
                entry("location", "a.data"), entry("location", "../a.data"), entry("offset", "2"), good + good,
                entry("location", "a.data") + entry("offset", "3") + entry("length", "8"),
                entry("location", "a.data") + entry("offset", "9223372036854775807") + entry("length", "8"),
                entry("location", "") + entry("offset", "2")
            ] {
                #expect(throws: FormatError.self) { try model(entries) }
            }
        }
    }

    @Test("a million nodes are refused before they are looked at")
    func manyNodes() throws {
        try withTemporaryDirectory { directory in
            let nodes = [UInt8]((0..<1_000_000).flatMap { _ -> [UInt8] in [0x0A, 0x00] })
            let url = directory.appending(path: "many.onnx")
            try Data([0x08, 8] + field(8, [0x10, 17]) + field(7, nodes)).write(to: url)
            let error = #expect(throws: FormatError.self) { try ONNXModel(url) }
            #expect(error?.code == .tooLarge)
        }
    }

    @Test("mutated files are read or refused", arguments: 0..<40)
    func mutated(seed: UInt64) throws {
        var random = SplitMix64(state: seed)
        let names = ["cnn-script", "timm-dynamo", "padded-script", "vgg-dynamo"]
        var bytes = [UInt8](try Data(contentsOf: Goldens.url("onnx/\(names[Int(seed) % 4]).onnx")))
        for _ in 0..<Int.random(in: 1...8, using: &random) {
            bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
        }
        try withQuickDirectory { directory in
            let url = directory.appending(path: "a.onnx")
            try Data(bytes).write(to: url)
            do {
                let model = try ONNXModel(url)
                for tensor in model.tensors.values { #expect((tensor.floats ?? []).count <= tensor.count) }
            } catch let error as FormatError {
                #expect(error.kind == .badInput && !error.description.contains("\n"), "\(error)")
            }
        }
    }

    /// A field of protocol buffers that has a length.
    private func field(_ number: UInt8, _ bytes: [UInt8]) -> [UInt8] {
        var (length, count): ([UInt8], Int) = ([], bytes.count)
        repeat {
            length.append(UInt8(count & 0x7F) | (count > 0x7F ? 0x80 : 0))
            count >>= 7
        } while count > 0
        return [number << 3 | 2] + length + bytes
    }

    private func field(_ number: UInt8, _ text: String) -> [UInt8] { field(number, Array(text.utf8)) }
}
