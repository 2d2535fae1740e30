import ArgumentParser
import Foundation
import SutureFormats
import SuturePatches

/// Signatures of a large checkpoint, extracted and applied, beside cp.
struct SignaturesBenchmark: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "signatures", abstract: "Extracting and applying the signature of a large checkpoint, beside cp.",
        discussion: """
            Three checkpoints of --gigabytes each are made in --directory and removed again. A speed is that of the bytes \
            which the command has to touch: extraction reads three models, application writes the model, the originals \
            that it keeps and the patch; cp copies one model. Memory is limited to three times the largest tensor and \
            200 MB.
            """)

    @Option(help: "The size of each checkpoint.") var gigabytes = 4.0
    @Option(help: "Bits for each weight, 0 for the whole difference in float32.") var bits = 8
    @Option(help: "Where there is room for six times that.") var directory = FileManager.default.temporaryDirectory.path
    @Option(help: "The suture command.") var suture = ".build/release/suture"
    @Option(help: "How often each side is measured, in turn.") var rounds = 3

    func validate() throws {
        guard gigabytes > 0, rounds > 0, (0...16).contains(bits) else {
            throw ValidationError("--gigabytes and --rounds are positive, --bits is 0...16")
        }
    }

    func run() throws {
        let work = URL(filePath: directory).appending(path: "suture-bench-\(getpid())")
        try FileManager.default.createDirectory(at: work, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: work) }
        printConditions(threads: ProcessInfo.processInfo.activeProcessorCount, rounds: rounds)
        let models = ["pretrained", "standard", "robust"].map { work.appending(path: $0) }
        for (seed, url) in models.enumerated() {
            try SyntheticCheckpoint(gigabytes: gigabytes).write(to: url, seed: UInt64(seed + 1))
        }
        let (patch, out, copy) = (
            work.appending(path: "signature"), work.appending(path: "out"), work.appending(path: "copy")
        )
        var extract = [suture, "signature", "extract", "-o", patch.path, "--format", "quiet"]
        for (name, url) in zip(["--pretrained", "--standard", "--robust"], models) { extract += [name, url.path] }
        if bits > 0 { extract += ["--bits", "\(bits)"] }
        var (copies, synced, extractions, applications): ([Double], [Double], [MeasuredProcess], [MeasuredProcess]) =
            ([], [], [], [])
        var written = 0
        for _ in 0..<rounds {
            copies.append(try fresh(copy, ["cp", "-r", models[1].path, copy.path]).seconds)
            // cp leaves its bytes in memory, which a patch or a model may not: so also with the disk done.
            synced.append(
                try fresh(copy, ["sh", "-c", "cp -r $0 $1 && sync -f $1", models[1].path, copy.path]).seconds)
            extractions.append(try fresh(patch, extract))
            applications.append(
                try fresh(out, [suture, "apply", models[1].path, patch.path, "-o", out.path, "--format", "quiet"]))
            written = try size(of: out)
        }
        let (model, file) = (try size(of: models[1]), try size(of: patch))
        print(
            "\nmodel \(gibibytes(model)), patch \(gibibytes(file)), patched model with originals and patch "
                + gibibytes(written))
        line("cp", copies, bytes: model)
        line("cp, synced", synced, bytes: model)
        for (name, runs, bytes) in [("extract", extractions, 3 * model), ("apply", applications, written)] {
            line(name, runs.map(\.seconds), bytes: bytes)
            for (peer, times) in [("cp", copies), ("cp, synced", synced)] {
                let speed = median(zip(times, runs).map { $0 / $1.seconds })
                print(
                    "\(name) / \(peer)".left(32)
                        + String(
                            format: "%8.2f of its speed, %.2f by the model's bytes alone",
                            speed * Double(bytes) / Double(model), speed))
            }
            let largest = try Checkpoint(models[1]).tensors.map { $0.shape.reduce($0.type.width, *) }.max() ?? 0
            print(
                "\(name), peak memory".left(32)
                    + String(
                        format: "%8.0f MiB of %.0f MiB", runs.map(\.mebibytes).max() ?? 0,
                        (3 * Double(largest) + 200e6) / 1_048_576))
        }
    }

    /// Runs a command that makes what is not there.
    private func fresh(_ place: URL, _ arguments: [String]) throws -> MeasuredProcess {
        try? FileManager.default.removeItem(at: place)
        return try MeasuredProcess(arguments)
    }

    /// The bytes of a file, or of all files below a directory.
    private func size(of url: URL) throws -> Int {
        let paths = FileManager.default.subpaths(atPath: url.path).map { [""] + $0 } ?? [""]
        return try paths.reduce(0) { sum, path in
            let place = path.isEmpty ? url : url.appending(path: path)
            let facts = try FileManager.default.attributesOfItem(atPath: place.path)
            return sum + (facts[.type] as? FileAttributeType == .typeRegular ? facts[.size] as? Int ?? 0 : 0)
        }
    }

    private func gibibytes(_ bytes: Int) -> String { String(format: "%.2f GiB", Double(bytes) / 1_073_741_824) }

    private func line(_ name: String, _ seconds: [Double], bytes: Int) {
        print(
            name.left(32)
                + String(
                    format: "%8.2f s %8.2f GB/s", median(seconds), Double(bytes) / 1e9 / median(seconds)))
    }
}
