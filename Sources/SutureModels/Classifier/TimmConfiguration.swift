import Foundation
import SutureFormats

/// What timm's `config.json` says of a classifier, as far as it decides what is computed.
struct TimmConfiguration {
    let fit: ImageFit
    let mean: [Double]
    let deviation: [Double]
    let classes: [String]?

    static func place(of weights: URL) -> URL {
        var isDirectory: ObjCBool = false
        _ = FileManager.default.fileExists(atPath: weights.path, isDirectory: &isDirectory)
        return (isDirectory.boolValue ? weights : weights.deletingLastPathComponent()).appending(path: "config.json")
    }

    /// Reads the file beside the weights; nil where there is none, or it is not timm's.
    ///
    /// Throws ``ModelError`` with code `unsupported` for another network than `name` and for settings that are not known.
    init?(of weights: URL, network name: String) throws {
        let url = Self.place(of: weights)
        guard FileManager.default.fileExists(atPath: url.path) else { return nil }
        let config = JSONField(try JSON.parse(contentsOf: url), source: url.relativePath)
        guard case .object = config.value, let network = try config.optional("architecture") else { return nil }
        func require(_ condition: Bool, _ field: JSONField, _ expected: String, _ found: String) throws {
            guard !condition else { return }
            throw ModelError(
                .unsupported, "this setting of timm is not supported", subject: field.path, expected: expected,
                found: found)
        }
        try require(network.string == name, network, name, network.string)
        if let arguments = try config.optional("model_args") {
            // Others change the network without changing its tensors; what these name, tensors tell by their shapes.
            let known: Set<ByteString> = [
                "in_chans", "num_classes", "global_pool", "img_size", "patch_size", "embed_dim", "depth", "num_heads"
            ]
            for key in try arguments.object.keys {
                try require(known.contains(key), arguments, "none but sizes", key.string)
            }
            // All but this one.
            if let heads = try arguments.optional("num_heads") {
                let expected = ViT.published.first { $0.name == name }?.network.heads
                try require(heads.int == expected, heads, expected.map(String.init) ?? "none", "\(heads.int)")
            }
        }
        if let pool = try config.optional("global_pool") {
            let known = name.hasPrefix("vit_") ? "token" : "avg"
            try require(pool.string == known, pool, known, pool.string)
        }
        // Older files have these settings beside the others.
        let settings = try config.optional("pretrained_cfg") ?? config
        if let mode = try settings.optional("crop_mode") {
            try require(mode.string == "center", mode, "center", mode.string)
        }
        let size = try settings.require("input_size")
        let sides = try size.array.map { try $0.int }
        try require(
            sides.count == 3 && sides[0] == 3 && sides[1] == sides[2] && (1...4096).contains(sides[1]), size,
            "[3, size, size]", "\(sides)")
        let kept = try settings.require("crop_pct")
        try require(try kept.double > 0.1 && kept.double <= 1, kept, "0.1...1", "\(kept.double)")
        let named = try settings.require("interpolation")
        let filter = ImageFit.Filter(rawValue: try named.string)
        try require(filter != nil, named, "bilinear or bicubic", named.string)
        let shorter = try Int((Double(sides[1]) / kept.double).rounded(.down))
        try require(shorter <= 4096, kept, "a shorter side of at most 4096", "\(shorter)")
        fit = .cropped(shorter: shorter, crop: sides[1], filter: filter ?? .bilinear)
        func channels(_ key: ByteString) throws -> [Double] {
            let field = try settings.require(key)
            let numbers = try field.array.map { try $0.double }
            try require(
                numbers.count == 3 && numbers.allSatisfy { key == "mean" || $0 > 0 }, field, "3 numbers", "\(numbers)")
            return numbers
        }
        (mean, deviation) = (try channels("mean"), try channels("std"))
        classes = try config.optional("label_names").map { try $0.array.map { try $0.string } }
    }
}
