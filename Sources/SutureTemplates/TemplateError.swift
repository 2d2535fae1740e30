/// Why a template could not be read or rendered: one line that names the place, the cause and the way out.
public struct TemplateError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What kind of failure it is, for code that decides by it.
    public enum Code: String, Sendable {
        /// The text is no template.
        case syntax
        /// Something was used that is not defined.
        case undefined
        /// An operation does not fit its values.
        case value
        /// The template itself refused the conversation with `raise_exception`.
        case raised
        /// Jinja may know it, this interpreter does not.
        case unsupported
        /// A bound of `TemplateLimits` was reached.
        case limit
    }

    /// What kind of failure it is.
    public let code: Code
    /// The line of the template, from 1.
    public let line: Int
    /// What is wrong there.
    public let what: String
    /// What to do about it.
    public let hint: String

    init(_ code: Code, line: Int, _ what: String, hint: String? = nil) {
        self.code = code
        self.line = line
        self.what = what
        self.hint = hint ?? code.hint
    }

    /// One line: the place, the cause, what to do.
    public var description: String {
        var text = ""
        for scalar in "line \(line) of the chat template: \(what); \(hint)".unicodeScalars {
            switch scalar {
            case "\n", "\r", "\u{2028}", "\u{2029}": text += " "
            default: text.unicodeScalars.append(scalar)
            }
        }
        return text
    }
}

extension TemplateError.Code {
    fileprivate var hint: String {
        switch self {
        case .syntax: "correct the template"
        case .undefined: "give the variable, or test it with 'is defined'"
        case .value: "check the template and the messages"
        case .raised: "change the messages to what this model's template accepts"
        case .unsupported: "rewrite this part of the template in plainer Jinja"
        case .limit: "shorten the template or the conversation"
        }
    }
}
