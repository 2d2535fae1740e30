import ArgumentParser
import Foundation
import SutureKit

struct CombineCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "combine", abstract: "Make one patch of several, and say where they meet.",
        discussion: """
            sum is exactly what applying all of them gives. ties keeps the largest changes and lets signs vote \
            (2306.01708); dare drops changes at random and scales up the rest (2311.03099).
            """)

    @Argument(help: "Patch files; FILE@X takes X times a patch.")
    var patches: [ScaledPatch]

    @Option(help: "sum, mean, ties, dare.")
    var mode = Mode.sum

    @Option(help: "The fraction of each tensor's elements that ties keeps.")
    var density = 0.2

    @Option(help: "The fraction of changes that dare drops.")
    var drop = 0.9

    @Option(help: "The seed by which dare draws.")
    var seed: UInt64 = 0

    @OptionGroup var conflicts: ConflictOptions
    @OptionGroup var result: PatchOutputOptions
    @OptionGroup var printing: OutputOptions

    enum Mode: String, ExpressibleByArgument, CaseIterable { case sum, mean, ties, dare }

    func validate() throws {
        guard patches.count > 1 else { throw ValidationError("Name at least two patch files.") }
    }

    func run() throws {
        try result.check(reading: patches.map(\.path))
        let chosen: Combination.Mode =
            switch mode {
            case .sum: .sum
            case .mean: .mean
            case .ties: .ties(density: density)
            case .dare: .dare(drop: drop, seed: seed)
            }
        let combination = try Combination(
            patches.map { try $0.applied() }, chosen, spool: result.spool(), allowingConflicts: conflicts.allowConflicts
        )
        try result.write(combination.patch, printing, making: PatchMaking(combination))
    }
}
