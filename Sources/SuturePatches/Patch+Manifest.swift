import SutureFormats

// The manifest: a JSON object, kept as one string in the metadata of the patch file under "suture".
extension Patch {
    static let schema = "suture.patch/1"
    static let metadataKey: ByteString = "suture"

    private static let keys: Set<ByteString> = [
        "schema", "id", "base", "edits", "method", "results", "tool", "created", "parents"
    ]

    var manifest: JSON {
        var members: JSONObject = [
            "schema": JSON(Self.schema), "id": JSON(id), "base": BaseTensor.json(base),
            "edits": Self.json(edits), "method": method.json, "results": results, "tool": JSON(tool),
            "created": JSON(created), "parents": .array(parents.map { JSON($0) })
        ]
        for (key, value) in unknown { members[key] = value }
        return .object(members)
    }

    /// The patch that a manifest describes.
    ///
    /// - Parameter payload: the tensors of the file that the manifest is from.
    init(_ field: JSONField, payload: SafetensorsFile) throws {
        try Self.checkSchema(field.require("schema"))
        let base = try BaseTensor.table(field.require("base"))
        let edits = try field.require("edits").array.map { try Edit($0, base: base, payload: payload) }
        var unknown = JSONObject()
        for (key, value) in try field.object where !Self.keys.contains(key) { unknown[key] = value }
        try self.init(
            base: base, edits: edits, method: Method(field.require("method")), results: field.require("results").value,
            tool: field.require("tool").string, created: field.require("created").string,
            parents: field.require("parents").array.map { try $0.digest }, unknown: unknown, source: payload.file.name)
        guard payload.tensors.count == 2 * edits.count else {
            throw PatchError(
                .badPayload, "the file holds tensors that no edit names", subject: payload.file.name,
                expected: "\(2 * edits.count)", found: "\(payload.tensors.count)")
        }
        let written = try field.require("id").digest
        guard written == id else {
            throw PatchError(
                .tampered, "the content of the patch is not what its id says", subject: payload.file.name,
                expected: written, found: id, hint: "fetch it again, and do not trust this copy")
        }
    }

    /// The digest over what the patch does: the canonical JSON of base, edits, and the digests of the payload.
    static func id(base: OrderedTable<BaseTensor>, edits: [Edit]) -> String {
        var payload = JSONObject()
        for (edit, (_, tensor)) in zip(edits, base) {
            for part in edit.payload(type: tensor.type, shape: tensor.shape) {
                payload[ByteString(part.name)] = JSON(
                    part.bytes.withUnsafeBytes {
                        BaseTensor(type: part.type, shape: part.shape, bytes: $0).digest
                    })
            }
        }
        let content: JSON = [
            "base": BaseTensor.json(base), "edits": json(edits), "payload": .object(payload)
        ]
        return BaseTensor.digestPrefix + Digest.sha256(content.serialized(sortedKeys: true))
    }

    /// `suture.patch/1`, also with a minor version, which may add entries to the manifest but not change meanings.
    private static func checkSchema(_ field: JSONField) throws {
        let found = try field.string
        guard found == schema || found.hasPrefix(schema + ".") else {
            throw PatchError(
                .unsupportedSchema, "patches of this version cannot be read", subject: field.path, expected: schema,
                found: "\"\(found.prefix(80))\"", hint: "a newer version of suture may read it")
        }
    }

    private static func json(_ edits: [Edit]) -> JSON { .array(edits.map(\.json)) }
}

extension Patch.Method {
    fileprivate var json: JSON {
        ["name": JSON(name), "version": JSON(version), "options": options, "seed": seed.map { JSON($0) } ?? .null]
    }

    fileprivate init(_ field: JSONField) throws {
        try self.init(
            name: field.require("name").string, version: field.require("version").string,
            options: .object(field.require("options").object), seed: field.optional("seed")?.int)
    }
}

// MARK: Edits

extension Edit {
    struct Payload {
        let name: String
        let type: StorageType
        let shape: [Int]
        let bytes: [UInt8]
    }

    private var deltaName: String { tensor + ".delta" }
    private var originalName: String { tensor + ".original" }

    fileprivate var json: JSON {
        [
            "tensor": JSON(tensor), "kind": JSON(kind.rawValue), "indices": .array(indices.map { JSON($0) }),
            "delta": JSON(deltaName), "original": JSON(originalName)
        ]
    }

    /// The tensors of the patch file that this edit needs, for a base of this type and shape.
    func payload(type: StorageType, shape: [Int]) -> [Payload] {
        let shape = [indices.count, Self.length(kind, shape: shape)]
        let bytes = delta.flatMap { value in withUnsafeBytes(of: value.bitPattern.littleEndian) { [UInt8]($0) } }
        return [
            Payload(name: deltaName, type: .float32, shape: shape, bytes: bytes),
            Payload(name: originalName, type: type, shape: shape, bytes: original)
        ]
    }

    fileprivate init(_ field: JSONField, base: OrderedTable<BaseTensor>, payload: SafetensorsFile) throws {
        let kindField = try field.require("kind")
        guard let kind = try Kind(rawValue: kindField.string) else {
            throw PatchError(
                .unsupportedKind, "edits of this kind cannot be applied", subject: kindField.path,
                expected: "columns or rows", found: "\"\(try kindField.string.prefix(80))\"",
                hint: "a newer version of suture may know it")
        }
        self.kind = kind
        tensor = try field.require("tensor").string
        indices = try field.require("indices").array.map { try $0.int }
        try field.allowOnly(["tensor", "kind", "indices", "delta", "original"])
        guard let target = base[ByteString(tensor)] else {
            throw PatchError(
                .malformedManifest, "this tensor is not among those of the base", subject: field.path, found: tensor)
        }
        guard target.shape.count == 2 else {
            throw PatchError(
                .malformedManifest, "only a matrix has columns and rows", subject: field.path,
                found: "\(target.shape)")
        }
        let shape = [indices.count, Self.length(kind, shape: target.shape)]
        let delta = try Self.bytes(of: field.require("delta"), tensor + ".delta", .float32, shape, in: payload)
        original = try Self.bytes(
            of: field.require("original"), tensor + ".original", target.type, shape, in: payload)
        self.delta = delta.withUnsafeBytes { bytes in
            (0..<bytes.count / 4).map { StorageType.float32.load(bytes, at: $0) }
        }
    }

    private static func bytes(
        of field: JSONField, _ name: String, _ type: StorageType, _ shape: [Int], in payload: SafetensorsFile
    ) throws -> [UInt8] {
        guard try field.string == name else {
            throw PatchError(
                .malformedManifest, "wrong name of a payload tensor", subject: field.path, expected: name,
                found: try field.string)
        }
        guard let tensor = payload[name] else {
            throw PatchError(
                .badPayload, "a payload tensor is missing", subject: field.path, expected: "\"\(name)\"")
        }
        guard tensor.type == type, tensor.shape == shape else {
            throw PatchError(
                .badPayload, "the payload does not fit the edit", subject: "\(payload.file.name): \(name)",
                expected: "\(type.rawValue) \(shape)", found: "\(tensor.type.rawValue) \(tensor.shape)")
        }
        return payload.bytes(of: tensor).withUnsafeBytes { [UInt8]($0) }
    }
}
