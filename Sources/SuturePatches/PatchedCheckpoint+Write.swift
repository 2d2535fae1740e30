import Foundation
import SutureFormats

extension PatchedCheckpoint {
    /// Writes the patched model as a new snapshot directory, whole or not at all.
    ///
    /// Weight files that hold touched tensors are written anew, with the same header; all other files are copied. The
    /// stack is recorded in `suture.lock.json` and `suture/`; with an empty one the result is the base, byte for byte.
    ///
    /// - Parameters:
    ///   - url: the place of the directory.
    ///   - overwriting: whether another snapshot directory there is replaced.
    /// - Throws: ``PatchError`` if the checkpoint is not the one that the patches were made for, or is no snapshot;
    ///   `FormatError` if there is something already or the system fails. Nothing is left behind.
    public func write(to url: URL, overwriting: Bool = false) throws {
        guard let snapshot = checkpoint.snapshot else {
            throw PatchError(
                .needsSnapshot, "patches are applied to files only in a snapshot directory",
                subject: checkpoint.url.relativePath, found: "a GGUF file",
                hint: "convert it first with `suture convert`, or apply the patch on load")
        }
        try SnapshotDirectory.create(at: url, from: checkpoint.url, overwriting: overwriting) { directory in
            let names = snapshot.files.map { URL(filePath: $0.file.name).lastPathComponent }
            let touched = Set(touchedFiles.map(\.name))
            for (file, name) in zip(snapshot.files, names) where touched.contains(name) {
                try rewrite(file, to: directory.appending(path: name))
            }
            let ours = PatchLock.files(of: present)
            let index = snapshot.indexFile.map { [$0] } ?? []
            try snapshot.copy(
                index + names.filter { !touched.contains($0) } + snapshot.otherFiles.filter { !ours.contains($0) },
                to: directory)
            try PatchLock.write(stack, to: directory)
        }
    }

    /// Copies a weight file with other bytes in place of the touched tensors.
    private func rewrite(_ file: SafetensorsFile, to url: URL) throws {
        try AtomicFile.write(to: url) { output in
            var position = 0
            for stored in file.tensors {
                guard let tensor = checkpoint[stored.name],
                    let data = try data(for: tensor, current: checkpoint.data(of: tensor))
                else { continue }
                try output.append(UnsafeRawBufferPointer(rebasing: file.file.bytes[position..<stored.range.lowerBound]))
                try withExtendedLifetime(data) { try output.append(data.bytes) }
                position = stored.range.upperBound
            }
            try output.append(UnsafeRawBufferPointer(rebasing: file.file.bytes[position...]))
        }
    }
}
