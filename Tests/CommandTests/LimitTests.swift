import Foundation
import SutureKit
import SutureTestSupport
import Testing

@Suite("What cannot be done is said before the work, in one line of our own words", .serialized)
struct LimitTests {
    private func check(_ outcome: Command.Outcome, _ status: Int32, _ mentions: [String]) {
        #expect(outcome.status == status, "\(outcome.errors)")
        #expect(outcome.errors.hasPrefix("error: "), "\(outcome.errors)")
        #expect(outcome.errors.split(separator: "\n").count == 1, "\(outcome.errors)")
        for mention in mentions { #expect(outcome.errors.contains(mention), "\(outcome.errors)") }
        let foreign = ["please report a bug to", "INTERNAL ASSERT", ".cpp", "frame #", "[c10d]", "Exception raised"]
        for each in foreign { #expect(!outcome.errors.contains(each), "\(outcome.errors)") }
    }

    @Test("a master that is dead, somebody else or has no name ends an evaluation within --patience")
    func master() throws {
        try withTemporaryDirectory { directory in
            try TinySnapshot.write(to: directory.appending(path: "model"))
            let rows = (1...8).map { "intent \($0)\tls \($0)\n" }.joined()
            try Data(("intent\tcode\n" + rows).utf8).write(to: directory.appending(path: "tasks.tsv"))
            func evaluate(_ host: String, _ port: Int) throws -> Command.Outcome {
                try Command.run(
                    ["evaluate", "model", "--data", "tasks.tsv", "--log", "run.jsonl", "--patience", "1"],
                    in: directory,
                    environment: [
                        "RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": host, "MASTER_PORT": "\(port)"
                    ])
            }
            check(try evaluate("127.0.0.1", freePort()), 1, ["rank 1 of 2", "rank 0 does not listen at 127.0.0.1"])
            check(try withSilentListener { try evaluate("127.0.0.1", $0) }, 1, ["is not rank 0 of a group"])
            check(try evaluate("no.such.machine.invalid", 29_500), 1, ["there is no machine by the name"])
            check(try evaluate("127.0.0.1", 0), 2, ["MASTER_PORT is 0"])
        }
    }

    @Test("an answer whose token has another's output row is refused, and nothing is read for it")
    func twins() throws {
        try withTemporaryDirectory { directory in
            try TinySnapshot.write(to: directory.appending(path: "model"))
            try TinySnapshot.makeTwins(90, like: 89, in: directory.appending(path: "model"))
            let outcome = try Command.run("repair model -p abc -e Z -o fix.safetensors", in: directory)
            check(outcome, 2, ["no margin is possible", "\"Z\"", "\"Y\""])
        }
    }

    @Test("pictures that are too large for a training are refused with the figures, smaller ones are not")
    func pictures() throws {
        try withTemporaryDirectory { directory in
            let folder = directory.appending(path: "photos/cat")
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            let side = 8192
            let picture = Picture(
                pixels: [UInt8](repeating: 9, count: side * side), channels: 1, height: side, width: side)
            for name in ["1.png", "2.png"] { try Data(picture.png()).write(to: folder.appending(path: name)) }
            // Hundreds of gigabytes.
            let line = "train photos -o trained --architecture vgg11 --width 4 --epochs 1"
            check(
                try Command.run(line, in: directory), 3,
                ["a batch of 2 images of 1 x 8192 x 8192", "expected about", "GB free", "--resize", "(--batch)"])
            let few = directory.appending(path: "few/cat")
            try FileManager.default.createDirectory(at: few, withIntermediateDirectories: true)
            let little = Picture(pixels: [UInt8](repeating: 9, count: 4096), channels: 1, height: 64, width: 64)
            for name in ["1.png", "2.png"] { try Data(little.png()).write(to: few.appending(path: name)) }
            let small = try Command.run(
                "train few -o trained --resize 16 --epochs 1 --format quiet", in: directory)
            #expect(small.status == 0, "\(small.errors)")
        }
    }
}
