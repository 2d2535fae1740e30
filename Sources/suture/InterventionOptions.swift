import ArgumentParser
import Foundation
import SutureKit

/// What changes each run of a model: parts switched off, vectors added or taken out.
struct InterventionOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Zero ablation: set what is at a site to 0 in each run, such as attn.23.head.4, mlp.8.out, mlp.8.hidden[711]; may be repeated.",
            valueName: "site"))
    var ablate: [String] = []

    @Option(
        help: ArgumentHelp(
            "Add the vectors of this file, .safetensors or .npy, at each token; may be repeated.", valueName: "file"))
    var steer: [String] = []

    @Option(
        help: ArgumentHelp(
            "Take the directions of this file out of what is there at each token; may be repeated.", valueName: "file"))
    var project: [String] = []

    @Option(
        help: ArgumentHelp(
            "Where --steer and --project act, such as residual.15; once for all, or once for each of them, --steer first.",
            valueName: "site"))
    var at: [String] = []

    @Option(
        parsing: .unconditionalSingleValue,
        help: ArgumentHelp("How much of --steer is added; once for all, or once for each. (default: 1)"))
    var strength: [Double] = []

    /// The files that are read.
    var files: [String] { steer + project }

    var isEmpty: Bool { ablate.isEmpty && files.isEmpty }

    func validate() throws {
        for site in ablate where SiteChannels(site) == nil {
            throw ValidationError("--ablate is a site such as attn.23.head.4 or mlp.8.hidden[711], not \"\(site)\".")
        }
        for site in at where Site(site) == nil {
            throw ValidationError("--at is a site such as residual.15 or mlp.20.hidden, not \"\(site)\".")
        }
        guard at.count <= 1 || at.count == files.count else {
            throw ValidationError(
                "--at stands once, or once for each of the \(files.count) files of --steer and --project.")
        }
        guard at.isEmpty || !files.isEmpty else { throw ValidationError("--at goes with --steer or --project.") }
        guard strength.count <= 1 || strength.count == steer.count, strength.isEmpty || !steer.isEmpty else {
            throw ValidationError("--strength stands once, or once for each --steer.")
        }
        guard strength.allSatisfy(\.isFinite) else { throw ValidationError("--strength is a finite number.") }
    }

    /// The model under them.
    func applied(to model: LanguageModel) throws -> LanguageModel {
        guard !isEmpty else { return model }
        let ablations = ablate.compactMap(SiteChannels.init).map {
            Intervention($0.site, units: $0.channels, .scale(0))
        }
        let others = try files.enumerated().map { index, file in
            let vectors = try SteeringVectors(contentsOf: URL(filePath: file))
            let site = (at.count > 1 ? at[index] : at.first).flatMap(Site.init)
            guard index < steer.count else { return try vectors.projection(model, at: site) }
            return try vectors.steering(
                model, at: site, strength: strength.count > 1 ? strength[index] : strength.first ?? 1)
        }
        return try model.intervening(ablations + others)
    }

    /// A model's name with what changes its runs, for reports.
    func named(_ name: String) -> String {
        let parts =
            ablate.map { "without \($0)" } + steer.map { "steered by \(URL(filePath: $0).lastPathComponent)" }
            + project.map { "without the directions of \(URL(filePath: $0).lastPathComponent)" }
        return ([name] + parts).joined(separator: ", ")
    }

    /// What tells a model with them from another, by the digest of its files.
    func digest(_ model: String) throws -> String {
        guard !isEmpty else { return model }
        let vectors = try files.map { Digest.sha256(try MappedFile(URL(filePath: $0)).copy()) }
        let parts = [[model], ablate, vectors, at, strength.map { "\($0)" }].map { $0.joined(separator: " ") }
        return Digest.sha256(Array(parts.joined(separator: "\n").utf8))
    }
}
