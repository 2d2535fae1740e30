import Foundation
import SutureFormats
import SutureRepair
import SutureSignatures
import SutureSubspaces

extension Report {
    /// The page of a result that was kept as JSON: what ``json`` of such a page is.
    ///
    /// Throws `FormatError` with code `wrongJSONType` or `missingKey` for what is no such result, or lacks a part.
    public init(redrawing file: URL) throws {
        let bytes = try MappedFile(file).copy()
        let schema = try JSON.parse(bytes, source: file.relativePath)["schema"]?.stringValue ?? ""
        let result = KeptResult(data: Data(bytes), source: file.relativePath)
        switch schema {
        case "suture.repair/1":
            let kept = try result.decoded(RepairData.self)
            try self.init(kept.repair, pathway: kept.pathway)
        case "suture.evaluation/3": try self.init(result.decoded(EvaluationSummary.self))
        case "suture.faithful/1": try self.init(result.decoded(FaithfulnessReport.self))
        case "suture.pathway/2": try self.init(result.decoded(PatchPathway.self))
        case "suture.illusion/1": try self.init(result.decoded(IllusionReport.self))
        case "suture.starts/1": try self.init(result.decoded(StartsReport.self))
        case "suture.facts/1": try self.init(result.decoded(FactReport.self))
        case "suture.planted/1": try self.init(result.decoded(PlantedStudy.self))
        case "suture.planted-learned/1": try self.init(result.decoded(LearnedStudy.self))
        case "suture.signatures/1": try self.init(result.decoded(StudyResult.self))
        case "suture.sweep/1":
            let kept = try result.decoded(SweepMap.self)
            try result.require(kept.isWhole, "a table that is whole")
            try self.init(kept)
        case "suture.circuit/1":
            let kept = try result.decoded(CircuitReport.self)
            try result.require(kept.isWhole, "a curve and tables that are whole")
            try self.init(kept)
        case "suture.robustness/1":
            let kept = try result.decoded(RobustnessData.self).comparison(source: file.relativePath)
            try self.init(kept, title: "Robustness")
        case "suture.lens/1":
            let kept = try result.decoded(Lens.self)
            try result.require(kept.isWhole, "tables that are whole")
            try self.init(kept)
        case "suture.attention/1":
            let kept = try result.decoded(AttentionView.self)
            try result.require(kept.isWhole, "patterns that are whole")
            try self.init(kept)
        default:
            throw FormatError(
                .missingKey, "no page can be drawn from this", subject: file.relativePath,
                expected:
                    "the JSON of repair, evaluate, faithful, sweep, circuit, lens, attention, robustness or reproduce",
                found: schema.isEmpty ? "no schema" : "schema \(schema)")
        }
    }
}

/// A result in a file.
private struct KeptResult {
    let data: Data
    let source: String

    /// Throws unless what was decoded can be drawn.
    func require(_ isWhole: Bool, _ expected: String) throws {
        guard isWhole else {
            throw FormatError(.wrongJSONType, "the result is damaged", subject: source, expected: expected)
        }
    }

    func decoded<Value: Decodable>(_ type: Value.Type) throws -> Value {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        decoder.nonConformingFloatDecodingStrategy = .convertFromString(
            positiveInfinity: "Infinity", negativeInfinity: "-Infinity", nan: "NaN")
        do { return try decoder.decode(type, from: data) } catch let error as DecodingError {
            let (problem, path) =
                switch error {
                case .keyNotFound(let key, let context): ("\"\(key.stringValue)\" is missing", context.codingPath)
                case .typeMismatch(_, let context), .valueNotFound(_, let context): ("wrong type", context.codingPath)
                case .dataCorrupted(let context): ("not a value that this can be", context.codingPath)
                @unknown default: ("not a result that this version can draw", [])
                }
            let place = path.map { $0.intValue.map { "[\($0)]" } ?? ".\($0.stringValue)" }.joined()
            throw FormatError(
                .wrongJSONType, problem, subject: place.isEmpty ? source : "\(source), \(place.drop { $0 == "." })",
                hint: "was it written by another version, or by hand?")
        }
    }
}
