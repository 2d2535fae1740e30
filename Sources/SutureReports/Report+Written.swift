import Foundation
import SutureFormats
import SutureModels
import SuturePatches
import SutureSubspaces
import SutureVision

/// Pages of commands whose result is a file.
extension Report {
    /// A model that was written in another form.
    public init(converted checkpoint: Checkpoint, to output: String) throws {
        let facts = Converted(output: output, tensors: checkpoint.tensors.count)
        try self.init(
            title: URL(filePath: output).lastPathComponent, schema: "suture.convert/1", data: facts,
            blocks: [.facts([.init("Tensors", "\(facts.tensors)"), .init("Written to", output)])])
    }

    /// A model with the difference of two others; `changed` tensors are other ones, those of `ignored` as they were.
    public init(transferred changed: Int, leaving ignored: [String], to output: String) throws {
        try self.init(
            title: URL(filePath: output).lastPathComponent, schema: "suture.transfer/1",
            data: Transferred(output: output, changed: changed, ignored: ignored),
            blocks: [.facts([.init("Tensors changed", "\(changed)"), .init("Written to", output)])])
    }

    /// A patch that was written as an adapter, of a model if that was named.
    public init(exported adapter: Adapter, as form: Adapter.Form, of base: String?, to output: String) throws {
        let facts = Exported(
            output: output, base: base, modules: adapter.modules.map(\.tensor), rank: adapter.rank,
            exact: adapter.isExact, loading: form.loading(output, on: base))
        try self.init(
            title: URL(filePath: output).lastPathComponent, schema: "suture.export/1", data: facts,
            blocks: [
                .facts([
                    .init("Modules", facts.modules.joined(separator: ", ")), .init("Rank", "\(facts.rank)"),
                    .init(
                        "Numbers",
                        facts.exact ? "those of the patch" : "rounded to float32, because of a scale or a sum"),
                    .init("Base", base ?? "not recorded (give --base)"), .init("Written to", output),
                    .init("Load it", facts.loading)
                ])
            ])
    }

    /// Vectors that were written for llama.cpp, of a model.
    public init(controlVector steering: Steering, of base: String, to output: String) throws {
        let model = base.hasSuffix(".gguf") ? base : "MODEL.gguf"
        let facts = ExportedVectors(
            output: output, base: base, layers: steering.vectors.map(\.layer),
            loading: "llama-cli -m \(model) --control-vector \(output) -p PROMPT")
        try self.init(
            title: URL(filePath: output).lastPathComponent, schema: "suture.export/1", data: facts,
            blocks: [
                .facts([
                    .init("Behind layers", facts.layers.map(String.init).joined(separator: ", ")),
                    .init("Base", base), .init("Written to", output), .init("Load it", facts.loading)
                ])
            ])
    }

    /// A classifier that was written as an ONNX file, with patches applied.
    public init(onnx classifier: ClassifierArchitecture, patches: [String], to output: String) throws {
        let facts = ExportedClassifier(
            output: output, patches: patches, opset: 17, input: "pixels", outputs: "logits",
            classes: classifier.classes.count, mean: classifier.mean, std: classifier.deviation,
            loading: "onnxruntime.InferenceSession('\(output)').run(None, {'pixels': x})")
        try self.init(
            title: URL(filePath: output).lastPathComponent, schema: "suture.export/1", data: facts,
            blocks: [
                .facts([
                    .init("Patches", patches.isEmpty ? "none" : patches.joined(separator: ", ")),
                    .init("Input", "pixels, of values in 0...255: (value / 255 - mean) / std"),
                    .init("Mean", "\(facts.mean)"), .init("Std", "\(facts.std)"),
                    .init("Output", "logits of \(facts.classes) classes"), .init("Written to", output),
                    .init("Load it", facts.loading)
                ])
            ])
    }

    /// Corrupted images that were written.
    public init(_ files: CorruptedFiles, title: String) throws {
        let size = files.size.map(String.init).joined(separator: " x ")
        let names =
            files.corruptions.count <= 3 ? files.corruptions.joined(separator: ", ") : "\(files.corruptions.count)"
        try self.init(
            title: title, schema: "suture.corrupt/1", data: files,
            blocks: [
                .facts(
                    [
                        .init("Images", "\(files.images) of \(size)"), .init("Corruptions", names),
                        .init("Amounts", files.profiles)
                    ] + (files.output.map { [.init("Written to", $0)] } ?? [])
                        + (files.sheet.map { [.init("Sheet", $0)] } ?? []))
            ])
    }
}

/// Which images were corrupted, how, and where they are.
public struct CorruptedFiles: Encodable, Sendable {
    let images: Int
    let size: [Int]
    let corruptions: [String]
    let seed: UInt64
    let output, sheet: String?
    let profiles: String

    private enum CodingKeys: CodingKey { case images, size, corruptions, seed, output, sheet }

    /// The images, what was done to them, and where they went.
    public init(_ images: ImageSet, by corruptions: [Corruption], seed: UInt64, output: String?, sheet: String?) {
        self.images = images.count
        size = Array(images.pixels.shape[1...])
        self.corruptions = corruptions.map(\.description)
        profiles = Set(corruptions.map(\.profile.rawValue)).sorted().joined(separator: ", ")
        (self.seed, self.output, self.sheet) = (seed, output, sheet)
    }
}

private struct Converted: Encodable, Sendable {
    var output: String
    var tensors: Int
}

private struct Transferred: Encodable, Sendable {
    var output: String
    var changed: Int
    var ignored: [String]
}

private struct ExportedVectors: Encodable, Sendable {
    var output: String
    var base: String
    var layers: [Int]
    var loading: String
}

private struct ExportedClassifier: Encodable, Sendable {
    var output: String
    var patches: [String]
    var opset: Int
    var input, outputs: String
    var classes: Int
    var mean, std: [Double]
    var loading: String
}

private struct Exported: Encodable, Sendable {
    var output: String
    var base: String?
    var modules: [String]
    var rank: Int
    var exact: Bool
    var loading: String
}
