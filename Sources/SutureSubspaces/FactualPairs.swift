import Foundation
import SutureFormats
import SutureModels
import SutureTensor
import SutureTokenizers

/// Pairs of facts of one relation, from files such as `known_1000.json`: a list of objects with `subject`, `attribute`,
/// `template` (with `{}` for the subject) and `relation_id`.
public struct FactualPairs: Sendable {
    struct Fact: Hashable {
        var subject, attribute, template, relation: String
    }

    let facts: [Fact]

    /// Throws ``SubspaceError`` with code `badFile`, or a `FormatError`, naming the entry.
    public init(contentsOf url: URL) throws {
        let list = JSONField(try JSON.parse(contentsOf: url), source: url.relativePath)
        var found: [Fact] = []
        for entry in try list.array {
            let template = try entry.require("template").string
            guard template.split(separator: "{}", omittingEmptySubsequences: false).count == 2 else {
                throw SubspaceError(
                    .badFile, "a template has one place for the subject", subject: entry.path, expected: "{}",
                    found: template)
            }
            found.append(
                Fact(
                    subject: try entry.require("subject").string, attribute: try entry.require("attribute").string,
                    template: template, relation: try entry.require("relation_id").string))
        }
        guard !found.isEmpty else {
            throw SubspaceError(.badFile, "there are no facts in this file", subject: url.relativePath)
        }
        facts = found
    }

    /// Up to `perRelation` pairs of each relation of facts that the model knows, with the template of the relation's first
    /// fact for all. The patch place is the last token of the role `subject`.
    ///
    /// A fact is known if the most likely next token begins the attribute.
    public func known(
        to model: LanguageModel, _ tokenizer: Tokenizer, perRelation: Int = 5, seed: UInt64 = 0,
        progress: (_ done: Int, _ of: Int) -> Void = { _, _ in }
    ) throws -> [TokenizedPair] {
        var random = SeededGenerator(seed: seed)
        var pairs: [TokenizedPair] = []
        let relations = Dictionary(grouping: facts, by: \.relation)
        var done = 0
        for relation in relations.keys.sorted() {
            let group = relations[relation] ?? []
            var seen: Set<String> = []
            let known = try group.filter { fact in
                done += 1
                guard seen.insert(fact.subject).inserted else { return false }
                let prompt = tokenizer.encode(text(fact, group[0].template)).ids
                guard let first = tokenizer.encode(" " + fact.attribute).ids.first, !prompt.isEmpty else {
                    return false
                }
                return try Int(model.run([prompt]).logits.argmax(1).item()) == first
            }
            progress(done, facts.count)
            var candidates: [TokenizedPair] = []
            for base in known {
                for source in known {
                    if let pair = try pair(base, source, group[0].template, tokenizer) { candidates.append(pair) }
                }
            }
            pairs += random.shuffled(candidates).prefix(perRelation)
        }
        return pairs
    }

    private func text(_ fact: Fact, _ template: String) -> String { template.replacing("{}", with: fact.subject) }

    /// nil where both have the same answer, or answers that begin alike.
    private func pair(_ base: Fact, _ source: Fact, _ template: String, _ tokenizer: Tokenizer) throws -> TokenizedPair?
    {
        guard let answer = tokenizer.encode(" " + base.attribute).ids.first,
            let other = tokenizer.encode(" " + source.attribute).ids.first, answer != other
        else { return nil }
        func prompt(_ fact: Fact) -> Prompt {
            Prompt(text(fact, template), roles: ["subject": .init(fact.subject)])
        }
        // Answers may be of several tokens; the first one is what is asked for.
        let words = PromptPair(base: prompt(base), source: prompt(source), answer: "", other: "")
        return try TokenizedPair(words, tokenizer, answer: answer, other: other)
    }
}
