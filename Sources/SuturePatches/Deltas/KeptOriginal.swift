import Foundation
import SutureFormats

/// A whole tensor of the base, which a patched snapshot keeps where a patch does not say what was there before.
///
/// It lies in a file named by its digest, so that it never changes: later snapshots share it.
enum KeptOriginal {
    private static let tensorName = "original"

    static func path(of base: BaseTensor) -> String {
        "suture/originals/\(base.digest.dropFirst(BaseTensor.digestPrefix.count).prefix(16)).safetensors"
    }

    /// The bytes, which are still to be held against the digest.
    static func read(_ base: BaseTensor, in directory: URL) throws -> TensorBytes {
        let file = try SafetensorsFile(directory.appending(path: path(of: base)))
        guard file.tensors.count == 1, let tensor = file[tensorName], tensor.type == base.type,
            tensor.shape == base.shape
        else {
            throw PatchError(
                .malformedLock, "this does not hold the original of a patched tensor", subject: file.file.name,
                expected: "\"\(tensorName)\", \(base.description)", hint: "start again from the unpatched model")
        }
        return file.pieces(of: tensor)
    }

    /// Writes the file while the tensor is read; nothing if two tensors are the same and it is there already.
    static func write(
        _ base: BaseTensor, to directory: URL,
        _ body: (_ append: (UnsafeRawBufferPointer) throws -> Void) throws -> Void
    ) throws {
        let url = directory.appending(path: path(of: base))
        try FileManager.default.makeDirectory(url.deletingLastPathComponent())
        try withoutActuallyEscaping(body) { body in
            try SafetensorsWriter.write(
                [SafetensorsSource(tensorName, base.type, base.shape, data: body)], to: url, overwriting: true)
        }
    }
}

extension PatchStack {
    /// The tensors of the base that a snapshot with this stack keeps, each content once.
    var keptOriginals: [BaseTensor] {
        var digests: Set<String> = []
        return base.filter { name, _ in sum(for: name.string)?.needsOriginal == true }.map(\.value)
            .filter { digests.insert($0.digest).inserted }
    }
}
