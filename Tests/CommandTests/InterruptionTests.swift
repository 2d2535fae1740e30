import Foundation
import SutureFormats
import SutureTestSupport
import Testing

/// What a command that is interrupted leaves, and says.
@Suite("Interruption", .serialized)
struct InterruptionTests {
    /// Starts a command, sends it a signal once something is so, and waits for its end.
    private func interrupted(
        _ arguments: [String], in directory: URL, by signal: Int32 = SIGINT, when isReady: () throws -> Bool
    ) throws -> Command.Outcome {
        let process = Process()
        // A shell's background jobs ignore the signal; here it is as in the foreground.
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["--default-signal=INT", Command.executable.path] + arguments
        process.currentDirectoryURL = directory
        process.environment = ProcessInfo.processInfo.environment.merging([
            "OMP_NUM_THREADS": "1", "XDG_CACHE_HOME": directory.path + "-cache", "TMPDIR": directory.path
        ]) { $1 }
        let (input, output, errors) = (Pipe(), Pipe(), Pipe())
        (process.standardInput, process.standardOutput, process.standardError) = (input, output, errors)
        try process.run()
        let end = Date.now + 60
        while try process.isRunning && !isReady() && Date.now < end { usleep(1000) }
        kill(process.processIdentifier, signal)
        let text = errors.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        let status = process.terminationReason == .exit ? process.terminationStatus : -process.terminationStatus
        return .init(
            status: status, output: output.fileHandleForReading.readDataToEndOfFile(),
            errors: String(decoding: text, as: UTF8.self))
    }

    private func names(_ url: URL) throws -> Set<String> {
        Set(try FileManager.default.contentsOfDirectory(atPath: url.path))
    }

    @Test("a model that is half written goes, and so does a lock beside it")
    func directory() throws {
        let place = try Workplace()
        let count = 1 << 23
        let large = SafetensorsSource(
            "large.weight", .float32, [count], bytes: [UInt8](repeating: 0x40, count: 4 * count))
        try FileManager.default.removeItem(at: place.url.appending(path: "model/model.safetensors"))
        try SafetensorsWriter.write(
            TinySnapshot.tensors(seed: 1) + [large], to: place.url.appending(path: "model/model.safetensors"))
        let before = try names(place.url)
        let outcome = try interrupted(["convert", "model", "--dtype", "bf16", "-o", "new"], in: place.url) {
            try names(place.url).contains { $0.hasPrefix(".new.") && $0.hasSuffix(".tmp") }
        }
        #expect(outcome.status == 130 && outcome.errors == "interrupted; nothing written\n", "\(outcome.errors)")
        let left = try names(place.url).symmetricDifference(before).sorted()
        #expect(left == [])
        #expect(outcome.output.isEmpty)
    }

    @Test("temporary directories go, and programs that were started hear the signal", arguments: [SIGINT, SIGTERM])
    func temporary(_ signal: Int32) throws {
        let place = try Workplace()
        let before = try names(place.url)
        let outcome = try interrupted(
            ["minimize", "good.fix", "--check", "sleep 60", "-o", "new.fix"], in: place.url, by: signal
        ) {
            try names(place.url).contains { $0.hasPrefix(".suture-work-") }
        }
        #expect(outcome.status == 128 + signal && outcome.errors == "interrupted; nothing written\n")
        let left = try names(place.url).symmetricDifference(before).sorted()
        #expect(left == [])
    }

    @Test("what is logged is kept, and the same command goes on")
    func log() throws {
        let place = try Workplace()
        let tasks = (0..<40).map { "\(UnicodeScalar(97 + $0 % 26)!)\($0)\tq\($0)\n" }.joined()
        try Data("intent\tcode\n\(tasks)".utf8).write(to: place.url.appending(path: "tasks.tsv"))
        let line = "evaluate model --data tasks.tsv --methods gap --shots 0 --first-token --related 0 --log run.jsonl"
        let words = line.split(separator: " ").map(String.init)
        let log = place.url.appending(path: "run.jsonl")
        func lines() -> Int { ((try? Data(contentsOf: log)) ?? Data()).count { $0 == 10 } }
        let outcome = try interrupted(words, in: place.url) { lines() > 5 }
        #expect(outcome.status == 130)
        #expect(
            outcome.errors.hasSuffix(
                "interrupted; what is in run.jsonl is kept, and the same command goes on with it\n"))
        let kept = lines()
        #expect(kept > 5)
        let again = try place.run(line)
        #expect(again.status == 0 && lines() > kept, "\(again.errors)")
    }

    @Test("results that were in their place before are named")
    func written() throws {
        let place = try Workplace()
        let outcome = try interrupted(
            [
                "train", "images", "-o", "net", "--init", "classifier", "--save-every", "1", "--epochs", "1000",
                "--batch", "4"
            ], in: place.url
        ) {
            try names(place.url).count { $0.hasPrefix("net-step-") } > 1
        }
        let steps = try names(place.url).filter { $0.hasPrefix("net-step-") }
        #expect(outcome.status == 130 && !steps.isEmpty)
        #expect(outcome.errors.contains(" is kept, and --resume net-step-"), "\(outcome.errors)")
        #expect(try !names(place.url).contains { $0.hasPrefix(".net") })
    }

    @Test("a command that only reads ends as well")
    func reading() throws {
        let place = try Workplace()
        var polls = 0
        let outcome = try interrupted(["generate", "model", "-p", "-"], in: place.url) {
            polls += 1
            return polls > 300
        }
        #expect(outcome.status == 130 && outcome.errors == "interrupted; nothing written\n")
    }
}
