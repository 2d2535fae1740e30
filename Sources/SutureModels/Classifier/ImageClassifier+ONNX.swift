import Foundation
import SutureFormats
import SutureTensor

/// What an ONNX file does not say of a classifier.
public struct ONNXPreparation: Sendable, Equatable {
    /// The names of the classes in the order of the scores.
    public var classes: [String]?
    /// How pictures come to one size.
    public var fit: ImageFit?
    /// What the network sees is `(pixel / 255 - mean) / deviation`, one number for each channel.
    public var mean: [Double]?
    public var deviation: [Double]?

    /// What is nil is as the file's notes say, if ``ImageClassifier/writeONNX(to:overwriting:)`` wrote it, else as torchvision
    /// prepares for ImageNet.
    public init(
        classes: [String]? = nil, fit: ImageFit? = nil, mean: [Double]? = nil, deviation: [Double]? = nil
    ) {
        (self.classes, self.fit, self.mean, self.deviation) = (classes, fit, mean, deviation)
    }
}

extension ImageClassifier {
    /// Whether a file is one for ``importing(onnx:_:)``, by its name.
    public static func isONNX(_ url: URL) -> Bool { ONNXModel.isName(url.path) }

    /// A classifier from an ONNX file of a ``VGG``, a ``ResNet``, a ``CIFARResNet`` or a ``ViT``, whose scores are equal.
    ///
    /// The network is recognized by what the graph computes, whatever its names are and whichever exporter wrote it; batch
    /// norms that are folded into convolutions make a network with biases and without norms. Every node that the scores
    /// depend on is accounted for, or the file is refused by the node's name.
    ///
    /// - Parameters:
    ///   - url: the file; tensors may lie in others of its folder.
    ///   - preparation: what the graph does not say.
    /// - Throws: a `FormatError` for a bad file, ``ModelError`` with code `unsupported` for another network, for a graph that
    ///   prepares its pixels itself, and for a preparation that does not fit.
    public static func importing(onnx url: URL, _ preparation: ONNXPreparation = .init()) throws -> ImageClassifier {
        let model = try ONNXModel(url)
        var reading = try GraphReading(model)
        let scores = try reading.run()
        let classes = reading.steps[scores].shape[1]
        let written = try ClassifierArchitecture(notesOf: model)
        var architecture =
            try written
            ?? ClassifierArchitecture(
                ClassifierArchitecture.Network(of: reading.steps, scores: scores, names: Set(model.tensors.keys)),
                channels: reading.channels, classes: (0..<classes).map(String.init))
        guard architecture.classes.count == classes, architecture.channels == reading.channels else {
            throw ModelError(
                .unsupported, "the notes of the file speak of another network than its graph", subject: model.name,
                expected: "\(reading.channels) channels and \(classes) classes",
                found: "\(architecture.channels) and \(architecture.classes.count)")
        }
        var match = GraphMatch(reading.steps)
        try match.match(architecture.layers, scores)
        try architecture.prepare(preparation, reading, isWritten: written != nil)
        // What cannot be read again is not made.
        _ = try ClassifierArchitecture(config: architecture.config, source: model.name)
        return try ImageClassifier(architecture, tensors: match.tensors)
    }
}

extension ClassifierArchitecture {
    /// The note under which an ONNX file keeps the configuration.
    static let noteKey = "suture.config"

    /// What the notes of a file say that was exported here; nil for one of other software.
    fileprivate init?(notesOf model: ONNXModel) throws {
        guard let text = model.metadata[Self.noteKey] else { return nil }
        let source = "\(model.name): \(Self.noteKey)"
        try self.init(config: JSON.parse(Array(text.utf8), source: source), source: source)
    }

    /// Takes what is asked for, then what the notes say, then what torchvision does for images of this size.
    fileprivate mutating func prepare(_ asked: ONNXPreparation, _ reading: GraphReading, isWritten: Bool) throws {
        let name = reading.model.name
        func refusal(_ problem: String, _ expected: String, _ found: String? = nil) -> ModelError {
            ModelError(.unsupported, problem, subject: name, expected: expected, found: found)
        }
        if let names = asked.classes {
            guard names.count == classes.count else {
                throw refusal("there is not one class for each score", "\(classes.count) names", "\(names.count)")
            }
            classes = names
        } else if !isWritten, classes.count == ImageNetClasses.names.count {
            classes = ImageNetClasses.names
        }
        if let (mean, deviation) = try normalisation(asked, isWritten, refusal) {
            (self.mean, self.deviation) = (mean, deviation)
        }
        let (height, width) = (reading.size.height, reading.size.width)
        let usual: ImageFit? =
            if case .cifarResNet = network, reading.size.isOpen { .resized(32) } else if height != width { nil } else {
                height == 224 ? .imageNet : .resized(height)
            }
        fit = asked.fit ?? (isWritten ? fit : usual)
        guard reading.size.isOpen || asked.fit?.side.map({ $0 == height && $0 == width }) ?? true else {
            throw refusal("the graph takes images of another size", "\(height) x \(width)", fit?.description)
        }
    }

    private func normalisation(
        _ asked: ONNXPreparation, _ isWritten: Bool, _ refusal: (String, String, String?) -> ModelError
    ) throws -> (mean: [Double], deviation: [Double])? {
        guard let mean = asked.mean, let deviation = asked.deviation else {
            if isWritten { return nil }
            guard channels == 3 else {
                throw refusal(
                    "nothing says how grey images are normalised", "a mean and a standard deviation of pixels in 0...1",
                    nil)
            }
            return (ImageClassifier.imageNetMean, ImageClassifier.imageNetDeviation)
        }
        guard mean.count == channels, deviation.count == channels, deviation.allSatisfy({ $0 > 0 }) else {
            throw refusal(
                "the normalisation does not fit", "\(channels) numbers each, deviations above 0",
                "\(mean) and \(deviation)")
        }
        return (mean, deviation)
    }
}

// MARK: Export

extension ImageClassifier {
    /// Writes this classifier as an ONNX file: opset 17, float32, tensors under their names.
    ///
    /// Its input `pixels` is `[batch, channels, height, width]`, red before green before blue, normalised already:
    /// `(value / 255 - mean) / deviation`. Its output `logits` is `[batch, classes]`. Notes in the file say so, with the
    /// numbers and the names of the classes; ``importing(onnx:_:)`` makes the same classifier of it, bit for bit.
    ///
    /// - Throws: `FormatError` if there is something already, if it is too large for the format or cannot be written;
    ///   ``ModelError`` with code `unsupported` for a pooling that ONNX does not have.
    public func writeONNX(to url: URL, overwriting: Bool = false) throws {
        var writer = ONNXWriter(name: architecture.family, opset: 17)
        // Only windows of fixed sizes make images of other sizes impossible.
        let needsSize = architecture.layers.contains { if case .averagePool(let size) = $0 { size > 1 } else { false } }
        let side = architecture.onlySize ?? (needsSize ? architecture.fit?.side : nil)
        let sides: [ONNXWriter.Size] = side.map { [.fixed($0), .fixed($0)] } ?? [.open("height"), .open("width")]
        writer.addInput("pixels", [.open("batch"), .fixed(architecture.channels)] + sides)
        writer.addOutput("logits", [.open("batch"), .fixed(architecture.classes.count)])
        for (key, value) in architecture.notes { writer.addNote(key, value) }
        var writing = GraphWriting(writer, tensors, side: side)
        try writing.write(architecture.layers).write(to: url, overwriting: overwriting)
    }
}

extension ClassifierArchitecture {
    /// What an ONNX file says of itself; the last is all of it, for Suture.
    fileprivate var notes: KeyValuePairs<String, String> {
        let order = channels == 3 ? "red, green, blue" : "grey"
        return [
            "input": "pixels: float32 [batch, \(channels), height, width], \(order), "
                + "(value / 255 - mean) / std for values in 0...255",
            "mean": "\(mean)", "std": "\(deviation)", "preparation": fit?.description ?? "not known",
            "classes": classes.joined(separator: "\n"),
            Self.noteKey: String(decoding: config.serialized(), as: UTF8.self)
        ]
    }
}
