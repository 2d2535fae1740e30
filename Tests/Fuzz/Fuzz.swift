import Foundation
import SutureFormats
import SuturePatches
import SutureVariants
import SutureVision

/// Feeds broken files to the readers: safetensors, GGUF, ONNX, patches with their manifests, pictures and arrays of images; and
/// models with something wrong in them to all that a command does with a model.
///
///     swift run -c release suture-fuzz SECONDS [SEED [ROUND]]
///
/// In every second round the input is a file of the corpus (`Tests/Fuzz/Corpus` and the goldens, hostile ones too) with
/// mutated bytes, in the others it is a ``Variant``; both follow from the seed and the number of the round, and a round
/// can be run alone. A reader may say no by an error of its own; it may not crash, take more than ten seconds, or more
/// than a gibibyte. The input at work is in the directory that is printed, and stays there after a crash: put it into the
/// corpus.
@main
enum Fuzz {
    static func main() throws {
        #if LIBFUZZER
            let words = CommandLine.arguments.dropFirst()
            if words.first == "coverage", let what = words.dropFirst().first {
                exit(try Coverage.run(what, Array(words.dropFirst(2))))
            }
        #endif
        let arguments = CommandLine.arguments.dropFirst().compactMap(UInt64.init)
        guard let seconds = arguments.first else { return print("usage: suture-fuzz SECONDS [SEED [ROUND]]") }
        let seed = arguments.count > 1 ? arguments[1] : 1
        let only = arguments.count > 2 ? arguments[2] : nil
        // In memory where the system has such a place, so that the time goes into the readers.
        let memory = URL(filePath: "/dev/shm")
        let parent =
            FileManager.default.isWritableFile(atPath: memory.path) ? memory : FileManager.default.temporaryDirectory
        let directory = parent.appending(path: "suture-fuzz-\(getpid())")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        try Reader.prepare(directory, corpus: root.appending(path: "Tests/Fuzz/Corpus"))
        let seeds = try corpus()
        // Files that are right as they are reach further into a reader than those that are wrong from the start.
        let groups = Dictionary(grouping: seeds) { "\($0.isHostile) \($0.reader.rawValue)" }.sorted { $0.key < $1.key }
        let turns = groups.flatMap { [[Seed]](repeating: $0.value, count: $0.value[0].weight) }
        print("\(seeds.count) files, seed \(seed), input at work in \(directory.path)")
        let models = try Variant.Seeds()
        Replay.prepare(seed: seed)
        // Of mutated bytes and of variants: how many there were, and how many of them were accepted.
        var counts = [(0, 0), (0, 0)]
        var faults = 0
        var round = only ?? 0
        let end = ContinuousClock.now + .seconds(Int(seconds))
        while ContinuousClock.now < end {
            Replay.round = round
            var random = Random(state: seed &* 0x2545_F491_4F6C_DD1D &+ round)
            let name: String
            let work: () throws -> Void
            if round % 2 == 1 {
                guard let variant = Variant(of: models, &random) else { break }
                let place = directory.appending(path: "variant-\(round)")
                name = variant.description
                work = {
                    try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
                    defer { if only == nil { try? FileManager.default.removeItem(at: place) } }
                    try variant.use(in: place)
                }
            } else {
                guard let chosen = turns[Int(round / 2) % turns.count].randomElement(using: &random),
                    let other = seeds.randomElement(using: &random)
                else { break }
                let input = directory.appending(path: "\(round / 2 % 2)/\(chosen.reader.rawValue)")
                let mutation = Mutation(chosen.bytes, with: other.bytes, hasHeader: chosen.reader.hasHeader, &random)
                try Data(mutation.bytes).write(to: input)
                name = chosen.name
                work = { try chosen.reader.read(input) }
            }
            if only != nil {
                print(name)
                // A crash would lose it.
                fflush(nil)
            }
            counts[Int(round % 2)].0 += 1
            // The signal ends the process, and the input stays.
            Replay.limitTime(to: 10)
            do {
                try work()
                counts[Int(round % 2)].1 += 1
            } catch {
                if only != nil { print("\(error)") }
                if let fault = Variant.fault(in: error) {
                    faults += 1
                    print("round \(round), \(name): \(fault)")
                }
            }
            Replay.limitTime(to: 0)
            if peakMebibytes() > 1024 { fail("round \(round), \(name): \(peakMebibytes()) MiB") }
            if only != nil { return print("its files are in \(directory.path)") }
            round += 1
        }
        try FileManager.default.removeItem(at: directory)
        for (what, count) in zip(["files with mutated bytes", "variants of models"], counts) {
            print("\(count.0) \(what): \(count.1) accepted, the others refused")
        }
        print("\(usage.seconds) s of processor time; peak memory \(peakMebibytes()) MiB; \(faults) faults")
        if faults > 0 { exit(1) }
    }

    /// A reader and a whole file for it.
    private struct Seed {
        let reader: Reader
        let name: String
        let bytes: [UInt8]
        var isHostile: Bool { name.contains("hostile") }
        /// How many rounds in a turn are for it and those like it.
        var weight: Int { !isHostile && [.safetensors, .gguf, .onnx, .patch].contains(reader) ? 3 : 1 }
    }

    static var root: URL {
        URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    }

    private static func corpus() throws -> [Seed] {
        let places: [(String, Reader)] = [
            ("Tests/Fuzz/Corpus", .patch), ("Tests/Goldens/formats", .gguf), ("Tests/Goldens/formats", .safetensors),
            ("Tests/Goldens/hostile/safetensors", .safetensors), ("Tests/Goldens/hostile/gguf", .gguf),
            ("Tests/Goldens/tokenizers", .gguf), ("Tests/Goldens/onnx", .onnx), ("Tests/Goldens/onnx/hostile", .onnx),
            ("Tests/Fuzz/Corpus", .picture), ("Tests/Fuzz/Corpus", .array),
            ("Tests/Fuzz/Corpus", .digits), ("Tests/Fuzz/Corpus", .packedDigits)
        ]
        return try places.flatMap { place, reader -> [Seed] in
            let directory = root.appending(path: place)
            let names = try FileManager.default.contentsOfDirectory(atPath: directory.path)
            return try names.sorted().filter(reader.takes).compactMap { name in
                let bytes = [UInt8](try Data(contentsOf: directory.appending(path: name)))
                return bytes.count > 300_000 ? nil : Seed(reader: reader, name: "\(place)/\(name)", bytes: bytes)
            }
        }
    }

    private static var usage: (seconds: Int, peak: Int) {
        var usage = rusage()
        #if os(Linux)
            getrusage(Int32(RUSAGE_SELF.rawValue), &usage)
        #else
            getrusage(RUSAGE_SELF, &usage)
        #endif
        return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec, Int(usage.ru_maxrss))
    }

    private static func peakMebibytes() -> Int {
        #if os(Linux)
            usage.peak / 1024
        #else
            usage.peak / 1_048_576
        #endif
    }

    private static func fail(_ message: String) -> Never {
        FileHandle.standardError.write(Data("failed: \(message)\n".utf8))
        exit(1)
    }
}
