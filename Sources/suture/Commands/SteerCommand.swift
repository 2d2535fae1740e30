import ArgumentParser
import Foundation
import SutureKit

struct SteerCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "steer",
        abstract: "Make a patch that leads a model towards a quality of texts.",
        discussion: """
            A vector is added to what leaves a layer, at every token: the difference of what the model computes at the end \
            of pairs of texts, or a vector of a file (--vectors), such as faithful --save or NumPy writes. --patch uses it \
            and --scale says how much of it; export --to controlvector writes it for llama.cpp.

            suture steer model.gguf --pairs moods.jsonl -o happy.safetensors
            suture generate model.gguf --patch happy.safetensors --scale 1.5 -p 'I think that'

            A file of pairs is JSON Lines: {"positive": "Act happy. I feel", "negative": "Act sad. I feel"}.
            """)

    @OptionGroup var model: LanguageModelOptions

    @Option(help: "Pairs of texts, with the quality and without (.jsonl).")
    var pairs: String?

    @Option(
        help: """
            mean: the mean difference of a pair; pca: the first principal direction of the differences, of length one; \
            pca-center: the same of each text less the middle of its pair. (default: mean)
            """)
    var method: Steering.Method?

    @Option(help: "Vectors of a file instead, .safetensors or .npy; their sum is added.")
    var vectors: String?

    @Option(help: "Where --vectors act, if the file does not say it: residual.15 is behind layer 14.")
    var at: String?

    @Option(
        help: """
            Behind which layers, from 0: 14 or 10-20, separated by commas. (default: the middle one for mean, all but the \
            first for pca)
            """)
    var layers: LayerList?

    @OptionGroup var result: PatchOutputOptions
    @OptionGroup var printing: OutputOptions

    func validate() throws {
        guard (pairs == nil) != (vectors == nil) else {
            throw ValidationError("Give one of --pairs FILE and --vectors FILE.")
        }
        guard pairs != nil || (method == nil && layers == nil) else {
            throw ValidationError("--method and --layers go with --pairs.")
        }
        guard at == nil || vectors != nil else { throw ValidationError("--at goes with --vectors.") }
        if let at, Site(at) == nil {
            throw ValidationError("--at is a site such as residual.15, not \"\(at)\".")
        }
    }

    func run() throws {
        try result.check(reading: [model.model, pairs, vectors])
        let checkpoint = try model.checkpoint()
        if let vectors {
            let found = try SteeringVectors(contentsOf: URL(filePath: vectors))
            let steering = try Steering(found, at: at.flatMap(Site.init), of: Architecture(checkpoint))
            let options: JSON = ["file": JSON(URL(filePath: vectors).lastPathComponent)]
            return try result.write(
                steering.patch(of: checkpoint, method: .init(name: "steer", options: options)), printing)
        }
        guard let pairs else { return }
        let tokenizer = try Tokenizer(checkpoint)
        let texts = try ContrastPair.read(URL(filePath: pairs)).map { try $0.tokens(tokenizer) }
        let progress = printing.progress
        defer { progress.finish() }
        let method = method ?? .mean
        let steering = try Steering(
            texts, of: model.load(checkpoint), by: method, layers: layers?.layers, progress: progress.handler)
        progress.finish()
        let options: JSON = [
            "method": JSON(method.rawValue), "pairs": JSON(texts.count),
            "layers": .array(steering.vectors.map { JSON($0.layer) })
        ]
        try result.write(steering.patch(of: checkpoint, method: .init(name: "steer", options: options)), printing)
    }
}

extension Steering.Method: ExpressibleByArgument {}

/// Layers as people write them: `14`, `10-20`, `3,5-7`.
struct LayerList: ExpressibleByArgument {
    /// Ascending, each once.
    let layers: [Int]

    init?(argument: String) {
        var found: Set<Int> = []
        for part in argument.split(separator: ",", omittingEmptySubsequences: false) {
            let ends = part.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) ?? -1 }
            guard (1...2).contains(ends.count), let first = ends.first, let last = ends.last, first >= 0, last >= first,
                last < 10_000
            else { return nil }
            found.formUnion(first...last)
        }
        layers = found.sorted()
    }
}
