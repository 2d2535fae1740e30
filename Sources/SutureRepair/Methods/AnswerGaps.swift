import SutureModels
import SutureTensor

/// How far each token of an answer lies below the best other one, under teacher forcing.
struct AnswerGaps {
    /// The best other token in each place, and how far, in logits, it lies above the answer's.
    let rivals: [Int]
    let gaps: [Double]
    /// What the last norm divides by in each place: r.
    let scales: [Double]

    /// From the stream before the last norm where the answer is written, `[answer, d]`.
    init(_ model: LanguageModel, residual: Tensor, answer: [Int]) throws {
        scales = try model.finalScale(residual).squeezed(1).elements(as: Double.self)
        let logits = try model.logits(ofResidual: residual)
        let targets = try Tensor(answer, shape: [answer.count, 1], device: model.device)
        let wanted = try logits.gathered(1, at: targets)
        // The two best tokens in each place: one of them is not the answer's.
        let top = try logits.top(2)
        let tokens = try top.indices.ints()
        let scores = try top.values.floats()
        let own = try wanted.floats()
        let picks = answer.indices.map { tokens[2 * $0] == answer[$0] ? 2 * $0 + 1 : 2 * $0 }
        rivals = picks.map { tokens[$0] }
        gaps = answer.indices.map { Double(scores[picks[$0]] - own[$0]) }
    }

    /// The places where another token is at least as likely as the answer's.
    var wrong: [Int] { gaps.indices.filter { gaps[$0] >= 0 } }
}
