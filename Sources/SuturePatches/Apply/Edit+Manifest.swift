import SutureFormats

// An edit in a manifest: what it changes and how, and the names of the payload tensors that it needs.
extension Edit {
    static func json(_ edits: [Edit]) -> JSON { .array(edits.enumerated().map { $1.json(position: $0) }) }

    /// The tensors of the patch file, by name, edit by edit.
    static func payload(of edits: [Edit]) -> [(name: String, tensor: PayloadTensor)] {
        edits.enumerated().flatMap { position, edit in
            edit.parts.map { (name: edit.name(of: $0.key, position: position), tensor: $0.tensor) }
        }
    }

    private var parts: [(key: ByteString, tensor: PayloadTensor)] {
        var parts = delta.payload
        if let original { parts.append(("original", original)) }
        if scale != 1 {
            let bytes = withUnsafeBytes(of: scale.bitPattern.littleEndian) { [UInt8]($0) }
            parts.append(("scale", PayloadTensor(.float64, [], bytes)))
        }
        return parts
    }

    // The position keeps names apart where a tensor has several edits.
    private func name(of part: ByteString, position: Int) -> String { "\(tensor).\(position).\(part)" }

    private func json(position: Int) -> JSON {
        var members: JSONObject = ["tensor": JSON(tensor), "kind": JSON(kind.rawValue)]
        for (key, value) in delta.members { members[key] = value }
        for part in parts { members[part.key] = JSON(name(of: part.key, position: position)) }
        return .object(members)
    }

    init(_ field: JSONField, position: Int, base: OrderedTable<BaseTensor>, payload: SafetensorsFile) throws {
        let kind = try Self.kind(field.require("kind"))
        tensor = try field.require("tensor").string
        guard let target = base[ByteString(tensor)] else {
            throw PatchError(
                .malformedManifest, "this tensor is not among those of the base", subject: field.path, found: tensor)
        }
        let reader = PayloadReader(field: field, prefix: "\(tensor).\(position).", file: payload)
        let delta: any Delta
        switch kind {
        case .columns, .rows:
            delta = SliceDelta(
                isColumns: kind == .columns, indices: try field.require("indices").array.map { try $0.int },
                values: try reader.read("delta", .float32))
        case .lowRank: delta = try LowRankDelta(a: reader.read("a", .float32), b: reader.read("b", .float32))
        case .sparse:
            let type = SparseDelta.indexType(elementCount: target.shape.reduce(1, *))
            delta = try SparseDelta(indices: reader.read("indices", type), values: reader.read("delta", .float32))
        case .dense: delta = DenseDelta(values: try reader.read("delta", .float32, target.type))
        case .quantized:
            let scheme = try Self.scheme(field.optional("scheme"))
            delta = QuantizedDelta(
                bits: try field.require("bits").int, scheme: scheme, codes: try reader.read("codes", .uint8),
                scales: try reader.read("scales", .float32),
                zeros: try scheme == .log || field.optional("zeros") == nil ? nil : reader.read("zeros", .float32))
        }
        self.delta = delta
        scale = try field.optional("scale") == nil ? 1 : reader.scale()
        if delta.storesOriginal {
            // The shape is asked for after the checks that make it possible to say.
            try delta.check(against: target, subject: "\(payload.file.name): \(tensor)")
            let original = try reader.read("original", target.type)
            let shape = delta.originalShape(for: target.shape)
            guard original.shape == shape else {
                throw PatchError(
                    .badPayload, "the payload does not fit the edit", subject: "\(payload.file.name): \(tensor)",
                    expected: "original \(shape)", found: "\(original.shape)")
            }
            self.original = original
        } else {
            original = nil
        }
        try field.allowOnly(Set(["tensor", "kind"] + delta.members.map(\.key) + parts.map(\.key)))
    }

    /// `log`, or linear where nothing is said.
    private static func scheme(_ field: JSONField?) throws -> QuantizationOptions.Scheme {
        guard let field else { return .linear }
        guard try field.string == QuantizationOptions.Scheme.log.rawValue else {
            throw PatchError(
                .unsupportedKind, "codes of this scheme cannot be read", subject: field.path, expected: "log",
                found: "\"\(try field.string.prefix(80))\"", hint: "a newer version of suture may know it")
        }
        return .log
    }

    private static func kind(_ field: JSONField) throws -> Kind {
        guard let kind = try Kind(rawValue: field.string) else {
            throw PatchError(
                .unsupportedKind, "edits of this kind cannot be applied", subject: field.path,
                expected: Kind.allCases.map(\.rawValue).joined(separator: ", "),
                found: "\"\(try field.string.prefix(80))\"", hint: "a newer version of suture may know it")
        }
        return kind
    }
}

/// Finds the payload tensors that an edit names.
private struct PayloadReader {
    let field: JSONField
    let prefix: String
    let file: SafetensorsFile

    func read(_ key: ByteString, _ types: StorageType...) throws -> PayloadTensor {
        let name = try field.require(key)
        guard try name.string == prefix + key.string else {
            throw PatchError(
                .malformedManifest, "wrong name of a payload tensor", subject: name.path,
                expected: prefix + key.string, found: try name.string)
        }
        guard let tensor = file[prefix + key.string] else {
            throw PatchError(
                .badPayload, "a payload tensor is missing", subject: name.path, expected: "\"\(prefix)\(key)\"")
        }
        guard types.contains(tensor.type) else {
            throw PatchError(
                .badPayload, "a payload tensor of the wrong type", subject: "\(file.file.name): \(tensor.name)",
                expected: types.map(\.rawValue).joined(separator: " or "), found: tensor.type.rawValue)
        }
        return try PayloadTensor(type: tensor.type, shape: tensor.shape, bytes: file.pieces(of: tensor))
    }

    func scale() throws -> Double {
        let tensor = try read("scale", .float64)
        guard tensor.shape == [] else {
            throw PatchError(.badPayload, "a scale is one number", subject: field.path, found: "\(tensor.shape)")
        }
        let bits = try tensor.bytes.bytes(0..<8).withUnsafeBytes { $0.loadUnaligned(as: UInt64.self) }
        return Double(bitPattern: UInt64(littleEndian: bits))
    }
}
