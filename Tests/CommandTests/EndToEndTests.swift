import Foundation
import SutureTestSupport
import Testing

@Suite("The command from end to end")
struct EndToEndTests {
    static let commands = [
        "detect", "repair", "test", "evaluate", "generate", "show", "check", "apply", "revert", "log", "combine",
        "extract",
        "transfer",
        "import", "export", "minimize", "bisect", "rebase", "inspect", "diff", "convert", "parity", "train", "classify",
        "robustness", "corrupt", "signature", "steer", "faithful", "sweep", "circuit", "lens", "attention",
        "activations", "reproduce", "report", "serve", "statistics"
    ]

    @Test("a repair becomes a patch that is applied and taken off to the last bit")
    func repair() throws {
        let place = try Workplace()
        func json(_ line: String) throws -> [String: Any] {
            let outcome = try place.run(line + " --format json")
            #expect(outcome.status == 0, "suture \(line): \(outcome.errors)")
            return try outcome.json()
        }
        let original = try weights(place.url.appending(path: "model"))

        let repaired = try json(
            "repair model -p abc -e Z \(Self.alone) --guard-texts texts.txt -o fix --report page.html")
        #expect(repaired["schema"] as? String == "suture.repair/1")
        let cache = URL(filePath: place.url.path + "-cache/suture/statistics")
        #expect(try FileManager.default.contentsOfDirectory(atPath: cache.path).count == 1)
        #expect(String(decoding: try place.bytes("page.html"), as: UTF8.self).hasPrefix("<!DOCTYPE html>"))
        let id = try #require(try json("show fix")["id"] as? String)
        #expect(try json("check model fix")["patches"] as? [String] == [id])

        #expect(try json("generate model -p abc -n 1 --patch fix --compare")["text"] as? String == "Z")
        #expect(try place.run("generate model -p - -n 1", input: "abc").text != "Z\n")
        _ = try json("apply model fix -o fixed")
        #expect(try place.run("generate fixed -p abc -n 1").text == "Z\n")
        #expect(try weights(place.url.appending(path: "fixed")) != original)

        // On top of a patch, from the files or on load: its repair is asked for again, and holds.
        for base in ["fixed", "model --patch fix"] {
            let next = try json(
                "repair \(base) -p def -e r \(Self.alone) --guard-texts texts.txt --max-perplexity 2 -o next --force")
            #expect(next["earlier"] as? [String: Int] == ["asked": 1, "held": 1])
            #expect(try json("show next")["parents"] as? [String] == [id])
            #expect(try place.run("generate model -p abc -n 1 --patch fix --patch next").text == "Z\n")
            #expect(try place.run("generate model -p def -n 1 --patch fix --patch next").text == "r\n")
        }
        #expect(try place.run("repair model --patch fix --patch fix -p def -e r").status == 3)

        let log = try #require(try json("log fixed")["patches"] as? [[String: Any]])
        #expect(log.map { $0["id"] as? String } == [id])
        #expect((log[0]["fixes"] as? [[String: Any]])?.first?["expected"] as? String == "Z")
        #expect(try place.run("log fixed").text.contains("abc -> Z"))
        let drift = try #require(log[0]["drift"] as? Double)
        #expect(drift > 0 && drift < 1 && log[0]["change"] as? Double == drift)
        _ = try json("revert fixed \(id.dropFirst("sha256:".count).prefix(8)) -o reverted")
        #expect(try weights(place.url.appending(path: "reverted")) == original)
        #expect(try place.run("log reverted --format quiet").output.isEmpty)
    }

    /// The random model's perplexity minds what holds an answer behind other prompts, too.
    static let alone = "--set variants=0"
    /// A change of a few numbers is much to a model of so few.
    static let unlimited = "--max-divergence 9 --max-changed 1 --max-perplexity 9"

    @Test("statistics in a file serve repairs of their model alone, which are the same as without")
    func statistics() throws {
        let place = try Workplace()
        let made = try place.done("statistics model --methods recruit,rome -o kept")
        #expect(made["schema"] as? String == "suture.statistics-made/1")
        #expect((made["contents"] as? [[String: Any]])?.count == 3)
        let cache = URL(filePath: place.url.path + "-cache")
        try FileManager.default.removeItem(at: cache)
        for method in ["recruit", "rome"] {
            let line = "repair model -p abc -e Z --method \(method) \(Self.unlimited)"
            try place.done("\(line) --statistics kept -o \(method)-kept")
            #expect(!FileManager.default.fileExists(atPath: cache.path))
            try place.done("\(line) -o \(method)-own")
            #expect(try place.numbers("\(method)-kept") == place.numbers("\(method)-own"))
            try FileManager.default.removeItem(at: cache)
        }
        try place.done(
            "evaluate model --data tasks.tsv --task bash --shots 0 --methods recruit --statistics kept --log run.jsonl")
        #expect(!FileManager.default.fileExists(atPath: cache.path))
        let other = try place.run("repair other -p abc -e Z --statistics kept -o new")
        #expect(other.status == 3 && other.errors.contains("the statistics of another model"), "\(other.errors)")
        let patched = try place.run("repair model -p abc -e Z --patch good.fix --statistics kept -o new")
        #expect(patched.status == 3 && patched.errors.contains("with other patches"), "\(patched.errors)")
        let corpus = try place.run("repair model -p abc -e Z --corpus texts.txt --statistics kept -o new")
        #expect(corpus.status == 3 && corpus.errors.contains("of other texts"), "\(corpus.errors)")
        let method = try place.run("repair model -p abc -e Z --method star --statistics kept -o new")
        #expect(method.status == 3 && method.errors.contains("not what the method needs"), "\(method.errors)")
        try place.done("statistics model --patch good.fix --corpus texts.txt -o kept --force")
        let line = "repair model -p abc -e Z --patch good.fix --corpus texts.txt --statistics kept -o new"
        try place.done("\(line) \(Self.unlimited)")
    }

    @Test("where prompt and answer meet oddly is told, and nothing is changed")
    func seam() throws {
        let place = try Workplace()
        let joined = try place.run("generate model -p abc -e Zed -n 1")
        #expect(joined.errors.contains("\"abcZed\"") && joined.errors.contains("begins with a space"))
        let ended = try place.run("generate model -p - -n 1", input: "abc\n")
        #expect(ended.errors.contains("ends in white space"))
        #expect(try place.run("generate model -p - -n 1 --format json", input: "abc\n").errors.isEmpty)
        let spaced = ["generate", "model", "-p", "abc", "-e", " Z", "-n", "1"]
        #expect(try !Command.run(spaced, in: place.url).errors.contains("white space"))
    }

    @Test("repairs made apart that take one neuron are refused together, and one of them is made anew on the other")
    func rebase() throws {
        let place = try Workplace()
        for (prompt, answer, patch) in [("abc", "Z", "one"), ("def", "r", "two")] {
            try place.done("repair model -p \(prompt) -e \(answer) --set spread=0 \(Self.unlimited) -o \(patch)")
        }
        for line in [
            "check model one two", "apply model one two -o both", "apply model one two -o both --dry-run",
            "combine one two -o both", "generate model -p abc --patch one --patch two"
        ] {
            let outcome = try place.run(line)
            #expect(outcome.status == 3 && outcome.errors.contains("change the same neuron"), "\(line)")
            #expect(outcome.errors.contains("suture rebase"))
        }
        try place.done("apply model one two --allow-conflicts -o forced")
        try place.done("combine one two --allow-conflicts -o both")

        try place.done("rebase model two --onto one -o two-on-one \(Self.unlimited)")
        for (prompt, answer) in [("abc", "Z"), ("def", "r")] {
            let line = "generate model -p \(prompt) -n 1 --patch one --patch two-on-one"
            #expect(try place.run(line).text == "\(answer)\n")
        }
    }

    @Test("a conversation is asked in the model's own format, and repaired there")
    func chat() throws {
        let place = try Workplace()
        let without = try place.run("generate model -p abc --chat")
        #expect(without.status == 4 && without.errors.contains("no chat template"))
        let template =
            "{% for m in messages %}[{{ m.role }}]{{ m.content }}!{% endfor %}{% if add_generation_prompt %}>{% endif %}"
        try Data(template.utf8).write(to: place.url.appending(path: "model/chat_template.jinja"))
        try Data(#"{"eos_token": "!"}"#.utf8).write(to: place.url.appending(path: "model/tokenizer_config.json"))
        #expect(try place.done("generate model -p abc --chat -n 1")["prompt"] as? String == "[user]abc!>")
        try place.done("repair model --chat -p abc -e Z -o fix \(Self.unlimited)")
        #expect(try place.run("generate model --chat -p abc -n 1 --patch fix").text == "Z\n")
        try Data(
            #"{"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}], "expected": "Q"}"#
                .utf8
        )
        .write(to: place.url.appending(path: "chats.jsonl"))
        let repaired = try place.done("repair model --chat --failures chats.jsonl -o fix --force \(Self.unlimited)")
        let failures = try #require(repaired["failures"] as? [[String: Any]])
        #expect(failures.map { $0["prompt"] as? String } == ["[system]s![user]u!>"])
        #expect(try place.run("repair model --failures chats.jsonl").errors.contains("--chat"))
    }

    @Test(
        "of a list of failures some are repaired; those that are not are named, and the model's files stay as they are")
    func list() throws {
        let place = try Workplace()
        let original = try weights(place.url.appending(path: "model"))
        let long = String(repeating: "a", count: 1025)
        let lines = [("abc", "Z"), (long, "b"), ("def", "rt")].map {
            #"{"prompt": "\#($0)", "expected": "\#($1)"}"#
        }
        try Data(lines.joined(separator: "\n").utf8).write(to: place.url.appending(path: "list.jsonl"))
        let repair =
            "repair model --failures list.jsonl --guard-texts texts.txt --max-divergence 1 --format json"
        let repaired = try place.run(repair + " \(Self.alone) -o fix")
        #expect(repaired.status == 1)
        let line = "\nerror: 1 of 3 failures are not fixed; number 2: prompt and answer do not fit the model"
        #expect(repaired.errors.contains(line))
        let outcomes = try #require(try repaired.json()["failures"] as? [[String: Any]])
        #expect(outcomes.map { $0["status"] as? String } == ["fixed", "abandoned", "fixed"])
        #expect(try place.run("generate model -p abc -n 1 --patch fix").text == "Z\n")
        #expect(try place.run("generate model -p def -n 2 --patch fix").text == "rt\n")

        let abandoned = try place.run(repair + " --method mint --set factor=1e-6 -o none")
        #expect(abandoned.status == 1)
        #expect(abandoned.errors.contains("\nerror: 3 of 3 failures are not fixed; number 1: 10 steps did not make"))
        #expect(!FileManager.default.fileExists(atPath: place.url.appending(path: "none").path))
        #expect(try weights(place.url.appending(path: "model")) == original)
    }

    @Test("models are inspected, converted and held against goldens, as JSON too")
    func models() throws {
        let place = try Workplace()
        #expect(try place.run("inspect model --format json").json()["family"] as? String == "llama")
        #expect(try place.run("convert model -o copy --format json").json()["tensors"] as? Int == 21)
        #expect(try weights(place.url.appending(path: "copy")) == weights(place.url.appending(path: "model")))
        let golden = Goldens.url("models/gpt2").path
        let parity = try place.run("parity \(golden) --golden \(golden)/golden.safetensors --format json")
        #expect(parity.status == 0)
        #expect(try parity.json()["comparisons"] is [Any])
        #expect(try place.run("parity model --golden \(golden)/golden.safetensors --format quiet").status != 0)
    }

    @Test("what is detected is repaired, and detected no more")
    func detection() throws {
        let place = try Workplace()
        try Data("intent\tcode\nabc\tZ\n".utf8).write(to: place.url.appending(path: "tasks.tsv"))
        let ask = "detect model tasks.tsv --shots 0 --frame {intent}{code} --format json"
        let found = try place.run(ask + " -o failures.jsonl").json()
        let answers = try #require(found["answers"] as? [[String: Any]])
        #expect(answers.count == 1)
        #expect(found["exact_match"] as? Double == 0)
        let repair = try place.run(
            "repair model --failures failures.jsonl --guard-texts texts.txt \(Self.alone) -o fix --each fixes --format quiet"
        )
        #expect(repair.status == 0, "\(repair.errors)")
        let each = try place.run("show fixes/failure-001.safetensors --format json")
        #expect(each.status == 0 && each.text.contains("\"expected\""), "\(each.errors)")
        #expect(try place.run(ask + " --patch fixes/failure-001.safetensors").json()["exact_match"] as? Double == 1)
        #expect(try place.run("repair model -p abc -e Z --each fixes").status == 3)
        #expect(try place.run(ask + " --patch fix").json()["exact_match"] as? Double == 1)
    }

    @Test("methods are compared, the log is gone on with, and tables are written for other programs")
    func evaluation() throws {
        let place = try Workplace()
        let rows = (0..<10).map { "show \($0)\tf\($0)\n" }.joined()
        try Data("intent\tcode\n\(rows)".utf8).write(to: place.url.appending(path: "tasks.tsv"))
        try Data(#"{"frame": "{intent}={code}\n"}"#.utf8).write(to: place.url.appending(path: "frame.json"))
        let numbers = (0..<10).map { "count \($0)\n" }.joined()
        try Data(numbers.utf8).write(to: place.url.appending(path: "more.nl"))
        try Data(numbers.replacing("count ", with: "n").utf8).write(to: place.url.appending(path: "more.cm"))
        let line =
            "evaluate model --data tasks.tsv --data more.nl --template frame.json --shots 1 --limit 5 --related 1 --methods recruit,gap "
            + "--first-token --study held-out,successive,matrix --log run.jsonl"
        let first = try place.run(line + " --csv t.csv --latex t.tex --report t.html --format json")
        #expect(first.status == 0, "\(first.errors)")
        let tasks = try #require(try first.json()["tasks"] as? [[String: Any]])
        #expect(tasks.map { $0["name"] as? String } == ["tasks.tsv", "more.nl"])
        for task in tasks {
            let table = try #require(task["rows"] as? [[String: Any]])
            #expect(table.map { $0["method"] as? String } == [nil, "recruit", "gap"])
        }
        let csv = String(decoding: try place.bytes("t.csv"), as: UTF8.self)
        #expect(csv.hasPrefix("task,method,failures,") && csv.components(separatedBy: "\r\n").count == 8)
        #expect(String(decoding: try place.bytes("t.tex"), as: UTF8.self).hasPrefix("\\begin{tabular}"))
        #expect(String(decoding: try place.bytes("t.html"), as: UTF8.self).contains("</html>"))

        let log = try place.bytes("run.jsonl")
        let again = try place.run(line + " --format json")
        #expect(again.output == first.output)
        #expect(try place.bytes("run.jsonl") == log)
        // The last line is lost, and found again.
        try Data(log.dropLast(30)).write(to: place.url.appending(path: "run.jsonl"))
        #expect(try place.run(line + " --format quiet").text.hasPrefix("tasks.tsv recruit "))
        #expect(try place.bytes("run.jsonl").split(separator: 10).count == log.split(separator: 10).count)
        let other = try place.run(line.replacing("recruit,gap", with: "gap") + " --format quiet")
        #expect(other.status == 2 && other.errors.contains("this log is of other settings: the methods"))
    }

    @Test("a classifier is trained, saved on the way, goes on from there to the same weights, and is tested")
    func training() throws {
        let place = try Workplace()
        let options = "--epochs 8 --batch 8 --rate 0.1 --crop 1 --held-out 0.25"
        let trained = try place.run(
            "train images -o trained --init classifier \(options) --save-at 5 --save-every 4 --format json")
        #expect(trained.status == 0, "\(trained.errors)")
        let history = try #require(try trained.json()["history"] as? [[String: Any]])
        #expect(history.count == 8 && history.allSatisfy { $0["held_out_accuracy"] is Double })
        for step in [5, 16] {
            let resumed = try place.run(
                "train images -o from-\(step) --resume trained-step-\(step) --held-out 0.25 --format quiet")
            #expect(resumed.status == 0, "\(resumed.errors)")
            #expect(
                try weights(place.url.appending(path: "from-\(step)")) == weights(place.url.appending(path: "trained")))
        }
        let tested = try place.run("classify trained images --format json").json()
        #expect(try #require(tested["accuracy"] as? Double) > 0.9)
        #expect((tested["confusion"] as? [[Int]])?.joined().reduce(0, +) == 48)
        #expect(try place.run("classify trained three --format quiet").status == 2)

        let other = try place.run("train three -o three-classes --init trained --epochs 1 --format json")
        #expect(other.status == 0, "\(other.errors)")
        #expect(try place.run("classify three-classes three --format quiet").status == 0)
    }

    @Test("a classifier remembers how its images were prepared, and another preparation is told")
    func preparation() throws {
        let place = try Workplace()
        let options = "--init classifier --epochs 2 --batch 8"
        try place.done("train images -o padded \(options) --pad 24")
        func loss(_ line: String) throws -> Double { try #require(place.done("classify \(line)")["loss"] as? Double) }
        #expect(try loss("padded images") == loss("padded images --pad 24"))
        #expect(try loss("padded images") != loss("padded images --resize 24"))
        #expect(try place.run("classify padded images --pad 24 --format quiet").errors.isEmpty)
        #expect(
            try place.run("classify padded images --resize 24 --format quiet").errors
                == "the model was trained on images padded to 24x24, and now gets images resized to 24x24\n")
        try place.done("train images -o further --init padded --epochs 1 --batch 8")
        #expect(try loss("further images") == loss("further images --pad 24"))
    }

    @Test("a patch of a classifier is applied on load")
    func patchedClassifier() throws {
        let place = try Workplace()
        #expect(
            try place.run("train images -o trained --init classifier --epochs 8 --batch 8 --format quiet").status == 0)
        let extracted = try place.run("extract classifier trained -o trained.fix --format quiet")
        #expect(extracted.status == 0, "\(extracted.errors)")
        func accuracy(_ line: String) throws -> String { try place.run("classify \(line) --format quiet").text }
        #expect(try accuracy("classifier images --patch trained.fix") == accuracy("trained images"))
        #expect(try accuracy("classifier images --patch trained.fix --scale 0") == accuracy("classifier images"))
    }

    @Test(
        "a patch that changes too much is refused, and nothing is written",
        arguments: [
            ("--max-divergence 0", "divergence "),
            ("--max-divergence 9 --max-changed 0 --max-perplexity 9", "changed most likely tokens "),
            ("--max-divergence 9 --max-changed 1 --max-perplexity 0.01", "perplexity ratio ")
        ])
    func guarded(limits: String, objection: String) throws {
        let place = try Workplace()
        let outcome = try place.run("repair model -p 123 -e Z \(limits) -o fix --format quiet")
        #expect(outcome.status == 3)
        #expect(outcome.errors.hasPrefix("error: the patch was not written: \(objection)"))
        #expect(!FileManager.default.fileExists(atPath: place.url.appending(path: "fix").path))
    }

    #if os(Linux)
        @Test(
            "a result that cannot be written is an error, and so is one that does not fit into a buffer",
            arguments: ["inspect model", "generate model -p a", "bisect --help", "repair --help"])
        func fullDisk(_ line: String) throws {
            let place = try Workplace()
            let full = try FileHandle(forWritingTo: URL(filePath: "/dev/full"))
            let outcome = try Command.run(line, in: place.url, output: full)
            #expect(outcome.status == 1)
            #expect(outcome.errors == "error: standard output: cannot be written\n")
        }
    #endif

    @Test("every command explains itself", arguments: commands)
    func help(_ command: String) throws {
        let outcome = try Command.run("\(command) --help", in: FileManager.default.temporaryDirectory)
        #expect(outcome.status == 0 && outcome.errors.isEmpty)
        #expect(outcome.text.hasPrefix("OVERVIEW: ") && outcome.text.contains("\nUSAGE: suture \(command) "))
    }

    private func weights(_ directory: URL) throws -> Data {
        try Data(contentsOf: directory.appending(path: "model.safetensors"))
    }
}
