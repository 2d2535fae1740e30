/// Which patch of a stack broke a check.
public struct Bisection: Sendable {
    /// The first patch, in the order of application, with which the check fails.
    public let patch: AppliedPatch
    /// Whether the check holds with all the others: then this patch alone is to blame.
    public let holdsWithout: Bool
    public let checks: Int

    /// Finds it with a number of checks that grows as the logarithm of the stack's height.
    ///
    /// - Parameters:
    ///   - holds: the check of a model with the first patches of the stack, or with all but one.
    ///   - model: the patched model.
    /// - Throws: ``PatchError`` with `checkFailed` if the check fails without any patch, or holds with all of them; what
    ///   `holds` throws.
    public init(of model: PatchedCheckpoint, while holds: (PatchedCheckpoint) throws -> Bool) throws {
        let patches = model.stack.patches
        var runs = 0
        func check(_ kept: [AppliedPatch]) throws -> Bool {
            runs += 1
            return try holds(PatchedCheckpoint(model.checkpoint, wanting: PatchStack(kept)))
        }
        guard !patches.isEmpty, try !check(patches) else {
            throw PatchError(
                .checkFailed, "there is nothing to find", subject: model.checkpoint.url.relativePath,
                found: patches.isEmpty ? "no patches" : "the check holds with all patches")
        }
        guard try check([]) else {
            throw PatchError(
                .checkFailed, "the check fails without any patch", subject: model.checkpoint.url.relativePath,
                hint: "it is not a patch that broke it")
        }
        let bad = try Culprits.shortest(between: 0, and: patches.count) { try check(Array(patches.prefix($0))) }
        patch = patches[bad - 1]
        var others = patches
        others.remove(at: bad - 1)
        holdsWithout = try patches.count == 1 || check(others)
        checks = runs
    }
}
