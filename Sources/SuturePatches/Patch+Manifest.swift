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
            "edits": Edit.json(edits), "method": method.json, "results": results, "tool": JSON(tool),
            "created": JSON(created), "parents": .array(parents.map { JSON($0) })
        ]
        for (key, value) in unknown { members[key] = value }
        return .object(members)
    }

    /// The tensors of the patch file, by name, larger elements first so that all are aligned.
    var payload: [(name: String, tensor: PayloadTensor)] {
        Edit.payload(of: edits).enumerated()
            .sorted { ($1.element.tensor.type.width, $0.offset) < ($0.element.tensor.type.width, $1.offset) }
            .map(\.element)
    }

    /// The patch that a manifest describes.
    ///
    /// - Parameter payload: the tensors of the file that the manifest is from.
    init(_ field: JSONField, payload: SafetensorsFile) throws {
        try Self.checkSchema(field.require("schema"))
        let base = try BaseTensor.table(field.require("base"))
        // All of the payload is hashed now.
        let edits = try Parallel.map(Array(field.require("edits").array.enumerated())) { position, field in
            try Edit(field, position: position, base: base, payload: payload)
        }
        var unknown = JSONObject()
        for (key, value) in try field.object where !Self.keys.contains(key) { unknown[key] = value }
        try self.init(
            base: base, edits: edits, method: Method(field.require("method")), results: field.require("results").value,
            tool: field.require("tool").string, created: field.require("created").string,
            parents: field.require("parents").array.map { try $0.digest }, unknown: unknown, source: payload.file.name)
        let expected = self.payload.count
        guard payload.tensors.count == expected else {
            throw PatchError(
                .badPayload, "the file holds tensors that no edit names", subject: payload.file.name,
                expected: "\(expected)", found: "\(payload.tensors.count)")
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
        for (name, tensor) in Edit.payload(of: edits) { payload[ByteString(name)] = JSON(tensor.digest) }
        let content: JSON = [
            "base": BaseTensor.json(base), "edits": Edit.json(edits), "payload": .object(payload)
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
}

extension Patch.Method {
    private static let keys: Set<ByteString> = ["name", "version", "options", "seed"]

    fileprivate var json: JSON {
        var members: JSONObject = [
            "name": JSON(name), "version": JSON(version), "options": options, "seed": seed.map { JSON($0) } ?? .null
        ]
        for (key, value) in unknown { members[key] = value }
        return .object(members)
    }

    fileprivate init(_ field: JSONField) throws {
        var unknown = JSONObject()
        for (key, value) in try field.object where !Self.keys.contains(key) { unknown[key] = value }
        try self.init(
            name: field.require("name").string, version: field.require("version").string,
            options: .object(field.require("options").object), seed: field.optional("seed")?.int, unknown: unknown)
    }
}
