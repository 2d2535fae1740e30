import Foundation
import SutureFormats

/// What an evaluation has found so far, in a file of JSON lines that only grows.
///
/// The first line has the settings; a log of others is refused. Several processes that share an evaluation write to a log
/// each, and take over what is in those of the others.
public final class EvaluationLog {
    public let settings: EvaluationSettings
    private let file: LineLog
    private(set) var asked: [Place: AskedRecord] = [:]
    private(set) var repairs: [Place: RepairRecord] = [:]
    /// By how many failures were tried.
    private(set) var successions: [Place: SuccessionRecord] = [:]
    /// By their number, row by row.
    private(set) var cells: [Place: CellRecord] = [:]

    /// Where in an evaluation a record belongs.
    struct Place: Hashable {
        var task: Int
        var question: Int
        var method = 0
    }

    /// One line; all members but one are missing.
    private struct Line: Codable {
        var settings: EvaluationSettings?
        var asked: AskedRecord?
        var repair: RepairRecord?
        var succession: SuccessionRecord?
        var cell: CellRecord?
    }

    /// Goes on with a log, or begins one.
    ///
    /// Throws ``RepairError`` with code `badList` for a file that is no log, and `badRequest` for a log of other settings;
    /// either is left as it is.
    public init(_ url: URL, _ settings: EvaluationSettings) throws {
        self.settings = settings
        var found: [Line] = []
        file = try LineLog(url, firstLine: Self.encoded(Line(settings: settings))) { lines in
            found = try Self.read(lines, url.relativePath, settings)
        }
        found.forEach(keep)
    }

    /// Adds what the log of another process has and this one does not.
    ///
    /// Throws ``RepairError`` as for a file.
    public func take(_ log: [UInt8], of name: String) throws {
        // A line without an end is being written.
        let lines = log.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).dropLast().map(
            Array.init)
        for line in try Self.read(lines, name, settings) {
            if let each = line.asked, asked[Place(each)] == nil { try append(line) }
            if let each = line.repair, repairs[Place(each)] == nil { try append(line) }
            if let each = line.succession, successions[Place(each)] == nil { try append(line) }
            if let each = line.cell, cells[Place(each)] == nil { try append(line) }
        }
    }

    private static func read(_ lines: [[UInt8]], _ name: String, _ settings: EvaluationSettings) throws -> [Line] {
        let decoder = JSONDecoder()
        decoder.nonConformingFloatDecodingStrategy = .convertFromString(
            positiveInfinity: "Infinity", negativeInfinity: "-Infinity", nan: "NaN")
        return try lines.enumerated().map { number, bytes in
            let place = "\(name), line \(number + 1)"
            guard let line = try? decoder.decode(Line.self, from: Data(bytes)), (line.settings != nil) == (number == 0)
            else {
                throw RepairError(
                    .badList, "this is no line of a log of suture evaluate", subject: place,
                    hint: "name a file that is not there yet")
            }
            if let found = line.settings, found != settings {
                throw RepairError(
                    .badRequest, "this log is of other settings: \(difference(settings, found))", subject: place,
                    hint: "ask for the same again, or name a file that is not there yet")
            }
            return line
        }
    }

    private static func difference(_ ours: EvaluationSettings, _ its: EvaluationSettings) -> String {
        let parts = [
            ("the format", ours.schema != its.schema), ("the model", ours.digest != its.digest),
            ("the methods or their options", ours.methods != its.methods), ("the questions", ours.tasks != its.tasks),
            ("the unit of repair", ours.firstToken != its.firstToken),
            ("the studies", ours.studies != its.studies), ("the texts", ours.texts != its.texts)
        ]
        return parts.first { $0.1 }?.0 ?? "the model's name"
    }

    private func keep(_ line: Line) {
        if let each = line.asked { asked[Place(each)] = each }
        if let each = line.repair { repairs[Place(each)] = each }
        if let each = line.succession { successions[Place(each)] = each }
        if let each = line.cell { cells[Place(each)] = each }
    }

    private static func encoded(_ line: Line) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.nonConformingFloatEncodingStrategy = .convertToString(
            positiveInfinity: "Infinity", negativeInfinity: "-Infinity", nan: "NaN")
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return try [UInt8](encoder.encode(line))
    }

    private func append(_ line: Line) throws {
        try file.append(Self.encoded(line))
        keep(line)
    }

    func append(_ record: AskedRecord) throws { try append(Line(asked: record)) }
    func append(_ record: RepairRecord) throws { try append(Line(repair: record)) }
    func append(_ record: SuccessionRecord) throws { try append(Line(succession: record)) }
    func append(_ record: CellRecord) throws { try append(Line(cell: record)) }
}

extension EvaluationLog.Place {
    init(_ record: AskedRecord) { self.init(task: record.task, question: record.question) }
    init(_ record: RepairRecord) { self.init(task: record.task, question: record.question, method: record.method) }
    init(_ record: SuccessionRecord) { self.init(task: record.task, question: record.tried, method: record.method) }
    init(_ record: CellRecord) {
        let number = record.rule * RuleMatrix.contexts + record.context
        self.init(task: record.task, question: number, method: record.method)
    }

    func by(_ method: Int) -> EvaluationLog.Place { .init(task: task, question: question, method: method) }
}
