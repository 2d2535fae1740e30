import SutureFormats

// A bias that the model does not have: what a patch adds to an MLP's output projection where the family has none. Such a
// tensor is zeros in the base, so that stacks, scales and sums need to know no more of it.

extension BaseTensor {
    /// More than any model's width: what is hashed is not asked for by a file alone.
    private static let widthLimit = 1 << 20

    /// The base of a tensor that the model does not have: float32 zeros.
    init(absent shape: [Int]) {
        var digest = Digest(labeled: .float32, shape)
        Self.zeros(shape).withUnsafeBytes { digest.update($0) }
        self.init(type: .float32, shape: shape, digest: digest, isAbsent: true)
    }

    /// The bytes of as many float32 zeros.
    static func zeros(_ shape: [Int]) -> [UInt8] { [UInt8](repeating: 0, count: 4 * shape.reduce(1, *)) }

    /// Throws ``PatchError`` with code `malformedManifest` for an absent tensor that is not zeros.
    func checkAbsent(_ field: JSONField) throws {
        let isVector = type == .float32 && shape.count == 1 && (shape.first ?? 0) <= Self.widthLimit
        guard isVector, BaseTensor(absent: shape) == self else {
            throw PatchError(
                .malformedManifest, "a tensor that the base lacks is zeros", subject: field.path,
                expected: "absent, F32 [width], and the digest of zeros", found: description)
        }
    }
}

extension Checkpoint {
    /// The bias of an MLP's output projection that the checkpoint does not have, if `name` is one: `[width]`, float32.
    ///
    /// Names end so in all families without one; others with another name have it always.
    func absentBias(_ name: String) -> Tensor? {
        let endings = [".mlp.down_proj.bias", ".mlp.c_proj.bias"]
        guard self[name] == nil, endings.contains(where: name.hasSuffix),
            let weight = self[name.dropLast("bias".count) + "weight"], weight.shape.count == 2
        else { return nil }
        return Tensor(name: name, type: .float32, shape: [weight.shape[0]])
    }
}

extension PatchedCheckpoint {
    /// Throws ``PatchError`` for an added bias that has no place in this model, or that files cannot have.
    func checkAbsent() throws {
        for (name, base) in touched where base.isAbsent {
            guard present.base[name] == nil else {
                throw PatchError(
                    .malformedLock, "a patch that is only used on load cannot be in a model's files",
                    subject: checkpoint.url.relativePath, found: name.string,
                    hint: "start again from the unpatched model")
            }
            let place = checkpoint.absentBias(name.string)
            guard place?.shape == base.shape else {
                throw PatchError.wrongBase(
                    [
                        BaseDifference(
                            tensor: name.string, expected: "an MLP with an output of \(base.shape), without a bias",
                            found: place.map { "an output of \($0.shape)" } ?? "no such MLP")
                    ], of: checkpoint.url.relativePath, hint: "apply it to the model it was made for")
            }
        }
    }

    /// A tensor that the stack adds: then the model can be run, but not written, as files keep the tensors that they have.
    public var added: String? { stack.base.first { $0.value.isAbsent }?.key.string }

    /// Throws ``PatchError`` with code `noPlace` where the stack adds tensors.
    func refuseAdded() throws {
        guard let added else { return }
        throw PatchError(
            .noPlace, "the model's files have no place for this bias, and its configuration asks for none",
            subject: checkpoint.url.relativePath, found: added,
            hint:
                "use it with --patch when the model runs, or write it for llama.cpp with suture export --to controlvector"
        )
    }
}
