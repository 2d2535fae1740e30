import Foundation
import Testing

/// What a system refuses ends a command with one clear line, and leaves nothing behind.
@Suite("Limits of the system")
struct SystemLimitTests {
    /// Runs a line under a limit of the shell.
    private func run(_ line: String, under limit: String, in place: Workplace) throws -> Command.Outcome {
        try Command.run(
            ["-c", "ulimit \(limit) && exec \"$0\" \(line)", Command.executable.path], in: place.url,
            program: URL(filePath: "/bin/sh"))
    }

    @Test(
        "files that may not grow: a failure, and no signal",
        arguments: [
            "convert model -o new", "apply model good.fix -o new", "extract model other -o new",
            "combine good.fix small.fix -o new", "corrupt images -o new --corruptions fog:1 --as arrays --format quiet",
            "apply model good.fix -o old --force", "evaluate model --data tasks.tsv --shots 0 --related 0 --log new"
        ])
    func size(_ line: String) throws {
        let place = try Workplace()
        try place.done("apply model small.fix -o old")
        let before = try place.listing()
        let outcome = try run(line, under: "-f 1", in: place)
        #expect(outcome.status == 1 && outcome.output.isEmpty, "\(outcome.errors)")
        #expect(outcome.errors.hasPrefix("error: ") && outcome.errors.contains("`ulimit -f`"), "\(outcome.errors)")
        #expect(outcome.errors.split(separator: "\n").count == 1, "\(outcome.errors)")
        #expect(try place.listing() == before)
    }

    @Test(
        "few file descriptors: done, or a failure in one line",
        arguments: [
            "convert model -o new --shard-size 20KB", "apply model good.fix -o new", "diff model other",
            "show good.fix",
            "detect model tasks.tsv --shots 0 --limit 1", "minimize good.fix --check true -o new"
        ])
    func descriptors(_ line: String) throws {
        let place = try Workplace()
        var codes: [Int32] = []
        for count in 3..<24 {
            let outcome = try run(line, under: "-n \(count)", in: place)
            codes.append(outcome.status)
            // Below what the dynamic loader and the libraries need nothing of ours runs.
            let isOurs = outcome.errors.hasPrefix("error: ") || outcome.status == 0
            let ofTheLoader = outcome.errors.contains("error while loading shared libraries") && outcome.status == 127
            #expect(isOurs || ofTheLoader, "\(line), \(count): \(outcome.status) \(outcome.errors)")
            #expect([0, 1, 127].contains(outcome.status), "\(line), \(count): \(outcome.status) \(outcome.errors)")
            // What failed is not there, and what is there did not fail.
            let isThere = FileManager.default.fileExists(atPath: place.url.path + "/new")
            #expect(!isThere || outcome.status == 0, "\(line), \(count): \(outcome.errors)")
            try? FileManager.default.removeItem(at: place.url.appending(path: "new"))
        }
        #expect(codes.contains(1) || codes.contains(127))
    }

    @Test("the caches are where HOME and XDG_CACHE_HOME say, and a relative one counts as none")
    func caches() throws {
        let place = try Workplace()
        let home = place.url.appending(path: "home")
        let repair =
            ["repair", "model", "-p", "abc", "-e", "Z", "--guard-texts", "texts.txt"]
            + EndToEndTests.alone.split(separator: " ").map(String.init)
        let outcome = try Command.run(
            repair, in: place.url, environment: ["HOME": home.path, "XDG_CACHE_HOME": "relative"])
        #expect(outcome.status == 0, "\(outcome.errors)")
        let files = FileManager.default
        #expect(try files.contentsOfDirectory(atPath: home.path + "/.cache/suture/statistics").count == 1)
        #expect(!files.fileExists(atPath: place.url.path + "/relative"))
    }

    @Test("a tensor library of another build than the command is told apart, and nothing is called in it")
    func engine() throws {
        let place = try Workplace()
        let command = place.url.appending(path: "suture")
        try FileManager.default.copyItem(at: Command.executable.resolvingSymlinksInPath(), to: command)
        let source = "const char ct_engine_names[] = \"free shape \"; const void *ct_engine[200];"
        try Data(source.utf8).write(to: place.url.appending(path: "engine.c"))
        #if os(macOS)
            let library = "libSutureTorch.dylib"
        #else
            let library = "libSutureTorch.so"
        #endif
        let compiled = try Command.run(
            ["clang", "-shared", "-fPIC", "engine.c", "-o", library], in: place.url,
            program: URL(filePath: "/usr/bin/env"))
        #expect(compiled.status == 0, "\(compiled.errors)")
        let outcome = try Command.run(["generate", "model", "-p", "abc"], in: place.url, program: command)
        #expect(outcome.status == 1 && outcome.output.isEmpty, "\(outcome.errors)")
        #expect(outcome.errors.hasPrefix("error: the tensor library is of another build"), "\(outcome.errors)")
        #expect(outcome.errors.contains(library) && outcome.errors.contains("swift build"), "\(outcome.errors)")
    }
}
