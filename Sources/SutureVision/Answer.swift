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

    init(image: Int, probabilities: ArraySlice<Float>) {
        self.image = image
        let order = probabilities.indices.sorted { (probabilities[$1], $0) < (probabilities[$0], $1) }
        guesses = order.prefix(5).map {
            Guess(label: $0 - probabilities.startIndex, probability: Double(probabilities[$0]))
        }
    }
}
