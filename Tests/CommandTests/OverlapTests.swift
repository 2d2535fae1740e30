import Foundation
import SutureTestSupport
import Testing

/// Every command with each of its outputs in the place of each of its inputs.
@Suite("An output in the place of an input")
struct OverlapTests {
    /// A line for each command, more where some options exclude each other: `<` stands before what is read, `>` before what
    /// is written.
    static let lines = [
        "detect <model <texts.txt --codes <utf8.txt --template <key.jsonl --patch <good.fix -o >new",
        "detect <model <pairs.nl -o >new", "statistics <model --patch <good.fix --corpus <texts.txt -o >new",
        "repair <model --rule --failures <key.jsonl --unseen <texts.txt --guard <type.jsonl --patch <good.fix --corpus <texts.txt"
            + " --statistics <plain.fix --guard-texts <utf8.txt -o >new --each >each --report >new.html",
        "repair <model --prompt a --check true --test <texts.txt --patch <good.fix -o >new --each >each --report >new.html",
        "evaluate <model --data <texts.txt --codes <utf8.txt --template <key.jsonl --corpus <empty.txt --unrelated <type.jsonl"
            + " --steer <small.fix --project <plain.fix --log >new.log --report >new.html --csv >new.csv --latex >new.tex",
        "evaluate <model --data <texts.txt --statistics <dense.fix --log >new.log --report >new.html",
        "generate <model -p a --patch <good.fix --steer <small.fix --project <plain.fix",
        "generate <model --messages <key.jsonl", "test <model <key.jsonl --patch <good.fix --report >new.html",
        "show <good.fix", "check <model <good.fix", "log <model", "diff <model <other",
        "apply <model <good.fix <small.fix -o >new", "revert <patched 0123 -o >new",
        "revert <patched <good.fix -o >new",
        "combine <good.fix <small.fix=0.5 -o >new", "extract <model <other -o >new",
        "transfer <model <other <patched -o >new", "import <plain.fix --base <model -o >new",
        "import <half-adapter --base <model -o >new",
        "import <classifier --architecture vgg11 --classes <texts.txt -o >new",
        "import <net.onnx --classes <texts.txt -o >new", "export <classifier --to onnx --patch <good.fix -o >new",
        "export <good.fix --base <model --to peft -o >new", "export <good.fix --base <model --to mlx -o >new",
        "export <good.fix --base <text.gguf --to gguf -o >new",
        "export <good.fix --base <model --to controlvector -o >new",
        "minimize <good.fix --check true -o >new", "bisect <patched --check true",
        "rebase <model <good.fix --onto <small.fix -o >new",
        "signature extract --pretrained <model --standard <other --robust <patched -o >new",
        "signature re-estimate <classifier <images -o >new", "signature compare <good.fix <small.fix",
        "steer <model --pairs <key.jsonl -o >new", "steer <model --vectors <good.fix --at residual.1 -o >new",
        "faithful <model --direction <good.fix --steer <small.fix --project <plain.fix --pairs <key.jsonl --train-pairs <type.jsonl --report >new.html",
        "faithful <model --learn mlp.0.hidden@last --pairs <key.jsonl --train-pairs <type.jsonl --save >new"
            + " --report >new.html",
        "faithful <model --patch <good.fix --failures <key.jsonl --reworded <type.jsonl --report >new.html",
        "sweep <model --patch <good.fix --steer <plain.fix --project <small.fix --report >new.html --report >new.md",
        "sweep <model --pairs <key.jsonl --report >new.html",
        "circuit <model --pairs <key.jsonl --train-pairs <type.jsonl --patch <good.fix --steer <small.fix --project <plain.fix"
            + " --scores >new.safetensors --report >new.html", "parity <model --golden <plain.fix",
        "lens <model --prompt a --patch <good.fix --steer <small.fix --project <plain.fix --report >new.html",
        "attention <model --prompt a --layer 0 --patch <good.fix --steer <small.fix --project <plain.fix --report >new.html",
        "activations <model --site residual.0 --texts <texts.txt --patch <good.fix --steer <small.fix --project <plain.fix"
            + " --output >new.npy",
        "reproduce illusion <model --directions >new --report >new.html",
        "reproduce starts <model --directions >new --report >new.html",
        "reproduce facts <model <key.jsonl --report >new.html", "reproduce planted --report >new.html",
        "reproduce signatures --data <images --models >new --report >new.html",
        "train <images --init <classifier -o >new", "train <images --resume <bad-training -o >new",
        "classify <classifier <images --patch <good.fix --report >new.html",
        "robustness <classifier --data <images --signature <good.fix --baseline <no-classes --report >new.html",
        "corrupt <images --all -o >new --sheet >new.png", "corrupt <arrays/fog.npy --all -o >new --sheet >new.png",
        "report <key.jsonl --report >new.html",
        "serve <model --patch <good.fix --statistics <dense.fix --token <key.jsonl --certificate <texts.txt --key <plain.fix",
        "serve <classifier --images <images --patch <good.fix",
        "inspect <model",
        "convert <model -o >new", "convert <text.gguf -o >new"
    ]

    /// Options and arguments that name no file.
    static let plain: Set = [
        "--device", "--threads", "--require", "--format", "--seed", "--task", "--frame", "--shots", "--limit", "--part",
        "--prompt",
        "--expected", "--subject", "--method", "--patience", "--set", "--layer", "--batch", "--budget",
        "--max-divergence", "--max-changed", "--max-perplexity", "--methods", "--study", "--related", "--tokens",
        "--scale", "--expect", "id", "--rank", "--top", "--mode", "--density", "--drop", "--low-rank", "--max-rank",
        "--sparse", "--bits", "--to", "--check", "--first", "--largest", "--share", "--batch-norm", "--corruption",
        "--split", "--resize", "--center-crop", "--pad", "--learn", "--loss", "--directions of faithful", "--epochs",
        "--count",
        "--kind", "--choice", "--source", "--answer", "--other", "--component", "--receiver", "--tolerance", "--layers",
        "--other-layers", "--train-pairs of reproduce illusion", "--pairs of reproduce illusion",
        "--train-pairs of reproduce starts", "--pairs of reproduce starts", "--starts", "--controls", "--dimensions",
        "--pairs of reproduce facts", "--seeds", "--steps", "--models of reproduce planted", "--architecture",
        "--width", "--corruptions", "--pretraining", "--corrupted-share", "--studies", "--form", "--rate", "--momentum",
        "--decay", "--schedule", "--crop", "--rotate", "--corrupt", "--held-out", "--save-at", "--save-every",
        "--ablate", "--at", "--strength", "--temperature", "--top-k", "--top-p", "--min-p", "--stop", "--metric",
        "--neuron",
        "--head", "--site", "--severity", "--severities", "--profile", "--as", "--image", "--dtype", "--shard-size",
        "--candidate", "--mean", "--std", "--samples", "--wordings", "--sandbox", "--memory", "--folder", "--port",
        "--host"
    ]

    private static let place = Result { try prepared() }

    private static func prepared() throws -> Workplace {
        let place = try Workplace()
        let files = FileManager.default
        for (path, text) in [
            ("pairs.nl", "a\n"), ("pairs.cm", "b\n"), ("arrays/fog.npy", ""), ("arrays/labels.npy", "")
        ] {
            let url = place.url.appending(path: path)
            try files.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data(text.utf8).write(to: url)
        }
        return place
    }

    @Test("every option of every command is known for what it reads or writes")
    func table() throws {
        let commands = try CommandSyntax.commands()
        #expect(commands.count > 30)
        var known: [String: Set<String>] = [:]
        for line in Self.lines {
            let words = MarkedLine(line, commands)
            known[words.command, default: []].formUnion(words.files.map(\.option))
        }
        for (name, command) in commands {
            let found = try #require(known[name], "no line for \(name)")
            for argument in command.valued where !found.contains(argument.name) {
                #expect(
                    Self.plain.contains(argument.name) || Self.plain.contains("\(argument.name) of \(name)"),
                    "what is \(argument.name) of \(name)?")
            }
        }
    }

    @Test("is refused, whatever it is called and with --force, and no input changes", .serialized, arguments: lines)
    func refused(_ line: String) throws {
        let place = try Self.place.get()
        let words = try MarkedLine(line, CommandSyntax.commands())
        let (inputs, outputs) = (words.files.filter { !$0.isOutput }, words.files.filter(\.isOutput))
        let before = try state(place)
        for output in outputs {
            for input in inputs.flatMap({ implied($0.path) }) {
                for name in try names(of: input, like: output.path, in: place) {
                    // Without --force any file that is there is refused; by one name is enough.
                    for force in name.path == input ? [[], ["--force"]] : [["--force"]] {
                        let outcome = try Command.run(
                            words.replacing(output.index, by: name.path) + force, in: place.url)
                        #expect(
                            [2, 3].contains(outcome.status) && outcome.output.isEmpty,
                            "\(line), \(output.option) \(name.path): \(outcome.status) \(outcome.errors)")
                        // Nothing else may be what is wrong with the line.
                        let isNamed = outcome.errors.contains("is read") || outcome.errors.contains("name ends in")
                        #expect(isNamed, "\(line), \(output.option) \(name.path): \(outcome.errors)")
                    }
                    if name.isExtra { try FileManager.default.removeItem(at: place.url.appending(path: name.path)) }
                }
            }
            for other in outputs where other.index != output.index {
                let outcome = try Command.run(words.replacing(output.index, by: other.path), in: place.url)
                #expect([2, 3].contains(outcome.status), "\(line), \(output.option): \(outcome.errors)")
            }
        }
        #expect(try state(place) == before)
    }

    /// The same, what is read beside it, and what is in it.
    private func implied(_ path: String) -> [String] {
        switch path {
        case "pairs.nl": [path, "pairs.cm"]
        case "arrays/fog.npy": [path, "arrays/labels.npy"]
        case "model", "other", "patched", "classifier", "no-classes", "bad-training": [path, path + "/config.json"]
        case "images": [path, "images/train-images-idx3-ubyte"]
        default: [path]
        }
    }

    /// Other names of a file, that end as the output's does; those that are extra are to be removed.
    private func names(
        of input: String, like output: String, in place: Workplace
    ) throws -> [(path: String, isExtra: Bool)] {
        let end = URL(filePath: output).pathExtension
        let (link, hard) = ("the-link.\(end)", "the-file.\(end)")
        let files = FileManager.default
        let target = place.url.appending(path: input)
        try files.createSymbolicLink(at: place.url.appending(path: link), withDestinationURL: target)
        var names = [(input, false), ("lists/../" + input, false), (link, true)]
        var isDirectory: ObjCBool = false
        if files.fileExists(atPath: target.path, isDirectory: &isDirectory), !isDirectory.boolValue {
            try files.linkItem(at: target, to: place.url.appending(path: hard))
            names.append((hard, true))
        }
        return names
    }

    /// Every file with its number, size and time: a file that was replaced has another number.
    private func state(_ place: Workplace) throws -> [String] {
        try FileManager.default.subpathsOfDirectory(atPath: place.url.path).sorted().map { path in
            let facts = try FileManager.default.attributesOfItem(atPath: place.url.appending(path: path).path)
            let isFolder = facts[.type] as? FileAttributeType == .typeDirectory
            return "\(path) \(facts[.systemFileNumber] ?? "") \(facts[.size] ?? "") "
                + (isFolder ? "" : "\(facts[.modificationDate] ?? "")")
        }
    }
}
