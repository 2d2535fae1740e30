import SutureFormats
import SuturePatches

extension Patch {
    /// The patch that gives the batch norms of a model other running averages, such as those of corrupted images.
    ///
    /// It is made for the model as it is, with the patches that it has, which become its parents; they are added to, so
    /// that each is taken off exactly.
    ///
    /// - Parameters:
    ///   - averages: the new values, by the names of the tensors.
    ///   - checkpoint: the model.
    ///   - data: what the averages are of, for the manifest.
    /// - Throws: ``SignatureError`` with code `badRequest` for values that do not fit a tensor of the model; `PatchError`
    ///   if a value is no number, or none differs.
    public init(runningAverages averages: [String: [Float]], of checkpoint: Checkpoint, data: String) throws {
        let patched = try PatchedCheckpoint(checkpoint)
        let changes = try averages.sorted { $0.key < $1.key }.map { name, values -> Edit in
            guard let tensor = checkpoint[name], tensor.type.isPatchable, tensor.shape == [values.count] else {
                throw SignatureError(
                    .badRequest, "the averages do not fit the model", subject: name, expected: "[\(values.count)]",
                    found: checkpoint[name].map { "\($0.type.rawValue) \($0.shape)" } ?? "no such tensor")
            }
            let now = try patched.floats(of: tensor)
            return .dense(name, zip(values, now).map { $0 - $1 }, shape: tensor.shape)
        }
        try self.init(changes, of: checkpoint, method: Method(name: "running-averages", options: ["data": JSON(data)]))
    }
}
