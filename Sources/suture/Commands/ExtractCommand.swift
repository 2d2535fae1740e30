import ArgumentParser
import Foundation
import SutureKit

/// Where a patch is written.
struct PatchOutputOptions: ParsableArguments {
    @Option(name: .shortAndLong, help: "The patch file to write.")
    var output: String

    @Flag(help: "Write over a file that is there.")
    var force = false

    var url: URL { URL(filePath: output) }

    /// Refuses, before any work is done for it, a place where the patch cannot be written from what is read.
    func check(reading inputs: [String?]) throws {
        try FilePlan(reading: inputs, writing: [destination(output, force: force)]).check()
    }

    /// Temporary files go where the patch goes: there must be room for it anyway.
    func spool() throws -> SpoolFile { try SpoolFile(in: url.deletingLastPathComponent()) }

    /// Writes the patch and shows it, with what else there is to say of its making.
    func write(_ patch: Patch, _ printing: OutputOptions, making: PatchMaking? = nil) throws {
        try patch.write(to: url, overwriting: force)
        if printing.format == .quiet { return print(output) }
        let report = try Report(patch, title: url.lastPathComponent, making: making)
        printing.show(report, quietly: output)
    }
}

struct ExtractCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "extract", abstract: "Take the difference of two models as a patch of the first.",
        discussion: """
            Without a form every changed weight is taken, as few or as many as they are. The others lose something, and the \
            report says how much.
            """)

    @Argument(help: "The model that the patch will fit.")
    var base: String

    @Argument(help: "The model that it will become.")
    var tuned: String

    @Option(help: "Matrices as low-rank factors with at most this error, as a fraction of the norm of the difference.")
    var lowRank: Double?

    @Option(help: "The highest rank to try; matrices that need more are taken whole.")
    var maxRank = 256

    @Option(help: "This fraction of each tensor's weights, those that change most.")
    var sparse: Double?

    @OptionGroup var quantization: BitOptions

    @Flag(help: "Codes from the least to the greatest change instead of symmetric ones (with --bits).")
    var asymmetric = false

    @Flag(help: "Leave out tensors that only one of the models has.")
    var shared = false

    @OptionGroup var result: PatchOutputOptions
    @OptionGroup var printing: OutputOptions

    func validate() throws {
        guard [lowRank != nil, sparse != nil, quantization.bits != nil].count(where: { $0 }) <= 1 else {
            throw ValidationError("Choose one of --low-rank, --sparse and --bits.")
        }
        guard !asymmetric || !quantization.log else { throw ValidationError("--log codes are symmetric.") }
    }

    func run() throws {
        try result.check(reading: [base, tuned])
        var form = Extraction.Form.full
        if let lowRank { form = .lowRank(tolerance: lowRank, maximumRank: maxRank) }
        if let sparse { form = .sparse(density: sparse) }
        if var options = quantization.options {
            options.isSymmetric = !asymmetric
            form = .quantized(options)
        }
        let extraction = try Extraction(
            from: Checkpoint(opening: URL(filePath: base)), to: Checkpoint(opening: URL(filePath: tuned)), as: form,
            isPartial: shared,
            spool: result.spool())
        for name in extraction.ignored { note("left out: \(name)") }
        try result.write(extraction.patch, printing, making: PatchMaking(extraction))
    }
}

/// Storage of a change in few bits.
struct BitOptions: ParsableArguments {
    @Option(help: "In this many bits for each weight, 1 to 16.")
    var bits: Int?

    @Flag(help: "Codes that lie evenly in the logarithm of a change, not in the change (with --bits, 2 to 16).")
    var log = false

    @Flag(help: "One scale for a whole tensor instead of one for each output channel (with --bits).")
    var perTensor = false

    func validate() throws {
        guard let bits else {
            guard !log, !perTensor else { throw ValidationError("--log and --per-tensor go with --bits.") }
            return
        }
        guard (1...16).contains(bits) else { throw ValidationError("--bits is 1...16, not \(bits).") }
        guard !log || bits > 1 else { throw ValidationError("--bits is 2...16 with --log, not \(bits).") }
    }

    /// Symmetric codes; nil where all is stored.
    var options: QuantizationOptions? {
        bits.map { QuantizationOptions(bits: $0, scheme: log ? .log : .linear, perChannel: !perTensor) }
    }
}
