import Foundation
import SutureKit
import Testing

@Suite("The command for signatures")
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

    /// Takes a model's record of its patches away, as if it had been trained.
    private func forget(_ model: String) throws {
        for name in ["suture.lock.json", "suture"] {
            try FileManager.default.removeItem(at: place.url.appending(path: "\(model)/\(name)"))
        }
    }

    @Test("a signature of language models is taken, sized by its file, compared, and taken off again")
    func languageModels() throws {
        try done("apply model small.fix -o robust")
        try forget("robust")
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
    }

    @Test("layers go by the change, and few bits make a small file")
    func layersAndBits() throws {
        try done("apply model small.fix -o robust")
        try forget("robust")
        let three = "--pretrained other --standard model --robust robust"
        for form in ["--largest 1", "--share 0.9 --bits 8", "--layer model.layers.1.mlp.down --bits 8 --log --per-tensor"] {
            let made = try done("signature extract \(three) \(form) -o few --force")
            #expect(made["layers"] as? [String] == ["model.layers.1.mlp.down_proj"], "\(form)")
            let sizes = try (weights("model").count, place.bytes("few").count)
            #expect(made["bytes"] as? Int == sizes.1 && made["model_bytes"] as? Int == sizes.0)
            #expect(made["compaction"] as? Double == Double(sizes.0) / Double(sizes.1))
            let lost = try #require(made["lost"] as? [[String: Any]]).compactMap { $0["error"] as? Double }
            #expect(lost.count == 1 && lost[0] < 0.03 && (lost[0] > 0) == form.contains("bits"), "\(form): \(lost)")
        }
    }

    @Test("what makes no sense or does not fit is refused, and nothing is written")
    func refusals() throws {
        try done("apply model good.fix -o robust")
        try forget("robust")
        let three = "--pretrained other --standard model --robust robust"
        try done("signature extract \(three) -o fog")
        let before = try place.listing()
        for (line, status, says) in [
            ("signature extract \(three) --first 0 -o new", 2, "--first is 1 or more"),
            ("signature extract \(three) --first 1 --share 0.5 -o new", 2, "Choose one"),
            ("signature extract \(three) --share 1.5 -o new", 2, "--share is above 0"),
            ("signature extract \(three) --log -o new", 2, "go with --bits"),
            ("signature extract \(three) --bits 1 --log -o new", 2, "--bits is 2...16 with --log"),
            ("signature extract \(three) --layer none -o new", 2, "the rule leaves no layer"),
            ("signature extract --pretrained other --standard nowhere --robust robust -o new", 4, "no such model"),
            ("signature extract --pretrained other --standard patched --robust robust -o new", 3, "has patches itself"),
            ("signature extract --pretrained other --standard model --robust missing -o new", 3, "v_proj"),
            ("signature extract --pretrained missing --standard model --robust robust -o new", 3, "lacks this tensor"),
            ("signature extract --pretrained other --standard model --robust nan -o new", 4, "mlp.up_proj.weight"),
            ("signature extract --pretrained nan --standard model --robust other -o new", 4, "mlp.up_proj.weight"),
            ("signature extract --pretrained other --standard model --robust integers -o new", 3, "q_proj"),
            ("signature extract --pretrained other --standard model --robust cut -o new", 4, "cut/model.safetensors"),
            ("signature extract --pretrained other --standard model --robust classifier -o new", 3, "same tensors"),
            ("signature extract --pretrained other --standard model --robust model -o new", 3, "changes nothing"),
            ("signature extract \(three) -o fog", 3, "already"),
            ("signature compare fog plain.fix", 4, "this is not a patch"),
            ("check other fog", 3, "not the model that the patch was made for"),
            ("apply classifier fog --transfer -o new", 3, "no such tensor")
        ] {
            let outcome = try place.run(line)
            #expect(outcome.status == Int32(status) && outcome.errors.contains(says), "\(line): \(outcome.errors)")
            #expect(status == 2 || outcome.errors.split(separator: "\n").count == 1, "\(outcome.errors)")
        }
        #expect(try place.listing() == before)
    }
}
