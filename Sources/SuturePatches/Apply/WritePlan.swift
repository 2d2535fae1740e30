import Foundation
import SutureFormats

/// What writing a patched model would do.
public struct WritePlan: Sendable {
    /// One weight file of the model.
    public struct File: Sendable, Equatable {
        public let name: String
        public let bytes: Int

        init(name: String, bytes: Int) {
            self.name = name
            self.bytes = bytes
        }

        init(_ patch: Patch) {
            self.init(name: patch.shortID, bytes: patch.payload.reduce(0) { $0 + $1.tensor.bytes.count })
        }

        init(_ file: SafetensorsFile) {
            self.init(name: URL(filePath: file.file.name).lastPathComponent, bytes: file.file.bytes.count)
        }
    }

    /// Weight files that hold touched tensors.
    public let rewritten: [File]
    /// The other weight files.
    public let untouched: [File]
    public let untouchedAre: UntouchedFiles
    /// Configuration, tokenizer and the like.
    public let copied: [File]
    /// Tensors of the base that are kept so that the patches can be taken off again.
    public let originals: [File]
    /// The patch files.
    public let patches: [File]

    /// All bytes that will be written, but for headers and the lock.
    public var bytes: Int {
        let files = rewritten + (untouchedAre == .copied ? untouched : []) + copied + originals + patches
        return files.reduce(0) { $0 + $1.bytes }
    }

    /// Refuses what there is clearly no room for, before anything is written.
    func checkSpace(beside url: URL) throws {
        var space = statvfs()
        guard statvfs(url.deletingLastPathComponent().path, &space) == 0 else { return }
        let free = Int(
            clamping: UInt64(space.f_bavail).multipliedReportingOverflow(by: UInt64(space.f_frsize)).partialValue)
        guard free < bytes else { return }
        throw FormatError(
            .cannotWrite, "there is no room for the patched model", subject: url.relativePath,
            expected: "\(bytes) bytes", found: "\(free) free")
    }
}
