import Foundation

/// How a classifier is trained: all that decides the outcome, beside the start and the images.
public struct TrainingPlan: Sendable, Codable, Equatable {
    /// How often every image is seen.
    public var epochs = 10
    public var batchSize = 128
    /// The size of the first steps.
    public var rate = 0.05
    public var momentum = 0.9
    /// L2 decay of all parameters.
    public var decay = 5e-4
    public var schedule = Schedule.cosine
    public var augmentation = Augmentation()
    /// The part of a batch that is corrupted, 0...1.
    public var corruptedShare = 0.0
    /// What corrupts it: each image is drawn one of these.
    public var corruptions: [Corruption] = []
    public var seed: UInt64 = 1

    /// The default settings.
    public init() {}

    /// How the size of the steps changes.
    public enum Schedule: Sendable, Codable, Equatable {
        case constant
        /// Half a cosine, from the first size to zero, moved at every step (Loshchilov & Hutter 2017).
        case cosine
        /// Times `factor` at the beginning of each of these epochs, counted from 0.
        case milestones([Int], factor: Double)
    }

    /// The size of step `step` of `total`.
    func rate(step: Int, of total: Int) -> Double {
        switch schedule {
        case .constant: return rate
        case .cosine: return rate * (1 + cos(.pi * Double(step) / Double(total))) / 2
        case .milestones(let epochs, let factor):
            let epoch = step * self.epochs / total
            return rate * pow(factor, Double(epochs.count { $0 <= epoch }))
        }
    }

    func check() throws {
        func refuse(_ problem: String, _ expected: String, _ found: Any) -> VisionError {
            VisionError(.badRequest, problem, expected: expected, found: "\(found)")
        }
        guard (1...100_000).contains(epochs) else { throw refuse("the epochs are out of range", "1...100000", epochs) }
        guard (1...65_536).contains(batchSize) else {
            throw refuse("the batch size is out of range", "1...65536", batchSize)
        }
        guard rate > 0, rate.isFinite else { throw refuse("the rate is out of range", "above 0", rate) }
        guard (0..<1).contains(momentum) else { throw refuse("the momentum is out of range", "0..<1", momentum) }
        guard decay >= 0, decay.isFinite else { throw refuse("the decay is out of range", "0 or more", decay) }
        guard (0...1).contains(corruptedShare) else {
            throw refuse("the corrupted share is out of range", "0...1", corruptedShare)
        }
        guard (0...1024).contains(augmentation.padding), (0...180).contains(augmentation.rotation) else {
            throw refuse("the augmentation is out of range", "padding 0...1024, rotation 0...180", augmentation)
        }
        if case .milestones(let epochs, let factor) = schedule {
            guard epochs.allSatisfy({ $0 > 0 }), factor > 0, factor.isFinite else {
                throw refuse("the milestones are out of range", "epochs above 0, a factor above 0", epochs)
            }
        }
    }
}
