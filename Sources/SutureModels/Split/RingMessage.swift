import SutureCore
import SutureFormats

/// What goes from process to process beside the hidden states.
enum RingMessage {
    /// A batch is taken through layers.
    case run(Batch)
    /// A process could not do its part.
    case failed(rank: Int, kind: DiagnosticKind, words: String)
    /// All is done; with the exit code of rank 0.
    case end(code: Int)

    /// A batch, `[rows, positions, width]`.
    struct Batch {
        var rows: Int
        var positions: Range<Int>
        /// Whether a few vectors are multiplied with the weights as they are stored.
        var isDecoding: Bool
        /// The keys and values of the positions before it.
        var prefix: (id: Int, cuts: [DistantKeys.Cut])?
        /// Under what name the keys and values that it saw are kept; nil where they are not.
        var keep: Int?
        /// What is not needed any more.
        var released: [Int]
    }

    var bytes: [UInt8] {
        switch self {
        case .end(let code): JSON.object(["do": "end", "code": JSON(code)]).serialized()
        case .failed(let rank, let kind, let words):
            JSON.object([
                "do": "fail", "rank": JSON(rank), "kind": JSON(Int(kind.rawValue)), "words": JSON(words)
            ]).serialized()
        case .run(let batch):
            JSON.object([
                "do": "run", "rows": JSON(batch.rows), "first": JSON(batch.positions.lowerBound),
                "end": JSON(batch.positions.upperBound), "decoding": JSON(batch.isDecoding),
                "prefix": batch.prefix.map { JSON($0.id) } ?? .null,
                "cuts": .array(
                    (batch.prefix?.cuts ?? []).map { [JSON($0.count), .array($0.rows.map { JSON($0) })] }),
                "keep": batch.keep.map { JSON($0) } ?? .null, "released": .array(batch.released.map { JSON($0) })
            ]).serialized()
        }
    }

    /// Reads a message that came from `rank`.
    init(_ bytes: [UInt8], from rank: Int) throws {
        let source = "a message of rank \(rank)"
        let fields = JSONField(try JSON.parse(bytes, source: source), source: source)
        switch try fields.require("do").string {
        case "end": self = .end(code: try fields.require("code").int)
        case "fail":
            self = .failed(
                rank: try fields.require("rank").int,
                kind: DiagnosticKind(rawValue: Int32(clamping: try fields.require("kind").int)) ?? .failed,
                words: try fields.require("words").string)
        default:
            let (first, end) = (try fields.require("first").int, try fields.require("end").int)
            let cuts = try fields.require("cuts").array.map { cut in
                let parts = try cut.array
                guard parts.count == 2 else {
                    throw FormatError(.missingKey, "not a number of positions and rows", subject: cut.path)
                }
                return DistantKeys.Cut(count: try parts[0].int, rows: try parts[1].array.map { try $0.int })
            }
            self = .run(
                Batch(
                    rows: try fields.require("rows").int, positions: first..<max(first, end),
                    isDecoding: try fields.require("decoding").bool,
                    prefix: try fields.optional("prefix").map { (try $0.int, cuts) },
                    keep: try fields.optional("keep")?.int,
                    released: try fields.require("released").array.map { try $0.int }))
        }
    }
}
