import Foundation

/// What a folder holds that may be replaced as a whole: what Suture wrote there, or a model, and nothing else.
public struct FolderKind: Sendable {
    private let name: String
    private let isWhole: @Sendable (_ paths: Set<String>) -> Bool
    private let owns: @Sendable (_ path: String, _ folder: URL) -> Bool

    /// - Parameters:
    ///   - name: what such a folder is, with its article.
    ///   - isWhole: whether there is, among these files, what makes a folder one of the kind.
    ///   - owns: whether a file, by its path in a folder, is one of those that the kind has.
    public init(
        _ name: String, isWhole: @escaping @Sendable (_ paths: Set<String>) -> Bool,
        owns: @escaping @Sendable (_ path: String, _ folder: URL) -> Bool
    ) {
        (self.name, self.isWhole, self.owns) = (name, isWhole, owns)
    }

    /// - Throws: ``FormatError`` with code `alreadyExists` unless the folder is of this kind and holds nothing else.
    func check(_ url: URL, name subject: String) throws {
        func refusal(_ problem: String, found: String? = nil, hint: String) -> FormatError {
            FormatError(.alreadyExists, problem, subject: subject, found: found, hint: hint)
        }
        guard let paths = try? FileManager.default.files(below: url), isWhole(Set(paths)) else {
            throw refusal("this is not \(name), and is not replaced", hint: "choose another place")
        }
        let others = paths.filter { !owns($0, url) }
        if let other = others.min() {
            let rest = others.count > 1 ? " and \(others.count - 1) more" : ""
            throw refusal(
                "this folder holds more than \(name), and is not replaced", found: other + rest,
                hint: "move that elsewhere, or choose another place")
        }
    }
}

extension FolderKind {
    /// A model's folder; what it has from the model that it was made from, byte for byte, is its own.
    public static func model(from source: URL? = nil) -> FolderKind {
        FolderKind("a model") { paths in
            paths.contains { isWeightFile($0) }
        } owns: { path, folder in
            if isModelFile(path) { return true }
            guard let source else { return false }
            return areEqual(folder.appending(path: path), source.appending(path: path))
        }
    }

    private static let modelFiles: Set<String> = [
        "config.json", "generation_config.json", "preprocessor_config.json", "processor_config.json",
        "model.safetensors.index.json", "diffusion_pytorch_model.safetensors.index.json", "tokenizer.json",
        "tokenizer_config.json", "special_tokens_map.json",
        "added_tokens.json", "vocab.json", "vocab.txt", "merges.txt", "tokenizer.model", "spiece.model",
        "chat_template.jinja", "chat_template.json", "training.json", "training.safetensors", "suture.lock.json",
        "README.md", "LICENSE", "LICENSE.txt", "LICENSE.md", "NOTICE", ".gitattributes", ".DS_Store"
    ]

    private static func isWeightFile(_ path: String) -> Bool {
        path.wholeMatch(of: /(diffusion_pytorch_)?model(\.[a-z0-9_]+)?(-[0-9]+(-of-[0-9]+)?)?\.safetensors/) != nil
    }

    private static func isModelFile(_ path: String) -> Bool {
        modelFiles.contains(path) || isWeightFile(path) || path.hasPrefix(".cache/huggingface/")
            || path.wholeMatch(of: /suture\/(originals\/)?[0-9a-f]{16}\.safetensors/) != nil
    }

    private static func areEqual(_ one: URL, _ other: URL) -> Bool {
        guard let one = try? MappedFile(one), let other = try? MappedFile(other),
            one.bytes.count == other.bytes.count
        else { return false }
        guard let first = one.bytes.baseAddress, let second = other.bytes.baseAddress else { return true }
        return withExtendedLifetime((one, other)) { memcmp(first, second, one.bytes.count) == 0 }
    }
}
