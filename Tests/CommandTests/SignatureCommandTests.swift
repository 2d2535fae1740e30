import Foundation
import SutureKit
import Testing

@Suite("The command for signatures")
struct SignatureCommandTests {
    private let place: Workplace

    init() throws { place = try Workplace() }

    private func weights(_ directory: String) throws -> [UInt8] { try place.bytes("\(directory)/model.safetensors") }

    /// Takes a model's record of its patches away, as if it had been trained.
    private func forget(_ model: String) throws {
        for name in ["suture.lock.json", "suture"] {
            try FileManager.default.removeItem(at: place.url.appending(path: "\(model)/\(name)"))
        }
    }

    @Test("a signature of language models is taken, sized by its file, compared, and taken off again")
    func languageModels() throws {
        try place.done("apply model small.fix -o robust")
        try forget("robust")
        let three = "--pretrained other --standard model --robust robust"
        let outcome = try place.run("signature extract \(three) --corruption fog -o fog")
        try #require(outcome.status == 0, "\(outcome.errors)")
        let ratio = try Double(weights("model").count) / Double(place.bytes("fog").count)
        #expect(outcome.text.contains(String(format: "%.1f times smaller", ratio)), "\(outcome.text)")
        try place.done("signature extract \(three) --plain -o plain")
        let likeness = try #require(try place.done("signature compare fog plain")["cosine"] as? Double)
        #expect(likeness > 0 && likeness < 1)
        #expect(try place.done("signature compare fog fog")["cosine"] as? Double ?? 0 > 1 - 1e-9)

        try place.done("apply model fog --scale -0.5 -o foggy")
        let id = try #require(try place.done("show fog")["id"] as? String)
        try place.done("revert foggy \(id) -o clear")
        #expect(try weights("foggy") != weights("model") && weights("clear") == weights("model"))
    }

    @Test("layers go by the change, and few bits make a small file, which is measured")
    func layersAndBits() throws {
        try place.done("apply model small.fix -o robust")
        try forget("robust")
        let three = "--pretrained other --standard model --robust robust"
        for form in [
            "--largest 1", "--share 0.9 --bits 8", "--layer model.layers.1.mlp.down --bits 8 --log --per-tensor"
        ] {
            let made = try place.done("signature extract \(three) \(form) -o few --force")
            #expect(made["layers"] as? [String] == ["model.layers.1.mlp.down_proj"], "\(form)")
            let sizes = try (weights("model").count, place.bytes("few").count)
            #expect(made["bytes"] as? Int == sizes.1 && made["model_bytes"] as? Int == sizes.0)
            #expect(made["compaction"] as? Double == Double(sizes.0) / Double(sizes.1))
            let lost = try #require(made["lost"] as? [[String: Any]]).compactMap { $0["error"] as? Double }
            #expect(lost.count == 1 && lost[0] < 0.03 && (lost[0] > 0) == form.contains("bits"), "\(form): \(lost)")
        }
    }

    /// Three classifiers of one form, and one of another number of classes, with running averages of their own.
    private func classifiers() throws -> String {
        for (name, seed, classes) in [("pretrained", 1, 2), ("standard", 2, 2), ("robust", 3, 2), ("cousin", 4, 3)] {
            let network = ClassifierArchitecture(
                .vgg(VGG(stages: [[4], [8]], hasBatchNorm: true, pool: 1, hidden: [])), channels: 1,
                classes: (0..<classes).map(String.init))
            var random = SeededGenerator(seed: UInt64(seed))
            var averages: [String: Tensor] = [:]
            for role in network.tensors where !role.isParameter {
                let values = (0..<role.shape[0]).map { _ in Float(1 + random.below(1000)) / 1000 }
                averages[role.name] = try Tensor(values, shape: role.shape)
            }
            try ImageClassifier.initial(network, seed: UInt64(seed)).replacing(averages)
                .write(to: place.url.appending(path: name))
        }
        return "--pretrained pretrained --standard standard --robust robust"
    }

    /// The bytes of the tensors whose names begin so.
    private func tensors(_ model: String, _ beginning: String) throws -> [String: [UInt8]] {
        let checkpoint = try Checkpoint(place.url.appending(path: model))
        return try checkpoint.tensors.filter { $0.name.hasPrefix(beginning) }.reduce(into: [:]) {
            $0[$1.name] = Array(try checkpoint.data(of: $1).bytes)
        }
    }

    @Test("a signature moves to a model of other classes and data, whose head stays, and comes off again")
    func transfer() throws {
        let three = try classifiers()
        for norms in SignatureExtraction.BatchNorm.allCases {
            try place.done("signature extract \(three) --batch-norm \(norms) --bits 8 -o fog --force")
            let refused = try place.run("apply cousin fog -o new")
            #expect(refused.status == 3 && refused.errors.contains("not the model that the patch was made for"))
            try place.done("apply cousin fog --transfer --scale 0.5 -o foggy --force")
            #expect(try tensors("foggy", "classifier") == tensors("cousin", "classifier"))
            let (before, after) = try (tensors("cousin", "features"), tensors("foggy", "features"))
            let (standard, robust) = try (tensors("standard", "features"), tensors("robust", "features"))
            for (name, bytes) in before {
                let isKept = standard[name] == robust[name] || (norms == .keep && name.contains("running"))
                #expect((after[name] == bytes) == isKept, "\(name), \(norms)")
            }
            try place.done("classify foggy three")
            let id = try place.run("log foggy --format quiet").text.trimmingCharacters(in: .newlines)
            try place.done("revert foggy \(id) -o back --force")
            #expect(try weights("back") == weights("cousin"))
        }
    }

    @Test("a signature is put on its model again after that was trained on")
    func trainedOn() throws {
        let three = try classifiers()
        try place.done("signature extract \(three) --batch-norm replace -o fog")
        try place.done("train images --init standard --epochs 1 --batch 16 -o trained")
        #expect(try weights("trained") != weights("standard") && place.run("apply trained fog -o new").status == 3)
        try place.done("apply trained fog --transfer -o foggy")
        let changes = try [("standard", "trained"), ("foggy", "trained")].map {
            try tensors($0.0, "features") != tensors($0.1, "features")
        }
        #expect(changes == [true, true])
        let id = try place.run("log foggy --format quiet").text.trimmingCharacters(in: .newlines)
        try place.done("revert foggy \(id) -o back")
        #expect(try weights("back") == weights("trained"))
    }

    @Test("running averages of images go on top of a signature, and both come off")
    func runningAverages() throws {
        let three = try classifiers()
        try place.done("signature extract \(three) -o fog")
        try place.done("apply standard fog -o foggy")
        let made = try place.done("signature re-estimate foggy images --split train --batch 20 -o norms")
        let fog = try #require(try place.done("show fog")["id"] as? String)
        let norms = try #require(made["id"] as? String)
        #expect(made["parents"] as? [String] == [fog])
        try place.done("apply foggy norms -o better")

        let images = try ImageSet(contentsOf: place.url.appending(path: "images"), split: .train)
        let expected = try ImageClassifier.load(place.url.appending(path: "foggy"))
            .runningAverages(on: images, batchSize: 20)
        let better = try ImageClassifier.load(place.url.appending(path: "better"))
        #expect(expected.count == 4)
        for (name, values) in expected {
            let found = try #require(try better.tensors[name]?.elements(as: Float.self))
            #expect(
                zip(found, values).allSatisfy { abs($0 - $1) < 1e-5 }
                    && (!name.hasSuffix("var") || found.min() ?? 0 > 0))
        }
        try place.done("revert better \(norms) -o without-norms")
        try place.done("revert better \(fog) -o without-fog")
        try place.done("revert without-fog \(norms) -o without-both")
        #expect(try weights("without-norms") == weights("foggy") && weights("without-both") == weights("standard"))

        let before = try place.listing()
        for (line, status, says) in [
            ("signature re-estimate model images -o new", 4, "not an image classifier"),
            ("signature re-estimate foggy nowhere -o new", 4, "nowhere"),
            ("signature re-estimate foggy cut-images --split train -o new", 4, "cut-images"),
            ("signature re-estimate foggy images --batch 1 -o new", 2, "--batch is"),
            ("signature re-estimate foggy images -o fog", 3, "already")
        ] {
            let outcome = try place.run(line)
            #expect(outcome.status == Int32(status) && outcome.errors.contains(says), "\(line): \(outcome.errors)")
        }
        #expect(try place.listing() == before)
    }

    @Test("what makes no sense or does not fit is refused, and nothing is written")
    func refusals() throws {
        try place.done("apply model good.fix -o robust")
        try forget("robust")
        let three = "--pretrained other --standard model --robust robust"
        try place.done("signature extract \(three) -o fog")
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
