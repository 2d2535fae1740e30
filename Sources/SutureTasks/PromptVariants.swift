import Foundation

/// Other wordings of a prompt for code, made by rule: some to repair on, and others, by other rules, to be held out.
///
/// The sentence that says what to do is the last line of at least three words that is a comment, a docstring or a label
/// with a sentence behind it. Code stays as it is, so that the same tests hold.
public struct PromptVariants: Sendable {
    /// A wording and how it was made.
    public struct Variant: Sendable, Equatable {
        public let name: String
        public let text: String
    }

    public let training: [Variant]
    public let heldOut: [Variant]

    /// The variants of a prompt that differ from it and from each other.
    public init(_ prompt: String) {
        let sentence = Self.sentence(in: prompt)
        func said(_ change: (String) -> String) -> String? {
            sentence.map { String(prompt[..<$0.lowerBound]) + change(String(prompt[$0])) + prompt[$0.upperBound...] }
        }
        let isPython = prompt.contains(#/(?m)^\s*(def|class) /#)
        let mark = isPython || prompt.contains(/(?m)^#/) ? "# " : ""
        var known: Set<String> = [prompt]
        func made(_ list: [(String, String?)]) -> [Variant] {
            list.compactMap { name, text in
                guard let text, known.insert(text).inserted else { return nil }
                return Variant(name: name, text: text)
            }
        }
        training = made([
            ("asked for", said { "Your task: " + Self.lowered($0) }),
            ("introduced", mark + "Some code that works.\n" + prompt)
        ])
        heldOut = made([
            ("reworded", said(Rewording.reworded)),
            ("polite", said { "Could you " + Self.lowered($0) }),
            ("preceded", mark + (isPython ? "Python 3" : "Examples") + "\n\n" + prompt),
            ("relabelled", Self.relabelled(prompt)),
            ("quoted", isPython ? Self.quoted(prompt) : nil),
            ("reordered", Self.reordered(prompt))
        ])
    }

    /// Begins a sentence small, unless it begins with a name.
    private static func lowered(_ sentence: String) -> String {
        let second = sentence.dropFirst().first
        return second?.isLowercase == true ? sentence.prefix(1).lowercased() + sentence.dropFirst() : sentence
    }

    /// Where the sentence is, without marks and quotes.
    static func sentence(in prompt: String) -> Range<String.Index>? {
        // Behind a comment's mark, a docstring's quotes or a label such as `# intent: `; within a docstring on its own line.
        let line =
            /(?m)^[ \t]*(?:#+[ \t]*)?(?:"""|''')?[ \t]*(?:\w+:[ \t]+)?(?<said>[A-Za-z][^\n"]*?)[ \t]*(?:"""|''')?$/
        return prompt.matches(of: line).last { match in
            let said = match.output.said
            return said.split(separator: " ").count > 2 && !said.contains(#/^(def|class|return|from|import|if|for) /#)
                && !said.contains(/[=(){};$]/)
        }.map { $0.output.said.startIndex..<$0.output.said.endIndex }
    }

    /// Another word for the label before each sentence.
    private static func relabelled(_ prompt: String) -> String? {
        guard let label = prompt.firstMatch(of: #/(?m)^(?:# )?(?<word>[A-Za-z]+): /#)?.output.word else { return nil }
        let other = label.lowercased() == "task" ? "Request" : "Task"
        let word = label.first?.isLowercase == true ? other.lowercased() : other
        return prompt.replacing("\(label): ", with: "\(word): ")
    }

    /// The other quotes of a docstring.
    private static func quoted(_ prompt: String) -> String? {
        prompt.contains("\"\"\"") ? prompt.replacing("\"\"\"", with: "'''") : prompt.replacing("'''", with: "\"\"\"")
    }

    /// The examples before the question in reverse order, where blank lines part at least two from it.
    private static func reordered(_ prompt: String) -> String? {
        let parts = prompt.split(separator: "\n\n", omittingEmptySubsequences: false)
        guard parts.count > 2, parts.allSatisfy({ !$0.isEmpty && $0.first == parts[0].first }) else { return nil }
        return (parts.dropLast().reversed() + parts.suffix(1)).joined(separator: "\n\n")
    }
}
