import Foundation
import Testing

@Suite("The commands for patches")
struct PatchCommandTests {
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

    @Test("two patches at half their size are written, listed, and taken off in any order")
    func stack() throws {
        let plan = try done("apply model good.fix small.fix --scale 0.5 -o both --dry-run")
        #expect(!FileManager.default.fileExists(atPath: place.url.appending(path: "both").path))
        #expect(try plan["bytes"] as? Int ?? 0 >= weights("model").count)
        try done("apply model good.fix small.fix --scale 0.5 -o both")
        let log = try #require(try done("log both")["patches"] as? [[String: Any]])
        #expect(log.map { $0["scale"] as? Double } == [0.5, 0.5])
        let ids = log.compactMap { $0["id"] as? String }
        for order in [ids, ids.reversed()] {
            try done("revert both \(order[0]) -o one")
            try done("revert one \(order[1]) -o none")
            #expect(try weights("one") != weights("both") && weights("none") == weights("model"))
            for name in ["one", "none"] { try FileManager.default.removeItem(at: place.url.appending(path: name)) }
        }
    }

    @Test("the sum of patches is applied as they are, and a repeated command changes nothing")
    func combination() throws {
        try done("combine good.fix small.fix=2 -o sum")
        try done("apply model sum -o summed")
        try done("apply model good.fix -o first")
        try done("apply first small.fix --scale 2 -o second")
        #expect(try weights("summed") == weights("second"))
        #expect(try place.run("combine good.fix small.fix -o sum").status == 3)
        let text = try place.run("show sum --format markdown")
        #expect(text.status == 0 && text.text.contains("# "), "\(text.errors)")
        try done("minimize sum --check true -o least")
        #expect(try done("show least")["id"] as? String != (try done("show sum")["id"] as? String))
        #expect(try place.run("minimize sum --check false -o nothing").status == 3)
        #expect(try place.run("bisect second --check true").status == 3)
    }

    @Test("what tuning did is taken as a patch, and done to a third model")
    func difference() throws {
        try done("apply model good.fix -o patched-again")
        for name in ["suture.lock.json", "suture"] {
            try FileManager.default.removeItem(at: place.url.appending(path: "patched-again/\(name)"))
        }
        let changed = try #require(try done("diff model patched-again")["tensors"] as? [[String: Any]])
        #expect(changed.count == 1 && changed[0]["name"] as? String == "model.layers.1.mlp.down_proj.weight")
        try done("extract model patched-again -o difference")
        try done("apply model difference -o again")
        #expect(try weights("again") == weights("patched-again"))

        #expect(try done("transfer model patched-again model -o carried")["changed"] as? Int == 1)
        #expect(try weights("carried") == weights("patched-again"))
        try done("transfer model patched-again other -o third")
        try done("apply other difference --transfer -o fourth")
        #expect(try weights("third") == weights("fourth") && weights("third") != weights("other"))
        #expect(try place.run("transfer model model other -o fifth").status == 3)
        #expect(try place.run("transfer patched model other -o fifth").status == 3)
        #expect(!FileManager.default.fileExists(atPath: place.url.appending(path: "fifth").path))
    }

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

    @Test("an adapter that is exported and imported is the patch again")
    func interchange() throws {
        for target in ["peft", "mlx"] {
            try done("export good.fix --to \(target) --base model -o \(target)")
            try done("import \(target) --base model -o \(target).fix")
            try done("apply model \(target).fix -o by-\(target)")
            #expect(try weights("by-\(target)") == weights("patched"))
        }
        try done("export good.fix --to gguf --base model -o adapter.gguf")
        #expect(try place.bytes("adapter.gguf").starts(with: "GGUF".utf8))
    }

    @Test("a model is written in another type and in shards")
    func conversion() throws {
        try done("convert model --dtype bf16 --shard-size 4KB -o halves")
        let files = try FileManager.default.contentsOfDirectory(atPath: place.url.appending(path: "halves").path)
        #expect(files.contains("model.safetensors.index.json") && files.filter { $0.hasPrefix("model-0") }.count > 1)
        #expect(try place.run("check halves good.fix").status == 3)
    }
}
