import Foundation

/// What every error of Suture can say of itself: one clear line, a hint, and how a command should exit.
public protocol Diagnostic: Error, CustomStringConvertible, Sendable {
    /// What kind of problem this is; decides the exit code of the command.
    var kind: DiagnosticKind { get }
    /// What went wrong, in a few words.
    var problem: String { get }
    /// Where: a file, a tensor, a byte offset, a token.
    var subject: String? { get }
    /// What should have been there.
    var expected: String? { get }
    /// What was there.
    var found: String? { get }
    /// What the user can do about it.
    var hint: String? { get }
}

/// The kinds of problems, with the exit code of the command for each.
public enum DiagnosticKind: Int32, Sendable {
    /// The work could not be done (exit code 1).
    case failed = 1
    /// The request makes no sense as it stands (exit code 2).
    case usage = 2
    /// The work was refused to protect something: a wrong base, a conflict, a guard (exit code 3).
    case refused = 3
    /// A file is not what it should be (exit code 4).
    case badInput = 4
}

/// What an error's code says: the kind of the problem.
public protocol ErrorCode: Equatable, Sendable {
    /// What kind of problem it is; decides the exit code of the command.
    var kind: DiagnosticKind { get }
}

/// An error of a module, told apart from its others by a code.
public struct CodedError<Codes: ErrorCode>: Diagnostic, Equatable {
    /// The codes of the module.
    public typealias Code = Codes

    public let code: Code
    public let problem: String
    public let subject: String?
    public let expected: String?
    public let found: String?
    public let hint: String?

    /// An error with its parts; those that say nothing may be left out.
    public init(
        _ code: Code, _ problem: String, subject: String? = nil, expected: String? = nil, found: String? = nil,
        hint: String? = nil
    ) {
        self.code = code
        self.problem = problem
        self.subject = subject
        self.expected = expected
        self.found = found
        self.hint = hint
    }

    public var kind: DiagnosticKind { code.kind }

    /// The same error of another subject.
    package func about(_ subject: String) -> CodedError {
        CodedError(code, problem, subject: subject, expected: expected, found: found, hint: hint)
    }

    /// The same error with a path in its subject by another name.
    package func replacing(_ path: String, by name: String) -> CodedError {
        guard let subject else { return self }
        return CodedError(
            code, problem, subject: subject.replacingOccurrences(of: path, with: name), expected: expected,
            found: found,
            hint: hint)
    }
}

extension Diagnostic {
    public var subject: String? { nil }
    public var expected: String? { nil }
    public var found: String? { nil }
    public var hint: String? { nil }

    /// One line: `subject: problem (expected X, found Y)`, and the hint after a semicolon.
    ///
    /// What comes from files cannot break the line or move the cursor, and is cut where it is long.
    public var description: String {
        var line = subject.map { "\(printable($0)): \(printable(problem))" } ?? printable(problem)
        switch (expected.map(printable), found.map(printable)) {
        case (let expected?, let found?): line += " (expected \(expected), found \(found))"
        case (let expected?, nil): line += " (expected \(expected))"
        case (nil, let found?): line += " (found \(found))"
        case (nil, nil): break
        }
        if let hint { line += "; \(printable(hint))" }
        return line
    }
}

/// Text for one line of a terminal: what is hidden, and line breaks, as escapes; at most 300 scalars.
private func printable(_ text: String) -> String {
    let limit = 300
    var result = ""
    for (index, scalar) in text.unicodeScalars.enumerated() {
        if index == limit { return result + "..." }
        if scalar.isHidden { result += scalar.escaped(asASCII: true) } else { result.unicodeScalars.append(scalar) }
    }
    return result
}

extension Unicode.Scalar {
    /// Whether a scalar shows nothing itself but changes what is around it, such as the direction of writing, or is no
    /// character at all.
    package var isHidden: Bool {
        // Joiners make up emoji and Indic and Persian words.
        if self == "\u{200C}" || self == "\u{200D}" { return false }
        switch properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator: return true
        default: return properties.isNoncharacterCodePoint
        }
    }
}
