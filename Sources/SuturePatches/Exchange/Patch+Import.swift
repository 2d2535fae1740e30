import Foundation
import SutureFormats

extension Patch {
    /// The patch that an adapter or a file of plain differences is.
    ///
    /// Read are the directories of LoRA adapters of PEFT (`adapter_model.safetensors`; alpha over rank, rank-stabilized
    /// scaling, alphas by pattern, embeddings, DoRA, biases and modules saved whole) and of mlx-lm (`adapters.safetensors`), and safetensors
    /// files of what is to be added, by the names of the model's tensors.
    ///
    /// - Throws: ``PatchError`` that names whatever has no place in a patch: nothing is left out in silence.
    public init(importing url: URL, base: Checkpoint) throws {
        let config = url.appending(path: "adapter_config.json")
        let changes: [Edit]
        if FileManager.default.fileExists(atPath: config.path) {
            let field = JSONField(try JSON.parse(contentsOf: config), source: config.relativePath)
            func place(_ name: String) -> URL? {
                let place = url.appending(path: name)
                return FileManager.default.fileExists(atPath: place.path) ? place : nil
            }
            if let peft = place("adapter_model.safetensors") {
                changes = try ImportedAdapter(SafetensorsFile(peft), base).peft(field)
            } else if let mlx = place("adapters.safetensors") {
                changes = try ImportedAdapter(SafetensorsFile(mlx), base).mlx(field)
            } else {
                let isPickled = place("adapter_model.bin") != nil
                throw FormatError(
                    .missingFile, "there are no weights of an adapter", subject: url.relativePath,
                    expected: "adapter_model.safetensors (PEFT) or adapters.safetensors (mlx-lm)",
                    found: isPickled ? "adapter_model.bin" : nil,
                    hint: isPickled ? "save it as safetensors: pickled files are not read" : nil)
            }
        } else {
            changes = try Self.plain(SafetensorsFile(url), base)
        }
        try self.init(changes, of: base, method: .importing(url))
    }

    private static func plain(_ file: SafetensorsFile, _ base: Checkpoint) throws -> [Edit] {
        try file.tensors.map { tensor in
            guard base[tensor.name] != nil else {
                throw PatchError(
                    .wrongBase, "the model has no such tensor", subject: "\(file.file.name): \(tensor.name)",
                    hint: "a file of differences names them as the model does")
            }
            let payload = try ImportedAdapter.payload(tensor, of: file)
            let isKept = payload.type == .float32 || payload.type == base[tensor.name]?.type
            let values = isKept ? payload : PayloadTensor(try payload.floats(), shape: payload.shape)
            return Edit(tensor: tensor.name, DenseDelta(values: values))
        }
    }
}

extension Patch.Method {
    /// Read from a file of other software.
    public static func importing(_ url: URL) -> Patch.Method {
        Patch.Method(name: "import", options: ["file": JSON(url.lastPathComponent)])
    }
}
