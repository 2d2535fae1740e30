import Foundation
import Testing

@Suite("The commands for signatures")
struct SignatureCommandTests {
    private let place: Workplace

    init() throws { place = try Workplace() }

    /// Runs a command that must be done, and its report.
    @discardableResult
    private func done(_ line: String) throws -> [String: Any] {
        let outcome = try place.run(line + " --format json")
        try #require(outcome.status == 0, "suture \(line): \(outcome.errors)")
        return try outcome.json()
    }

    private func weights(_ directory: String) throws -> [UInt8] { try place.bytes("\(directory)/model.safetensors") }

    @Test("a signature is taken, sized by its file, compared, and taken off again")
    func signature() throws {
        try done("apply model small.fix -o robust")
        for name in ["suture.lock.json", "suture"] {
            try FileManager.default.removeItem(at: place.url.appending(path: "robust/\(name)"))
        }
        let three = "--pretrained other --standard model --robust robust"
        let outcome = try place.run("signature extract \(three) --corruption fog -o fog")
        try #require(outcome.status == 0, "\(outcome.errors)")
        let ratio = try Double(weights("model").count) / Double(place.bytes("fog").count)
        #expect(outcome.text.contains(String(format: "%.1f times smaller", ratio)), "\(outcome.text)")
        try done("signature extract \(three) --plain -o plain")
        let likeness = try #require(try done("signature compare fog plain")["cosine"] as? Double)
        #expect(likeness > 0 && likeness < 1)
        #expect(try done("signature compare fog fog")["cosine"] as? Double ?? 0 > 1 - 1e-9)

        try done("apply model fog --scale -0.5 -o foggy")
        let id = try #require(try done("show fog")["id"] as? String)
        try done("revert foggy \(id) -o clear")
        #expect(try weights("foggy") != weights("model") && weights("clear") == weights("model"))

        for (line, status) in [
            ("signature extract \(three) --first 0 -o new", 2), ("signature extract \(three) --layer none -o new", 2),
            ("signature extract --pretrained other --standard nowhere --robust robust -o new", 4),
            ("signature extract --pretrained other --standard foggy --robust robust -o new", 3),
            ("signature extract \(three) -o fog", 3), ("check other fog", 3)
        ] {
            #expect(try place.run(line).status == Int32(status), "\(line)")
        }
        #expect(!FileManager.default.fileExists(atPath: place.url.appending(path: "new").path))
    }
}
