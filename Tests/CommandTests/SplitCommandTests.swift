import Foundation
import SutureTestSupport
import Testing

/// Processes that share the layers of a model, as torchrun starts them.
@Suite("Split layers", .serialized)
struct SplitCommandTests {
    /// Runs a command in each rank, and what each came to.
    private func ranks(_ lines: [String], in directory: URL) async throws -> [Command.Outcome] {
        try await inRanks(lines.count) { rank, port in
            let words = lines[rank].split(separator: " ").map(String.init)
            return try Command.run(
                words, in: directory,
                environment: [
                    "RANK": "\(rank)", "WORLD_SIZE": "\(lines.count)", "MASTER_ADDR": "127.0.0.1",
                    "MASTER_PORT": "\(port)"
                ])
        }
    }

    /// The same command in two ranks that share layers.
    private func split(_ line: String, in place: Workplace) async throws -> [Command.Outcome] {
        try await ranks(Array(repeating: line + " --split layers", count: 2), in: place.url)
    }

    @Test("write what one process writes, which rank 0 prints, and say what each holds")
    func generate() async throws {
        let place = try Workplace()
        for line in [
            "generate model -p abc -n 12", "generate model -p abc -n 12 --temperature 1.5 --seed 3",
            "generate model -p abc -n 5 --patch good.fix --ablate mlp.0.hidden[3] --ablate attn.1.out"
        ] {
            let alone = try place.run(line)
            #expect(alone.status == 0, "\(alone.errors)")
            let outcomes = try await split(line, in: place)
            #expect(outcomes.map(\.status) == [0, 0], "\(outcomes.map(\.errors))")
            #expect(outcomes.map(\.output) == [alone.output, Data()])
            #expect(
                outcomes[0].errors.contains("rank 0 of 2 holds the embedding, layer 1 of 2, the last norm and the head")
            )
            #expect(outcomes[1].errors.contains("rank 1 of 2 holds layer 0 of 2"))
        }
    }

    @Test("an answer that is wrong ends all ranks with 1")
    func failing() async throws {
        let place = try Workplace()
        let outcomes = try await split("generate model -p abc -n 1 -e ~~", in: place)
        #expect(outcomes.map(\.status) == [1, 1], "\(outcomes.map(\.errors))")
    }

    @Test("detect, test, repair and evaluate find what one process finds")
    func others() async throws {
        let place = try Workplace()
        try Data(#"{"prompt": "abc", "expected": "Z"}"#.utf8).write(to: place.url.appending(path: "cases.jsonl"))
        let detect = "detect model tasks.tsv --task bash --shots 0 --format json -o"
        let (one, two) = (try place.run("\(detect) one"), try await split("\(detect) two", in: place))
        #expect(two.map(\.status) == [0, 0] && one.status == 0, "\(two.map(\.errors)) \(one.errors)")
        #expect(two.map(\.output) == [one.output, Data()])
        #expect(try place.bytes("one") == place.bytes("two"))

        let repair = "repair model -p abc -e Z \(EndToEndTests.unlimited) --format quiet -o"
        let alone = try place.run("\(repair) alone.fix")
        #expect(alone.status == 0, "\(alone.errors)")
        try FileManager.default.removeItem(atPath: place.url.path + "-cache")
        let repaired = try await split("\(repair) split.fix", in: place)
        #expect(repaired.map(\.status) == [0, 0], "\(repaired.map(\.errors))")
        #expect(try place.numbers("alone.fix") == place.numbers("split.fix"))

        let cases = try await split("test model cases.jsonl --patch split.fix --format quiet", in: place)
        #expect(cases.map(\.status) == [0, 0] && cases[0].text == "1 of 1\n", "\(cases.map(\.errors))")

        let evaluate = "evaluate model --data tasks.tsv --task bash --shots 0 --methods recruit --format quiet --log"
        let evaluated = try await split("\(evaluate) two.jsonl", in: place)
        #expect(evaluated.map(\.status) == [0, 0], "\(evaluated.map(\.errors))")
        #expect(try evaluated[0].output == place.run("\(evaluate) one.jsonl").output)
    }

    @Test("what would need layers of another process is refused in one line, and all ranks end")
    func elsewhere() async throws {
        let place = try Workplace()
        for method in ["rome", "lora", "kn", "subject --subject a"] {
            let outcomes = try await split(
                "repair model -p abc -e Z --method \(method) --format quiet -o new", in: place)
            #expect(outcomes.map(\.status) == [3, 3], "\(method): \(outcomes.map(\.errors))")
            #expect(outcomes[0].errors.contains("process"), "\(method): \(outcomes[0].errors)")
            #expect(!FileManager.default.fileExists(atPath: place.url.appending(path: "new").path))
        }
    }

    @Test("another model, another command and another option are refused at both")
    func mismatch() async throws {
        let place = try Workplace()
        for (lines, says) in [
            (["generate model -p abc -n 1", "generate other -p abc -n 1"], "rank 1: the command is not that of rank 0"),
            (["generate model -p abc -n 1", "generate model -p abc -n 2"], "rank 1: the command is not that of rank 0"),
            (["generate model -p abc -n 1", "test model key.jsonl"], "rank 1: the command is not that of rank 0")
        ] {
            let outcomes = try await ranks(lines.map { $0 + " --split layers" }, in: place.url)
            #expect(outcomes.map(\.status) == [3, 3], "\(outcomes.map(\.errors))")
            for outcome in outcomes { #expect(outcome.errors.contains(says), "\(outcome.errors)") }
        }
        let few = try await ranks(Array(repeating: "generate model -p abc --split layers", count: 3), in: place.url)
        #expect(few.allSatisfy { $0.status == 3 && $0.errors.contains("fewer layers than") }, "\(few.map(\.errors))")
    }

    @Test("a rank that does not come is named")
    func missing() async throws {
        let place = try Workplace()
        let outcome = try Command.run(
            ["generate", "model", "-p", "a", "--split", "layers", "--patience", "1"], in: place.url,
            environment: [
                "RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "\(try freePort())"
            ])
        #expect(outcome.status == 1 && outcome.errors.contains("rank 1 did not come within 1 s"), "\(outcome.errors)")
    }

    @Test("SmolLM2 writes and is repaired by two processes as by one", .enabled(if: Goldens.smollm2 != nil))
    func smollm2() async throws {
        let place = try Workplace()
        let model = try #require(Goldens.smollm2).path
        let line = "generate \(model) -p The -n 16"
        let alone = try place.run(line)
        let outcomes = try await split(line, in: place)
        #expect(outcomes.map(\.status) == [0, 0], "\(outcomes.map(\.errors))")
        #expect(outcomes.map(\.output) == [alone.output, Data()])
    }
}
