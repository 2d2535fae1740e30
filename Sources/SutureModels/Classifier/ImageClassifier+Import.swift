import Foundation
import SutureFormats

extension ImageClassifier {
    /// A classifier from weights of torchvision or timm, or of a ``CIFARResNet``, under the names that they have there.
    ///
    /// How its pictures are prepared is what timm's `config.json` beside the weights says, and without one what torchvision
    /// does for ImageNet; for a ``CIFARResNet`` they are 32x32, and normalised as ImageNet's, as its public weights want.
    ///
    /// - Parameters:
    ///   - url: a safetensors file, or its folder.
    ///   - name: what the network is called: one of ``ClassifierArchitecture/importNames``.
    ///   - classes: their names in the order of the scores; if nil, those of timm's file, or ImageNet's thousand where there
    ///     are so many, or numbers.
    ///   - fit: another preparation than that.
    /// - Throws: a `FormatError` for a bad file, ``ModelError`` with code `badWeights` for tensors of another network,
    ///   `unsupported` for a setting of timm that is not known, and for classes that are not as many as the scores.
    public static func importing(
        _ url: URL, architecture name: String, classes: [String]? = nil, fit: ImageFit? = nil
    ) throws -> ImageClassifier {
        let checkpoint = try Checkpoint(url)
        let source = try TimmConfiguration(of: url, network: name)
        var architecture = try ClassifierArchitecture.published(name)
        if case .vit(let vit) = architecture.network, vit.names == .timm, source == nil {
            throw ModelError(
                .unsupported, "nothing says how pictures are prepared", subject: url.relativePath,
                expected: "timm's config.json beside the weights", hint: "timm.models.save_for_hf writes both")
        }
        let head = "\(architecture.head).weight"
        guard let scores = checkpoint[head], scores.shape.count == 2, (1...65_536).contains(scores.shape[0]) else {
            throw ModelError(
                .badWeights, "this is not a \(name)", subject: url.relativePath, expected: "a matrix \(head)",
                found: checkpoint[head].map { "\($0.shape)" } ?? "\(checkpoint.tensors.count) other tensors")
        }
        architecture.classes = try classNames(classes, source?.classes, count: scores.shape[0], url)
        (architecture.mean, architecture.deviation) = (
            source?.mean ?? imageNetMean, source?.deviation ?? imageNetDeviation
        )
        var usual = ImageFit.imageNet
        if case .cifarResNet = architecture.network { usual = .resized(32) }
        architecture.fit = fit ?? source?.fit ?? usual
        try checkpoint.checkRoom(on: .cpu)
        do {
            return try ImageClassifier(architecture, tensors: checkpoint.weights { _, _ in nil })
        } catch let error as ModelError where error.code == .badWeights {
            throw ModelError(
                .badWeights, error.problem, subject: "\(url.relativePath): \(error.subject ?? name)",
                expected: error.expected, found: error.found, hint: "these may be the weights of another --architecture"
            )
        }
    }

    /// The files that ``importing(_:architecture:classes:fit:)`` reads.
    public static func importFiles(_ url: URL) -> [URL] { [url, TimmConfiguration.place(of: url)] }

    // torchvision's and timm's numbers.
    static let imageNetMean = [0.485, 0.456, 0.406]
    static let imageNetDeviation = [0.229, 0.224, 0.225]

    private static func classNames(_ asked: [String]?, _ stored: [String]?, count: Int, _ url: URL) throws -> [String] {
        guard let names = asked ?? stored else {
            return count == ImageNetClasses.names.count ? ImageNetClasses.names : (0..<count).map(String.init)
        }
        guard names.count == count else {
            throw ModelError(
                .unsupported, "there is not one class for each score", subject: url.relativePath,
                expected: "\(count) names", found: "\(names.count)")
        }
        return names
    }
}

extension ClassifierArchitecture {
    /// The networks that ``ImageClassifier/importing(_:architecture:classes:fit:)`` knows.
    public static let importNames = names.filter { $0 != "cnn" } + ViT.published.map(\.name)

    /// One of these, of one class.
    fileprivate static func published(_ name: String) throws -> ClassifierArchitecture {
        if let vit = ViT.published.first(where: { $0.name == name })?.network {
            return ClassifierArchitecture(.vit(vit), channels: 3, classes: ["0"])
        }
        return try named(name, form: .imagenet, channels: 3, classes: ["0"])
    }
}
