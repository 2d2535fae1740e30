import SutureFormats
import SutureTensor

/// Where what methods compute from reference texts comes from: a cache, or a file that was made for the purpose.
public protocol StatisticsSource: Sendable {
    /// What is asked for, made or kept.
    func tensors(_ request: StatisticsRequest) throws -> [Tensor]
}

/// What is computed from reference texts, and how: a part of the texts after the other.
public struct StatisticsRequest {
    /// What it is, in words that also tell it from all else.
    let what: String
    /// The texts, in tokens.
    let texts: [[Int]]
    /// The name and shape of each tensor.
    let forms: KeyValuePairs<String, [Int]>
    let sums: Sums

    /// Sums that grow part by part, and can be gone on with behind any of them.
    struct Sums {
        var parts = 1
        /// Before the first part.
        var begin: () throws -> [Tensor] = { [] }
        /// Adds a part.
        var add: (_ part: Int, _ sums: inout [Tensor]) throws -> Void
        /// What the sums of all parts come to.
        var finish: ([Tensor]) throws -> [Tensor] = { $0 }
    }

    /// The tensors: of all parts, or of those behind the ones that are done.
    ///
    /// - Parameter partDone: told how many parts are done, and what their sums are.
    func made(
        from start: (done: Int, sums: [Tensor])? = nil, partDone: (Int, [Tensor]) throws -> Void = { _, _ in }
    ) throws -> [Tensor] {
        var sums = try start?.sums ?? self.sums.begin()
        for part in (start?.done ?? 0)..<self.sums.parts {
            try self.sums.add(part, &sums)
            if part + 1 < self.sums.parts { try partDone(part + 1, sums) }
        }
        return try self.sums.finish(sums)
    }

    /// What tells its texts from others.
    var textDigest: String {
        Digest.sha256(JSON.array(texts.map { .array($0.map { JSON($0) }) }).serialized())
    }
}

extension RepairMaterial {
    /// The tensors, from where statistics are kept, on the model's device.
    func tensors(_ request: StatisticsRequest) throws -> [Tensor] {
        guard texts.contains(where: { !$0.isEmpty }) else {
            throw RepairError(.badRequest, "there are no reference texts")
        }
        return try (statistics?.tensors(request) ?? request.made()).map { try $0.to(model.device) }
    }
}
