import Foundation
import SutureFormats

/// Intents with the code that each asks for: what a code model is measured on, and where its failures are looked for.
public struct TaskSet: Sendable {
    /// One intent and its code.
    public struct Task: Sendable, Equatable {
        public var intent: String
        public var code: String
        /// The part of the intent that the answer is about, where the data set says so.
        public var subject: String?
        /// The same intent in other words, as the data set has them.
        public var paraphrases: [String] = []
        /// Intents whose answers should stay as they are if this one's answer is changed, as the data set has them.
        public var keep: [Task] = []

        /// The first word of the code: which command it is.
        public var tool: Substring { code.prefix { !$0.isWhitespace } }

        /// An intent and the code for it.
        public init(intent: String, code: String) {
            self.intent = intent
            self.code = code
        }
    }

    public let tasks: [Task]
    /// How many entries of the file are left out: an empty intent or code, or an intent that was there already.
    public let skipped: Int

    /// A data set of tasks that are known.
    public init(_ tasks: [Task]) {
        var seen: Set<ByteString> = []
        self.tasks = tasks.filter { !$0.intent.isEmpty && !$0.code.isEmpty && seen.insert(.init($0.intent)).inserted }
        skipped = tasks.count - self.tasks.count
    }
}

extension TaskSet {
    /// What data sets call an intent and its code, the preferred name first: CoNaLa (`rewritten_intent`, `intent` and
    /// `snippet`), TLDR and DocPrompting (`nl`, `cmd`), Shellcode_IA32 (`INTENTS`, `SNIPPETS`), tldr-pages, CounterFact as
    /// EasyEdit has it (`prompt`, `target_new`), and ours.
    private static let intents = ["rewritten_intent", "intent", "intents", "nl", "description", "prompt"]
    private static let codes = ["snippet", "snippets", "cmd", "code", "command", "target_new", "expected"]

    /// Reads a data set as its authors publish it.
    ///
    /// - JSON: an array of objects, or one object on each line;
    /// - `.tsv`: columns with a first row that names them; in Shellcode_IA32's and ours `\n`, `\t` and `\\` stand for
    ///   line break, tab and backslash, in tldr's (`description`, `nl`) for themselves; a file that is not UTF-8 is taken
    ///   as Latin-1;
    /// - a folder: tldr pages in Markdown;
    /// - anything else: one intent on each line, and the code on the same line of `codes`, by default of the file of the
    ///   same name that ends in `.cm` (NL2Bash's `all.nl`, `all.cm`).
    ///
    /// Throws ``TaskError`` with code `badList`, or a `FormatError`, naming the place.
    public init(contentsOf url: URL, codes: URL? = nil) throws {
        if let codes {
            try self.init(Self.lines(url, codes))
        } else if Self.isFolder(url) {
            try self.init(Self.pages(url))
        } else if url.pathExtension.lowercased() == "tsv" {
            try self.init(Self.table(url))
        } else if !Self.isLines(url) {
            try self.init(Self.objects(url))
        } else if let codes = Self.codes(beside: url) {
            try self.init(Self.lines(url, codes))
        } else {
            throw TaskError(
                .badList, "this is no data set", subject: url.relativePath,
                expected: "a .json, .jsonl or .tsv file, a folder of pages, or lines with a file of their code",
                hint: "name the file of the code, too")
        }
        guard !tasks.isEmpty else {
            throw TaskError(.badList, "there are no intents in this file", subject: url.relativePath)
        }
    }

    private static func isFolder(_ url: URL) -> Bool {
        url.hasDirectoryPath || (try? url.resourceValues(forKeys: [.isDirectoryKey]))?.isDirectory == true
    }

    /// Whether a file is one of lines of intents, whose code stands in another one.
    public static func isLines(_ url: URL) -> Bool {
        !isFolder(url) && !["tsv", "json", "jsonl"].contains(url.pathExtension.lowercased())
    }

    /// The files that are read where a data set is named.
    public static func files(_ url: URL) -> [URL] { [url] + [codes(beside: url)].compactMap(\.self) }

    private static func codes(beside url: URL) -> URL? {
        let codes = url.deletingPathExtension().appendingPathExtension("cm")
        return codes != url && FileManager.default.fileExists(atPath: codes.path) ? codes : nil
    }

    private static func lines(_ intents: URL, _ codes: URL) throws -> [Task] {
        let (first, second) = (try text(intents), try text(codes))
        let (left, right) = (rows(first), rows(second))
        guard left.count == right.count else {
            throw TaskError(
                .badList, "the two files do not have as many lines", subject: codes.relativePath,
                expected: "\(left.count) lines", found: "\(right.count)")
        }
        return zip(left, right).map { Task(intent: trimmed($0), code: trimmed($1)) }
    }

    private static func table(_ url: URL) throws -> [Task] {
        let rows = rows(try text(url))
        let header = (rows.first ?? "").split(separator: "\t", omittingEmptySubsequences: false).map(trimmed)
        func column(_ names: [String], _ what: String) throws -> Int {
            for name in names {
                if let index = header.firstIndex(where: { $0.lowercased() == name }) { return index }
            }
            throw TaskError(
                .badList, "no column of \(what)", subject: "\(url.relativePath), line 1",
                expected: names.joined(separator: " or "), found: header.joined(separator: ", "))
        }
        let (intent, code) = (try column(intents, "intents"), try column(codes, "code"))
        let isRaw = ["description", "nl"].contains(header[intent].lowercased())
        func value(_ cell: Substring) -> String { trimmed(isRaw ? String(cell) : Escapes.read(String(cell))) }
        return try rows.enumerated().dropFirst().compactMap { number, row in
            if row.isEmpty { return nil }
            let cells = row.split(separator: "\t", omittingEmptySubsequences: false)
            guard cells.count == header.count else {
                throw TaskError(
                    .badList, "wrong number of columns", subject: "\(url.relativePath), line \(number + 1)",
                    expected: "\(header.count)", found: "\(cells.count)")
            }
            return Task(intent: value(cells[intent]), code: value(cells[code]))
        }
    }

    private static func objects(_ url: URL) throws -> [Task] {
        let file = try MappedFile(url)
        defer { withExtendedLifetime(file) {} }
        let start = file.text.first { !UInt8.whitespace.contains($0) }
        if start == UInt8(ascii: "[") {
            let root = JSONField(try JSON.parse(file.text, source: file.name), source: file.name)
            return try root.array.map(task)
        }
        let lines = file.text.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        return try lines.enumerated().compactMap { number, line in
            if line.allSatisfy(UInt8.whitespace.contains) { return nil }
            let place = "\(file.name), line \(number + 1)"
            let bytes = UnsafeRawBufferPointer(rebasing: line)
            return try task(JSONField(try JSON.parse(bytes, source: place), source: place))
        }
    }

    private static func task(_ entry: JSONField) throws -> Task {
        func field(_ names: [String], _ what: String) throws -> String {
            for name in names {
                if let found = try entry.optional(ByteString(name)) { return trimmed(try found.string) }
            }
            throw TaskError(
                .badList, "no \(what)", subject: entry.path, expected: "a key \(names.joined(separator: " or "))")
        }
        func text(_ name: ByteString) throws -> String? {
            let found = try entry.optional(name).map { trimmed(try $0.string) }
            return found?.isEmpty == true ? nil : found
        }
        var task = Task(intent: try field(intents, "intent"), code: try field(codes, "code"))
        task.subject = try text("subject")
        task.paraphrases = try [text("rephrase_prompt")].compactMap(\.self)
        if let asked = try text("locality_prompt"), let answer = try text("locality_ground_truth") {
            task.keep = [Task(intent: asked, code: answer)]
        }
        return task
    }

    /// UTF-8, or else Latin-1, in which any bytes are text.
    private static func text(_ url: URL) throws -> String {
        let file = try MappedFile(url)
        defer { withExtendedLifetime(file) {} }
        if let text = String(validating: file.text, as: UTF8.self) { return text }
        return String(String.UnicodeScalarView(file.text.map { Unicode.Scalar($0) }))
    }

    /// Lines; a line break at the end begins no other one.
    private static func rows(_ text: String) -> [String] {
        var rows = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).map(String.init)
        if rows.last == "" { rows.removeLast() }
        return rows
    }

    private static func trimmed(_ text: some StringProtocol) -> String {
        text.trimmingCharacters(in: .whitespacesAndNewlines)
    }
}

extension UInt8 {
    fileprivate static let whitespace: Set<UInt8> = [0x20, 0x09, 0x0A, 0x0D]
}
