import SutureFormats

/// What a patch knows of a tensor that it changes: the tensor's type, shape and content before.
public struct BaseTensor: Sendable, Equatable {
    /// `sha256:` and the digest of `Digest.tensor(type:shape:bytes:)`.
    public let digest: String
    public let type: StorageType
    public let shape: [Int]
    /// Whether the model has no such tensor: then it is one of zeros, and the digest that of zeros.
    public let isAbsent: Bool

    static let digestPrefix = "sha256:"

    /// A tensor whose bytes were given to `digest`.
    init(type: StorageType, shape: [Int], digest: Digest, isAbsent: Bool = false) {
        self.type = type
        self.shape = shape
        self.isAbsent = isAbsent
        self.digest = Self.digestPrefix + digest.hexadecimal
    }

    /// `BF16 [576, 1536], sha256:0123456789ab...`
    var description: String { "\(form), \(digest.prefix(19))..." }

    /// `BF16 [576, 1536]`
    private var form: String { "\(type.rawValue) \(shape)" }

    /// How a tensor of that name differs in form, if it does.
    func difference(to tensor: Checkpoint.Tensor?, named name: String) -> BaseDifference? {
        if isAbsent {
            return tensor.map {
                BaseDifference(tensor: name, expected: "no such tensor", found: "\($0.type.rawValue) \($0.shape)")
            }
        }
        guard let tensor else { return BaseDifference(tensor: name, expected: form, found: "no such tensor") }
        if tensor.type == type, tensor.shape == shape { return nil }
        return BaseDifference(
            tensor: name, expected: form, found: "\(tensor.type.rawValue) \(tensor.shape)",
            isOfType: tensor.shape == shape)
    }

    /// How a tensor's content differs, if it does.
    func difference(to other: BaseTensor, named name: String) -> BaseDifference? {
        other == self ? nil : BaseDifference(tensor: name, expected: description, found: other.description)
    }
}

// MARK: Manifest

extension BaseTensor {
    var json: JSON {
        var members: JSONObject = isAbsent ? ["absent": true] : [:]
        for (key, value) in [
            ("digest", JSON(digest)), ("dtype", JSON(type.rawValue)), ("shape", .array(shape.map { JSON($0) }))
        ] as [(ByteString, JSON)] {
            members[key] = value
        }
        return .object(members)
    }

    init(_ field: JSONField) throws {
        digest = try field.require("digest").digest
        let dtype = try field.require("dtype")
        guard let type = try StorageType(rawValue: dtype.string) else {
            throw PatchError(.malformedManifest, "unknown element type", subject: dtype.path, found: try dtype.string)
        }
        self.type = type
        let sizes = try field.require("shape")
        shape = try sizes.array.map { try $0.int }
        guard let bytes = type.byteCount(shape: shape), bytes > 0 else {
            throw PatchError(.malformedManifest, "impossible shape", subject: sizes.path, found: "\(shape)")
        }
        isAbsent = try field.optional("absent")?.bool ?? false
        if isAbsent { try checkAbsent(field) }
        try field.allowOnly(["absent", "digest", "dtype", "shape"])
    }

    /// `{"tensors": {name: {"digest", "dtype", "shape"}}}`, in a patch and in a lock.
    static func table(_ field: JSONField) throws -> OrderedTable<BaseTensor> {
        let tensors = try field.require("tensors")
        try field.allowOnly(["tensors"])
        var table = OrderedTable<BaseTensor>()
        for name in try tensors.object.keys { table[name] = try BaseTensor(tensors.require(name)) }
        return table
    }

    static func json(_ table: OrderedTable<BaseTensor>) -> JSON {
        var tensors = JSONObject()
        for (name, tensor) in table { tensors[name] = tensor.json }
        return ["tensors": .object(tensors)]
    }
}

extension JSONField {
    /// `sha256:` and 64 hexadecimal digits in lower case.
    var digest: String {
        get throws {
            let text = try string
            let digits = text.utf8.dropFirst(BaseTensor.digestPrefix.utf8.count)
            let isHexadecimal = digits.allSatisfy {
                (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
                    || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains($0)
            }
            guard text.hasPrefix(BaseTensor.digestPrefix), digits.count == 64, isHexadecimal else {
                throw PatchError(
                    .malformedManifest, "not a digest", subject: path, expected: "sha256: and 64 digits",
                    found: "\"\(text.prefix(80))\"")
            }
            return text
        }
    }

    /// What a reader does not know could change what the object means, so it is refused.
    func allowOnly(_ keys: Set<ByteString>) throws {
        for key in try object.keys where !keys.contains(key) {
            throw PatchError(
                .malformedManifest, "unknown key \"\(key)\"", subject: path,
                hint: "a newer version of suture may know it")
        }
    }
}
