import Foundation
import SutureFormats
import SuturePatches
import SutureTensor

/// Keeps what a method computes once for a model, so that the next repair of the model reads a file instead.
///
/// An entry is a safetensors file, named by the SHA-256 of all that it depends on: the model, the texts, what was
/// computed from them and how. It is checked when it is read; what is missing or not as it should be is computed anew
/// and written over. A directory that cannot be written to costs time and nothing else.
public struct StatisticsCache: StatisticsSource {
    private let checkpoint: Checkpoint
    private let patches: [AppliedPatch]
    private let directory: URL
    /// How long what is made is not kept at most.
    var interval = Duration.seconds(20)

    /// Goes up with every change of what is computed.
    static let version = 1

    /// The statistics of one model, with patches on top of its checkpoint, in a directory that need not be there yet.
    public init(
        of checkpoint: Checkpoint, with patches: [AppliedPatch] = [],
        in directory: URL = StatisticsCache.standardDirectory
    ) {
        self.checkpoint = checkpoint
        self.patches = patches
        self.directory = directory
    }

    /// `suture/statistics` in the user's cache directory, which `XDG_CACHE_HOME` names, or else is `~/.cache`.
    public static var standardDirectory: URL { standardDirectory(ProcessInfo.processInfo.environment) }

    /// As the XDG base directory specification has it: a path that is not absolute is not valid, and ignored.
    static func standardDirectory(_ environment: [String: String]) -> URL {
        func directory(_ name: String) -> URL? {
            environment[name].flatMap { $0.hasPrefix("/") ? URL(filePath: $0, directoryHint: .isDirectory) : nil }
        }
        let home = directory("HOME") ?? FileManager.default.homeDirectoryForCurrentUser
        return (directory("XDG_CACHE_HOME") ?? home.appending(path: ".cache")).appending(path: "suture/statistics")
    }

    /// Whether anything can be kept there.
    public var isWritable: Bool {
        (try? FileManager.default.makeDirectory(directory)) != nil && access(directory.path, W_OK) == 0
    }

    /// Tensors of float64: those of the entry, or what is made of the texts, which is then kept.
    ///
    /// What was made of a part of the texts is kept on the way, and gone on with.
    public func tensors(_ request: StatisticsRequest) throws -> [Tensor] {
        let parts: JSON = [
            "version": JSON(Self.version), "what": JSON(request.what), "model": JSON(try checkpoint.digest()),
            "patches": StatisticsFile.list(patches),
            "texts": .array(request.texts.map { .array($0.map { JSON($0) }) })
        ]
        let key = Digest.sha256(parts.serialized())
        let url = directory.appending(path: "\(key).safetensors")
        let forms = request.forms.map { (name: $0.key, shape: $0.value) }
        if let kept = try? read(url, forms, key: key) { return kept.tensors }
        let partial = directory.appending(path: "\(key).part.safetensors")
        var kept = ContinuousClock.now
        let made = try request.made(from: try? begun(request, partial, key)) { done, sums in
            guard ContinuousClock.now - kept >= interval else { return }
            try? write(sums, Self.places(sums), to: partial, key: key, done: done)
            kept = .now
        }
        try? write(made, forms.map(\.name), to: url, key: key)
        try? FileManager.default.removeItem(at: partial)
        return made
    }

    /// How many parts of the texts were done, and the sums of these as the computation has them.
    private func begun(_ request: StatisticsRequest, _ url: URL, _ key: String) throws -> (Int, [Tensor])? {
        guard FileManager.default.fileExists(atPath: url.path) else { return nil }
        let zero = try request.sums.begin()
        guard
            let kept = try read(url, zip(Self.places(zero), zero).map { ($0, $1.shape) }, key: key),
            (1..<request.sums.parts).contains(kept.done)
        else { return nil }
        return (kept.done, try zip(kept.tensors, zero).map { try $0.to($1.dtype).to($1.device) })
    }

    private static func places(_ sums: [Tensor]) -> [String] { sums.indices.map { "\($0)" } }

    private func write(_ tensors: [Tensor], _ names: [String], to url: URL, key: String, done: Int = 0) throws {
        try FileManager.default.makeDirectory(directory)
        try KeptTensors(names, tensors).write(
            ["key": ByteString(key), "done": ByteString("\(done)")], to: url, overwriting: true)
    }

    /// The tensors of a file that is whole and holds what it should, and how many parts they are of; nil for any other.
    private func read(
        _ url: URL, _ forms: [(name: String, shape: [Int])], key: String
    ) throws -> (tensors: [Tensor], done: Int)? {
        let file = try SafetensorsFile(url)
        guard file.metadata["key"] == ByteString(key), file.tensors.count == forms.count, KeptTensors.isWhole(file),
            let tensors = try KeptTensors.read(forms, of: file)
        else { return nil }
        return (tensors, file.metadata["done"].flatMap { Int($0.string) } ?? 0)
    }
}
