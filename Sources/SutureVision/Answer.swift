/// What a classifier says of one image.
public struct Answer: Sendable, Equatable {
    /// A class and how likely the classifier finds it, 0...1.
    public struct Guess: Sendable, Equatable {
        public let label: Int
        public let probability: Double
    }

    /// The place of the image in its set.
    public let image: Int
    /// The likeliest classes, five where there are so many, the first of them the answer.
    public let guesses: [Guess]

    /// The answer.
    public var best: Guess { guesses[0] }

    /// From the scores of all classes, and the probabilities that they come to.
    init(image: Int, scores: ArraySlice<Float>, probabilities: ArraySlice<Float>) {
        self.image = image
        var best: [Int] = []
        for index in scores.indices {
            // Of equal scores the first counts, as it does for `argmax`.
            let place = best.firstIndex { scores[$0] < scores[index] } ?? best.count
            guard place < 5 else { continue }
            best.insert(index, at: place)
            if best.count > 5 { best.removeLast() }
        }
        guesses = best.map { Guess(label: $0 - scores.startIndex, probability: Double(probabilities[$0])) }
    }
}
