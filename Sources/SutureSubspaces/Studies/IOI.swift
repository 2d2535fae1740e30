import SutureTensor
import SutureTokenizers

/// Indirect object identification: "Then Ann and Bob met at the park, and Bob gave a book to" -> " Ann".
///
/// Words and templates were written for Suture; the task is Wang et al. 2022 (arXiv 2211.00593), the pairs those of
/// Makelov, Lange & Nanda 2023: base and source have the same names, and only which of them comes first may differ
/// (`ABB` or `BAB`). Where it does, putting the source's position information into the base should make the model say
/// the other name. Names, places, objects and templates of the two splits are disjoint.
public struct IOI: Sendable {
    /// Which names and templates are used: those to learn from, or those that are held out.
    public enum Split: String, Sendable, CaseIterable { case train, heldOut }

    /// A text with the slots A, B (the names as they come), S (the subject, repeated), PLACE and OBJECT.
    let templates: [String]
    let names: [String]
    let places: [String]
    let objects: [String]

    /// The words of a split that are one token for `tokenizer` behind another word.
    ///
    /// Throws ``SubspaceError`` with code `badTokens` where too few are left.
    public init(_ split: Split, _ tokenizer: Tokenizer) throws {
        let isTrain = split == .train
        func half(_ words: [String], _ what: String) throws -> [String] {
            let own = words.enumerated().filter { ($0.offset % 2 == 0) == isTrain }.map(\.element)
            let single = own.filter { tokenizer.continuation(" " + $0, after: "The")?.count == 1 }
            guard single.count >= 8 else {
                throw SubspaceError(
                    .badTokens, "too few of the built-in \(what) are one token of this model",
                    expected: "8 of \(own.count) at least", found: "\(single.count)",
                    hint: "use pairs of your own, with words that the model knows")
            }
            return single
        }
        names = try half(IOIWords.names, "names")
        places = try half(IOIWords.places, "places")
        objects = try half(IOIWords.objects, "objects")
        templates = isTrain ? IOIWords.trainTemplates : IOIWords.heldOutTemplates
    }

    /// `count` pairs whose base and source differ in the order of the names.
    public func swapped(_ count: Int, seed: UInt64) -> [PromptPair] {
        var random = SeededGenerator(seed: seed)
        return (0..<count).map { index in
            let scene = scene(&random)
            let isABB = index % 2 == 0
            return pair(scene, baseIsABB: isABB, sourceIsABB: !isABB)
        }
    }

    /// `count` pairs in which all four combinations of orders are equally frequent: half of them should change nothing.
    public func balanced(_ count: Int, seed: UInt64) -> [PromptPair] {
        var random = SeededGenerator(seed: seed)
        return (0..<count).map { index in
            pair(scene(&random), baseIsABB: index % 2 == 0, sourceIsABB: index / 2 % 2 == 0)
        }
    }

    /// `count` pairs whose source repeats the other name, so that it asks for the rival: what follows the order of the names
    /// stays as it is. Half of the bases are `ABB`.
    public func flipped(_ count: Int, seed: UInt64) -> [PromptPair] {
        var random = SeededGenerator(seed: seed)
        return (0..<count).map { index in
            let scene = scene(&random)
            let isABB = index % 2 == 0
            var other = scene
            (other.object, other.subject) = (scene.subject, scene.object)
            return PromptPair(
                base: prompt(scene, isABB: isABB), source: prompt(other, isABB: !isABB), answer: " " + scene.object,
                other: " " + scene.subject)
        }
    }

    private struct Scene {
        var template, object, subject, place, thing: String
    }

    private func scene(_ random: inout SeededGenerator) -> Scene {
        let template = random.pick(templates)
        let object = random.pick(names)
        var subject = random.pick(names)
        // A name that begins like the other (Ann, Anna) would be found in its place.
        while subject.hasPrefix(object) || object.hasPrefix(subject) { subject = random.pick(names) }
        return Scene(
            template: template, object: object, subject: subject, place: random.pick(places),
            thing: random.pick(objects))
    }

    private func pair(_ scene: Scene, baseIsABB: Bool, sourceIsABB: Bool) -> PromptPair {
        // In the source, the names trade places where the patterns differ: the slot of the repeated name decides.
        PromptPair(
            base: prompt(scene, isABB: baseIsABB), source: prompt(scene, isABB: sourceIsABB),
            answer: " " + scene.object, other: " " + scene.subject,
            target: " " + (baseIsABB == sourceIsABB ? scene.object : scene.subject))
    }

    /// ABB: the indirect object comes first; BAB: the subject does.
    private func prompt(_ scene: Scene, isABB: Bool) -> Prompt {
        let (first, second) = isABB ? (scene.object, scene.subject) : (scene.subject, scene.object)
        let text = scene.template
            .replacing("{A}", with: first).replacing("{B}", with: second).replacing("{S}", with: scene.subject)
            .replacing("{PLACE}", with: scene.place).replacing("{OBJECT}", with: scene.thing)
        // The space keeps a name from being found inside a longer one.
        return Prompt(
            text,
            roles: [
                "IO": .init(" " + scene.object), "S1": .init(" " + scene.subject),
                "S2": .init(" " + scene.subject, occurrence: 2), "first": .init(" " + first),
                "second": .init(" " + second)
            ], label: isABB ? "ABB" : "BAB")
    }
}
