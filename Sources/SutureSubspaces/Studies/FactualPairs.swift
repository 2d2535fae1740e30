import Foundation
import SutureFormats
import SutureModels
import SutureTensor
import SutureTokenizers

/// Pairs of facts of one relation, from files such as `known_1000.json`: a list of objects with `subject`, `attribute`,
/// `relation_id`, and `prompt` or `template` (with `{}` for the subject); or from CounterFact's, where these are in
/// `requested_rewrite`.
public struct FactualPairs: Sendable {
    struct Fact: Hashable {
        var subject, attribute, template, relation: String

        init(_ entry: JSONField) throws {
            let rewrite = try entry.optional("requested_rewrite")
            let fields = rewrite ?? entry
            subject = try fields.require("subject").string
            attribute = try rewrite?.require("target_true").require("str").string ?? entry.require("attribute").string
            // The templates of known_1000 lack the words that lead to the answer; its prompts have them.
            let prompt = try fields.optional("prompt")?.string.replacing(subject, with: "{}")
            template = try prompt ?? fields.require("template").string
            relation = try fields.require("relation_id").string
        }
    }

    let facts: [Fact]

    /// Throws ``SubspaceError`` with code `badFile`, or a `FormatError`, naming the entry.
    public init(contentsOf url: URL) throws {
        let list = JSONField(try JSON.parse(contentsOf: url), source: url.relativePath)
        var found: [Fact] = []
        for entry in try list.array {
            let fact = try Fact(entry)
            let template = fact.template
            guard template.split(separator: "{}", omittingEmptySubsequences: false).count == 2 else {
                throw SubspaceError(
                    .badFile, "a template has one place for the subject", subject: entry.path, expected: "{}",
                    found: template)
            }
            found.append(fact)
        }
        guard !found.isEmpty else {
            throw SubspaceError(.badFile, "there are no facts in this file", subject: url.relativePath)
        }
        facts = found
    }

    /// The prompts of all facts, each once, in tokens.
    public func prompts(_ tokenizer: Tokenizer) -> [[Int]] {
        let templates = templates
        let texts = Set(facts.map { Self.text($0, templates[$0.relation] ?? $0.template) }).sorted()
        return texts.map { tokenizer.encode($0, specials: .opening).ids }.filter { !$0.isEmpty }
    }

    /// The most frequent template of each relation, which is used for all of its facts.
    private var templates: [String: String] {
        Dictionary(grouping: facts, by: \.relation).mapValues { group in
            let counts = Dictionary(grouping: group, by: \.template).mapValues(\.count)
            return counts.max { ($0.value, $1.key) < ($1.value, $0.key) }?.key ?? ""
        }
    }

    /// Pairs of facts that the model knows, of relations with `perRelation` pairs at least, as many of each.
    ///
    /// A fact is known if the most likely next token begins its attribute. The patch place is the last token of the role
    /// `subject`. Pairs stand in random order.
    public func known(
        to model: LanguageModel, _ tokenizer: Tokenizer, perRelation: Int = 5, seed: UInt64 = 0,
        progress: ProgressHandler = { _, _, _ in }
    ) throws -> [TokenizedPair] {
        var random = SeededGenerator(seed: seed)
        var pairs: [TokenizedPair] = []
        let relations = Dictionary(grouping: facts, by: \.relation)
        let templates = templates
        var done = 0
        for relation in relations.keys.sorted() {
            let group = relations[relation] ?? []
            let template = templates[relation] ?? ""
            let known = try known(group, template, model, tokenizer)
            done += group.count
            progress("asking for facts", done, facts.count)
            var candidates: [TokenizedPair] = []
            for base in known {
                for source in known {
                    if let pair = try pair(base, source, template, tokenizer) { candidates.append(pair) }
                }
            }
            if candidates.count >= perRelation { pairs += random.shuffled(candidates).prefix(perRelation) }
        }
        return random.shuffled(pairs)
    }

    /// The facts of one relation that the model knows, each subject once.
    private func known(_ group: [Fact], _ template: String, _ model: LanguageModel, _ tokenizer: Tokenizer) throws
        -> [Fact]
    {
        var seen: Set<String> = []
        let asked = group.compactMap { fact -> (fact: Fact, prompt: [Int], first: Int)? in
            let prompt = tokenizer.encode(Self.text(fact, template), specials: .opening).ids
            guard seen.insert(fact.subject).inserted, !prompt.isEmpty,
                let first = Self.answer(fact, template, tokenizer)
            else { return nil }
            return (fact, prompt, first)
        }
        guard !asked.isEmpty else { return [] }
        return try Tensor.withoutGradients {
            let said = try model.run(asked.map(\.prompt)).logits.argmax(1).ints()
            return zip(asked, said).filter { $0.first == $1 }.map(\.0.fact)
        }
    }

    private static func text(_ fact: Fact, _ template: String) -> String {
        template.replacing("{}", with: fact.subject)
    }

    /// The first token of a fact's attribute, as it continues the prompt.
    private static func answer(_ fact: Fact, _ template: String, _ tokenizer: Tokenizer) -> Int? {
        tokenizer.continuation(" " + fact.attribute, after: text(fact, template))?.first
    }

    /// nil where both have the same answer, or answers that begin alike.
    private func pair(_ base: Fact, _ source: Fact, _ template: String, _ tokenizer: Tokenizer) throws -> TokenizedPair?
    {
        guard let answer = Self.answer(base, template, tokenizer), let other = Self.answer(source, template, tokenizer),
            answer != other
        else { return nil }
        func prompt(_ fact: Fact) -> Prompt {
            Prompt(Self.text(fact, template), roles: ["subject": .init(fact.subject)])
        }
        // Answers may be of several tokens; the first one is what is asked for.
        let words = PromptPair(base: prompt(base), source: prompt(source), answer: "", other: "")
        return try TokenizedPair(words, tokenizer, answer: answer, other: other)
    }
}
