import Foundation

/// A model directory as Hugging Face lays it out: `config.json`, safetensors in one file or in shards, and the rest.
///
/// The weights are, in this order, which is that of transformers: `model.safetensors`, the shards of
/// `model.safetensors.index.json`, all of `model*.safetensors`; diffusers' names with `diffusion_pytorch_model` are read
/// likewise. What is there beside them is told by ``notices``.
public struct SnapshotDirectory: Sendable {
    /// Where a tensor is: in which file, and what that file's header says of it.
    public struct Tensor: Sendable {
        public let file: SafetensorsFile
        public let entry: SafetensorsFile.Tensor

        public var bytes: MappedBytes { file.bytes(of: entry) }
    }

    public let url: URL
    /// What `config.json` says: nothing where there is none, which is enough for what is done with tensors alone.
    public let config: JSONField
    /// The weight files, in the order of their names.
    public let files: [SafetensorsFile]
    /// All tensors of all weight files by name, file by file in the order of their data.
    public let tensors: OrderedTable<Tensor>
    /// Paths of all other files, relative to the directory and sorted: what a copy of the model must carry along.
    public let otherFiles: [String]
    /// The name of the index of the shards, also of one that is a leftover, if there is one.
    public let indexFile: String?
    /// What is odd about the directory but no error, one line each.
    public let notices: [String]

    static let indexName = "model.safetensors.index.json"
    static let singleName = "model.safetensors"

    /// Opens a directory, maps its weights and checks all headers and the index.
    ///
    /// - Throws: ``FormatError`` if a file is missing or malformed, a shard's name in the index is not a plain file
    ///   name, or a tensor is not in the shard that the index names.
    public init(_ url: URL) throws {
        self.url = url
        let selection = try WeightSelection(in: url)
        config = JSONField(try Self.config(in: url), source: url.appending(path: "config.json").relativePath)
        files = try selection.names.map { try SafetensorsFile(url.appending(path: $0)) }
        var tensors = OrderedTable<Tensor>()
        for file in files {
            for entry in file.tensors {
                guard tensors.append(ByteString(entry.name), Tensor(file: file, entry: entry)) else {
                    throw FormatError(
                        .duplicateName, "another weight file has a tensor of this name too",
                        subject: "\(file.file.name): \(entry.name)")
                }
            }
        }
        self.tensors = tensors
        var notices = selection.notices
        if let index = selection.index {
            notices += try index.check(files: files)
        }
        self.notices = notices
        indexFile = selection.indexFile
        otherFiles = try Self.files(in: url).filter { !selection.names.contains($0) && $0 != selection.indexFile }
    }

    /// One safetensors file as a model without a configuration: enough for what is done with tensors alone.
    ///
    /// - Throws: ``FormatError`` for a file that cannot be read or is malformed.
    init(file: URL) throws {
        url = file.deletingLastPathComponent()
        config = JSONField(.object(JSONObject()), source: file.relativePath)
        let weights = try SafetensorsFile(file)
        files = [weights]
        var tensors = OrderedTable<Tensor>()
        for entry in weights.tensors { tensors.append(ByteString(entry.name), Tensor(file: weights, entry: entry)) }
        self.tensors = tensors
        (otherFiles, indexFile, notices) = ([], nil, [])
    }

    /// The tensor of that name.
    public subscript(name: String) -> Tensor? { tensors[ByteString(name)] }

    private static func config(in url: URL) throws -> JSON {
        let file = url.appending(path: "config.json")
        guard FileManager.default.fileExists(atPath: file.path) else {
            let name = url.lastPathComponent
            guard !name.hasPrefix(".") || !name.hasSuffix(".tmp") else {
                throw FormatError(
                    .missingFile, "an interrupted command left this folder", subject: url.relativePath,
                    hint: "run that command again")
            }
            return .object(JSONObject())
        }
        return try JSON.parse(contentsOf: file)
    }

    /// Relative paths of the regular files, also through links, but not the hidden ones.
    private static func files(in url: URL) throws -> [String] {
        let manager = FileManager.default
        return try manager.files(below: url).filter { path in
            var isDirectory: ObjCBool = false
            let exists = manager.fileExists(atPath: url.appending(path: path).path, isDirectory: &isDirectory)
            return exists && !isDirectory.boolValue && !path.split(separator: "/").contains { $0.hasPrefix(".") }
        }.sorted()
    }
}

/// Which files of a directory hold the weights, and the index if it was followed.
private struct WeightSelection {
    var names: [String]
    var index: ShardIndex?
    /// The name of an index, whether it was followed or not.
    let indexFile: String?
    var notices: [String] = []

    init(in url: URL) throws {
        let all = try FileManager.default.names(in: url)
        let files = all.filter { $0.hasSuffix(".safetensors") }.sorted()
        let stems = ["model", "diffusion_pytorch_model"]
        let stem = stems.first { stem in files.contains { $0.hasPrefix(stem) } } ?? "model"
        let weights = files.filter { $0.hasPrefix(stem) }
        let (single, indexName) = ("\(stem).safetensors", "\(stem).safetensors.index.json")
        indexFile = all.contains(indexName) ? indexName : nil
        if weights.contains(single) {
            names = [single]
            let others = weights.filter { $0 != single && SplitName($0) != nil }
            if let first = others.first {
                let place = url.appending(path: single).relativePath
                notices = ["\(place): read alone; \(first) and other shards beside it are not"]
            }
            return
        }
        if indexFile != nil {
            let index = try ShardIndex(url.appending(path: indexName))
            let missing = index.shards.filter { !all.contains($0) }
            guard missing.isEmpty else {
                throw FormatError(
                    .missingFile, "weight files that the index names are missing", subject: index.name,
                    found: "no \(missing[0])" + (missing.count > 1 ? " and \(missing.count - 1) more" : ""),
                    hint: "fetch them again")
            }
            (names, self.index) = (index.shards, index)
            return
        }
        names = weights
        try SplitName.checkComplete(weights, in: url)
        if names.isEmpty {
            throw FormatError(
                .missingFile, "there are no weights", subject: url.relativePath, expected: "model*.safetensors",
                found: "\(all.count) other files", hint: Self.hint(all, in: url))
        }
    }

    /// What could be meant by a folder without weights of a known name.
    private static func hint(_ names: [String], in url: URL) -> String? {
        if let file = names.sorted().first(where: { $0.hasSuffix(".safetensors") }) {
            return "name the file \(file) itself"
        }
        if names.contains("model_index.json") {
            return "a pipeline has several models: name the folder of one, such as unet"
        }
        let pickled = names.sorted().first(where: PickledWeights.isName)
        return pickled.map {
            "pickled files are not read; " + PickledWeights.hint(url.appending(path: $0).relativePath)
        }
    }
}

/// `model.safetensors.index.json`: in which shard each tensor is.
private struct ShardIndex {
    let name: String
    let shardOfTensor: [(tensor: ByteString, shard: ByteString)]
    /// The names of the shards, sorted.
    let shards: [String]
    private let positions: [ByteString: Int]

    // `metadata.total_size` is not checked: writers disagree on whether tied tensors count once or twice.
    init(_ url: URL) throws {
        name = url.relativePath
        let map = try JSONField(JSON.parse(contentsOf: url), source: name).require("weight_map")
        shardOfTensor = try map.object.map { key, value in (key, try map.child(key, value).bytes) }
        // Names on a disk are bytes: two spellings of one text may be two files.
        shards = Set(shardOfTensor.map(\.shard)).sorted().map(\.string)
        positions = try .init(positionsOf: shards, source: name)
        for shard in shards where !Self.isPlainFileName(shard) {
            throw FormatError(
                .unsafePath, "the index names a weight file outside of its directory", subject: name,
                expected: "a plain file name ending in .safetensors", found: "\"\(shard.prefix(80))\"",
                hint: "do not trust this model")
        }
    }

    /// Notices of tensors that the index does not list.
    ///
    /// - Parameter files: those of ``shards``, in their order.
    func check(files: [SafetensorsFile]) throws -> [String] {
        var listed = [Int](repeating: 0, count: files.count)
        var notices: [String] = []
        for (tensor, shard) in shardOfTensor {
            guard let position = positions[shard], files[position][tensor.string] != nil else {
                notices.append("\(name): tensor \"\(tensor)\" is not in \(shard), as the index says")
                continue
            }
            listed[position] += 1
        }
        return notices
            + zip(files, listed).compactMap { file, listed in
                let unlisted = file.tensors.count - listed
                return unlisted == 0 ? nil : "\(file.file.name): \(unlisted) tensors are not in the index"
            }
    }

    private static func isPlainFileName(_ name: String) -> Bool {
        name.hasSuffix(".safetensors") && !name.hasPrefix(".") && !name.utf8.contains { "/\\\0".utf8.contains($0) }
    }
}
