import ArgumentParser
import Foundation
import SutureKit

/// The peak memory of a command, against the size of the model's weights.
struct MemoryBenchmark: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "memory", abstract: "Peak memory of `suture repair`, against the model's float32 weights.")

    @Argument(help: "The model.") var model: String
    @Option(help: "How many threads.") var threads = ProcessInfo.processInfo.activeProcessorCount

    func run() throws {
        let checkpoint = try Checkpoint(URL(filePath: model))
        let weights = checkpoint.tensors.reduce(0) { $0 + 4 * $1.shape.reduce(1, *) }
        let folder = FileManager.default.temporaryDirectory.appending(path: "suture-bench-\(UUID())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let program = URL(filePath: Bundle.main.executablePath ?? CommandLine.arguments[0])
            .deletingLastPathComponent().appending(path: "suture")
        // With an empty cache, so that the reference texts are read too: that is when a repair takes most.
        let process = try MeasuredProcess([
            "/usr/bin/env", "XDG_CACHE_HOME=\(folder.path)", program.path, "repair", model, "-p",
            "The capital of Australia is", "-e", " Canberra", "-o",
            folder.appending(path: "fix.safetensors").path, "--threads", "\(threads)", "--format", "quiet"
        ])
        let peak = process.mebibytes * 1_048_576
        print("float32 weights  \(Int(Double(weights) / 1e6)) MB")
        print(
            "peak of repair   \(Int(peak / 1e6)) MB, \(String(format: "%.2f", peak / Double(weights))) of the weights")
    }
}
