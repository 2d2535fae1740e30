import ArgumentParser
import Foundation
import SutureFormats
import SuturePatches

/// Applying to files beside `cp`, and task arithmetic beside mergekit and a plain script.
struct PatchesBenchmark: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "patches",
        abstract: "Applying a patch beside cp, and task arithmetic beside mergekit and a plain script.",
        discussion: """
            The first part makes a sharded checkpoint of --gigabytes and applies a patch of 1 % of it. The second \
            subtracts two checkpoints and adds the difference to a third: on --model (a snapshot), and on synthetic ones \
            of --task-gigabytes. Everything is made in --directory and removed again. Peers: Scripts/setup-python and \
            Scripts/setup-mergekit.

            Before each run all that was written is on the disk. Then the inputs are read once, so that everybody finds \
            them in memory, or forgotten if they do not fit there all three (--cold). suture syncs what it writes; the \
            peers do not, except for the "cp, synced".
            """)

    @Option(help: "The size of the sharded checkpoint of the first part; 0 for none.") var gigabytes = 8.0
    @Option(help: "The size of each synthetic checkpoint of the second part; 0 for none.") var taskGigabytes = 8.0
    @Option(help: "A snapshot for the second part too.") var model: String?
    @Flag(help: "Begin each run with inputs that are on the disk only.") var cold = false
    @Flag(help: "Measure the way by a patch, extract and apply, too.") var viaPatch = false
    @Option(help: "Where there is room.") var directory = FileManager.default.temporaryDirectory.path
    @Option(help: "The suture command.") var suture = ".build/release/suture"
    @Option(help: "How often each side is measured, in turn.") var rounds = 3

    func run() throws {
        let work = URL(filePath: directory).appending(path: "suture-bench-\(getpid())")
        try FileManager.default.createDirectory(at: work, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: work) }
        printConditions(threads: ProcessInfo.processInfo.activeProcessorCount, rounds: rounds)
        if gigabytes > 0 { try apply(in: work) }
        if let model { try taskArithmetic(.snapshot(Checkpoint(URL(filePath: model))), in: work) }
        if taskGigabytes > 0 { try taskArithmetic(.synthetic(gigabytes: taskGigabytes), in: work) }
    }

    /// Puts everything on the disk, and all files of these models into the cache or out of it.
    private func prepare(_ models: [URL]) throws {
        sync()
        for model in models {
            for url in try FileManager.default.contentsOfDirectory(at: model, includingPropertiesForKeys: nil) {
                if cold {
                    let descriptor = open(url.path, O_RDONLY)
                    posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED)
                    close(descriptor)
                } else {
                    _ = try MeasuredProcess(["cat", url.path])
                }
            }
        }
    }

    // MARK: Applying

    private func apply(in work: URL) throws {
        let base = work.appending(path: "base")
        try SyntheticCheckpoint(gigabytes: gigabytes).write(to: base, seed: 1)
        let checkpoint = try Checkpoint(base)
        let (file, shards) = try patchOfOnePercent(checkpoint, in: work)
        let (out, copy) = (work.appending(path: "out"), work.appending(path: "copy"))
        let cp = ["cp"] + shards.map { base.appending(path: $0).path } + [copy.path]
        var times: [String: [MeasuredProcess]] = [:]
        for _ in 0..<rounds {
            func measure(_ name: String, _ arguments: [String]) throws {
                for url in [out, copy] { try? FileManager.default.removeItem(at: url) }
                try FileManager.default.createDirectory(at: copy, withIntermediateDirectories: true)
                try prepare([base])
                times[name, default: []].append(try MeasuredProcess(arguments))
            }
            // cp leaves its bytes in memory, which a patched model may not: so also with the disk done.
            try measure("cp", cp)
            try measure("cp, synced", ["sh", "-c", "cp \"$@\" && sync -f \"$0\"", copy.path] + cp.dropFirst())
            try measure("apply", [suture, "apply", base.path, file.path, "-o", out.path])
            try measure("check", [suture, "check", base.path, file.path])
        }
        print(
            "\napply of 1 % of \(gigabytes) GB, \(shards.count) of \(checkpoint.snapshot?.files.count ?? 0) shards touched"
        )
        for name in ["cp", "cp, synced", "apply", "check"] { print(line(name, times[name] ?? [])) }
        for name in ["cp", "cp, synced"] { print(ratio("apply / \(name)", times["apply"] ?? [], times[name] ?? [])) }
        for url in [out, copy, base] { try? FileManager.default.removeItem(at: url) }
    }

    /// A dense patch of the output projections of attention that make up 1 %, and the shards that these are in.
    private func patchOfOnePercent(_ checkpoint: Checkpoint, in work: URL) throws -> (file: URL, shards: [String]) {
        let all = checkpoint.tensors.filter { $0.name.hasSuffix("o_proj.weight") }
        let count = max(1, Int((gigabytes * 1e9 / 100 / Double(2 * 4096 * 4096)).rounded(.up)))
        let chosen = all.prefix(min(count, all.count))
        let changes = chosen.map { tensor in
            Edit.dense(
                tensor.name, (0..<tensor.shape.reduce(1, *)).map { 1e-3 * Float(($0 % 17) - 8) }, shape: tensor.shape)
        }
        let patch = try Patch(changes, of: checkpoint, method: .init(name: "benchmark"))
        let file = work.appending(path: "patch.safetensors")
        try patch.write(to: file)
        let shards = try PatchedCheckpoint(checkpoint).adding([AppliedPatch(patch)]).plan().rewritten.map(\.name)
        return (file, shards)
    }

    // MARK: Task arithmetic

    private enum Models {
        case snapshot(Checkpoint)
        case synthetic(gigabytes: Double)

        var name: String {
            switch self {
            case .snapshot(let model): model.url.lastPathComponent
            case .synthetic(let gigabytes): "\(gigabytes) GB"
            }
        }
    }

    private func taskArithmetic(_ models: Models, in work: URL) throws {
        let names = ["base", "tuned", "target"].map { work.appending(path: "task-\($0)") }
        defer { for url in names { fresh(url.path) } }
        switch models {
        case .snapshot(let source):
            // Three models of one shape: the snapshot, and it with noise of two kinds.
            try source.writeSnapshot(to: names[0])
            for (seed, url) in zip([1, 2], names.dropFirst()) {
                try noisy(source, to: url, seed: UInt64(seed), in: work)
            }
        case .synthetic(let gigabytes):
            for (seed, url) in names.enumerated() {
                try SyntheticCheckpoint(gigabytes: gigabytes).write(to: url, seed: UInt64(seed + 1))
            }
        }
        let paths = names.map(\.path)
        let type = try Checkpoint(names[0]).tensors.first?.type == .bfloat16 ? "bfloat16" : "float32"
        let (patch, out) = (work.appending(path: "difference.safetensors").path, work.appending(path: "task-out").path)
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let python = root.appending(path: ".deps/python/bin/python").path
        let script = root.appending(path: "Benchmarks/peers/task_arithmetic.py").path
        let mergekit = root.appending(path: ".deps/mergekit/bin/mergekit-yaml").path
        let recipe = work.appending(path: "recipe.yaml")
        // target + (tuned - base), with the target as a model of its own over the base.
        try Data(
            """
            merge_method: task_arithmetic
            base_model: \(paths[0])
            models: [{model: \(paths[1]), parameters: {weight: 1.0}}, {model: \(paths[2]), parameters: {weight: 1.0}}]
            dtype: \(type)

            """.utf8
        ).write(to: recipe)
        let isThere = FileManager.default.isExecutableFile(atPath: mergekit)
        if !isThere { print("note: no mergekit; run Scripts/setup-mergekit") }
        var times: [String: [MeasuredProcess]] = [:]
        func measure(_ name: String, _ arguments: [String]) throws {
            fresh(out)
            try prepare(names)
            times[name, default: []].append(try MeasuredProcess(arguments))
        }
        for _ in 0..<rounds {
            try measure("suture transfer", [suture, "transfer"] + paths + ["-o", out])
            if viaPatch {
                try measure("suture extract", [suture, "extract", paths[0], paths[1], "-o", patch])
                try measure("suture apply", [suture, "apply", paths[2], patch, "--transfer", "-o", out])
                fresh(patch)
            }
            try measure("plain script", [python, script] + paths + [out])
            if isThere {
                try measure("mergekit", [mergekit, recipe.path, out, "--lazy-unpickle", "--no-copy-tokenizer"])
            }
        }
        fresh(out)
        print("\nthird + (second - first), \(models.name), \(type), inputs \(cold ? "on the disk" : "read before")")
        for name in ["suture transfer", "suture extract", "suture apply", "plain script", "mergekit"] {
            if let runs = times[name] { print(line(name, runs)) }
        }
        let ours = times["suture transfer"] ?? []
        for name in ["plain script", "mergekit"] {
            guard let peer = times[name], !peer.isEmpty else { continue }
            let time = median(peer.map(\.seconds)) / median(ours.map(\.seconds))
            let memory = median(peer.map(\.mebibytes)) / median(ours.map(\.mebibytes))
            print("\(name) / suture transfer".left(32) + String(format: "time %.2f, memory %.1f", time, memory))
        }
    }

    private func fresh(_ paths: String...) { for path in paths { try? FileManager.default.removeItem(atPath: path) } }

    /// A model with a little added to every weight.
    private func noisy(_ source: Checkpoint, to url: URL, seed: UInt64, in work: URL) throws {
        var state = seed
        let changes = source.tensors.filter(\.type.isPatchable).map { tensor in
            Edit.dense(
                tensor.name,
                (0..<tensor.shape.reduce(1, *)).map { _ in
                    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                    return Float(Int32(truncatingIfNeeded: state >> 32)) * 0x1p-41
                }, shape: tensor.shape)
        }
        let patch = try Patch(changes, of: source, method: .init(name: "noise"))
        let patched = work.appending(path: "noisy")
        try PatchedCheckpoint(Checkpoint(work.appending(path: "task-base"))).adding([AppliedPatch(patch)]).write(
            to: patched)
        // Without the record: as if it had been trained.
        for name in ["suture.lock.json", "suture"] {
            try FileManager.default.removeItem(at: patched.appending(path: name))
        }
        try FileManager.default.moveItem(at: patched, to: url)
    }

    private func line(_ name: String, _ runs: [MeasuredProcess]) -> String {
        name.left(32)
            + String(format: "%8.2f s %8.0f MiB", median(runs.map(\.seconds)), median(runs.map(\.mebibytes)))
    }

    private func ratio(_ name: String, _ a: [MeasuredProcess], _ b: [MeasuredProcess]) -> String {
        name.left(32) + String(format: "%8.2f", median(zip(a, b).map { $0.seconds / $1.seconds }))
    }
}
