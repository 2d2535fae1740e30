import SutureFormats

extension JSONField {
    /// Throws ``ServerError`` for a key that is not read here: nothing that a request asks for is left out in silence.
    func allow(_ keys: Set<ByteString>, ignoring others: Set<ByteString> = []) throws {
        let members = try object
        for key in members.keys where !keys.contains(key) && !others.contains(key) {
            guard members[key]?.isNull == false else { continue }
            throw ServerError(.badRequest, "\"\(key)\" is not supported", subject: path, hint: "leave it out")
        }
    }

    /// A number in a range, if it is there.
    func int(_ key: ByteString, in range: ClosedRange<Int>) throws -> Int? {
        guard let field = try optional(key) else { return nil }
        let value = try field.int
        guard range.contains(value) else { throw field.outside("\(range)", value) }
        return value
    }

    /// A number in a range, if it is there.
    func double(_ key: ByteString, in range: ClosedRange<Double>) throws -> Double? {
        guard let field = try optional(key) else { return nil }
        let value = try field.double
        guard range.contains(value) else { throw field.outside("\(range)", value) }
        return value
    }

    /// Throws ``ServerError`` unless the value is absent or one that changes nothing.
    func refuse(_ key: ByteString, unless isHarmless: (JSON) -> Bool) throws {
        guard let field = try optional(key), !isHarmless(field.value) else { return }
        throw ServerError(.badRequest, "this is not supported", subject: field.path, hint: "leave it out")
    }

    private func outside(_ range: String, _ value: Any) -> ServerError {
        ServerError(.badRequest, "a number is out of range", subject: path, expected: range, found: "\(value)")
    }
}
