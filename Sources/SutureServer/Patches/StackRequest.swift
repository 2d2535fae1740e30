import SutureFormats

/// The patches that a request wants on the model.
struct StackRequest: Sendable, Equatable {
    /// One patch, by its name or the beginning of its id, and how much of it; nil takes the scale that it has on the server.
    struct Part: Sendable, Equatable {
        var name: String
        var scale: Double?
    }

    /// nil for those that are enabled.
    var parts: [Part]?

    /// What a model's name says: `base` for what is enabled, `base+fix1@0.5+fix2` for these and no others.
    ///
    /// Throws ``ServerError`` with code `notFound` for another model, and `badRequest` for a scale that is no number.
    init(model: String, of base: String) throws {
        let words = model.split(separator: "+", omittingEmptySubsequences: false).map(String.init)
        guard words[0] == base else {
            throw ServerError(.notFound, "there is no such model", expected: base, found: "\"\(model)\"")
        }
        guard words.count > 1 else { return }
        parts = try words.dropFirst().map { try Self.part($0, subject: "model") }
    }

    /// What `patches` of a request says: `["fix1@0.5", {"name": "fix2", "scale": 1}]`, none for the base alone.
    init(_ list: JSONField) throws {
        parts = try list.array.map { entry in
            guard entry.value.objectValue != nil else { return try Self.part(entry.string, subject: entry.path) }
            try entry.allow(["name", "scale"])
            return Part(name: try entry.require("name").string, scale: try entry.optional("scale")?.double)
        }
    }

    init() {}

    /// What `patches` of a request says, or else its `model`, or else what is enabled.
    init(of body: JSONField, named base: String) throws {
        if let list = try body.optional("patches") {
            try self.init(list)
        } else if let model = try body.optional("model") {
            try self.init(model: model.string, of: base)
        } else {
            self.init()
        }
    }

    private static func part(_ text: String, subject: String) throws -> Part {
        let words = text.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        guard words.count == 2 else { return Part(name: text) }
        guard let scale = Double(words[1]), scale.isFinite else {
            throw ServerError(
                .badRequest, "a scale is a finite number", subject: subject, expected: "such as fix@0.5",
                found: "\"\(text)\"")
        }
        return Part(name: words[0], scale: scale)
    }
}
