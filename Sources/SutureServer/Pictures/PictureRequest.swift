import Foundation
import SutureFormats
import SutureVision

/// A picture, what is done to it, and the patches that the classifier is to have.
struct PictureRequest: Sendable {
    static let keys: Set<ByteString> = ["image", "picture", "corruption", "severity", "seed", "model", "patches"]

    /// Where the picture comes from.
    enum Source: Sendable {
        /// Its place in the set that the server was given.
        case set(Int)
        /// The bytes of a PNG or JPEG file.
        case file([UInt8])
    }

    var source: Source
    var corruption: (kind: Corruption.Kind, severity: Int)?
    var seed: UInt64
    var stack: StackRequest

    /// `{"image": 3 or "picture": BASE64, "corruption": "fog", "severity": 3, "seed": 1, "model" or "patches"}`
    init(_ body: JSONField, _ bench: PictureBench) throws {
        try body.allow(Self.keys)
        stack = try StackRequest(of: body, named: bench.name)
        if let picture = try body.optional("picture") {
            try body.refuse("image") { _ in false }
            guard let bytes = Data(base64Encoded: try picture.string) else {
                throw ServerError(
                    .badRequest, "a picture is sent as base64", subject: picture.path, expected: "of a PNG or JPEG file"
                )
            }
            source = .file(Array(bytes))
        } else {
            let field = try body.require("image")
            guard let images = bench.desk.images else {
                throw ServerError(
                    .badRequest, "the server has no set of images", subject: field.path,
                    hint: "send a \"picture\", or start it with --images DATA")
            }
            source = .set(try body.int("image", in: 0...images.count - 1) ?? 0)
        }
        if let name = try body.optional("corruption") {
            guard let kind = Corruption.Kind(rawValue: try name.string) else {
                throw ServerError(
                    .badRequest, "there is no such corruption", subject: name.path,
                    expected: Corruption.Kind.allCases.map(\.rawValue).joined(separator: ", "),
                    found: "\"\(try name.string.prefix(40))\"")
            }
            corruption = (kind, try body.int("severity", in: 1...5) ?? 3)
        } else {
            try body.refuse("severity") { _ in false }
        }
        seed = UInt64(try body.int("seed", in: 0...Int.max) ?? 1)
    }
}
