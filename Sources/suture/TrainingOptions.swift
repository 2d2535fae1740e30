import ArgumentParser
import Foundation
import SutureKit

/// How a classifier is trained.
struct TrainingOptions: ParsableArguments {
    @Option(help: "How often every image is seen.")
    var epochs = TrainingPlan().epochs

    @Option(help: "Images in a batch.")
    var batch = TrainingPlan().batchSize

    @Option(help: "The size of the first steps.")
    var rate = TrainingPlan().rate

    @Option(help: "The momentum of the steps.")
    var momentum = TrainingPlan().momentum

    @Option(help: "The L2 decay of all weights.")
    var decay = TrainingPlan().decay

    @Option(help: "How the steps shrink: cosine, constant, or the epochs at which they become a tenth, such as 30,40.")
    var schedule = Schedule(TrainingPlan().schedule)

    @Option(help: "Crop each image at random after laying so many black pixels around it.")
    var crop = 0

    @Flag(help: "Mirror every other image.")
    var flip = false

    @Option(help: "Turn each image by up to so many degrees.")
    var rotate = 0.0

    @Option(help: "Corrupt images, each by one of these that is drawn for it: fog:3,gaussian_noise:3.")
    var corrupt: CommaList<CorruptionName>?

    @Option(help: "The share of each batch that --corrupt corrupts; all of it if not given.")
    var corruptedShare: Double?

    @Option(help: "Random seed.")
    var seed: UInt64 = 1

    struct Schedule: ExpressibleByArgument {
        let value: TrainingPlan.Schedule

        init(_ value: TrainingPlan.Schedule) { self.value = value }

        init?(argument: String) {
            switch argument {
            case "cosine": value = .cosine
            case "constant": value = .constant
            default:
                guard let epochs = CommaList<Int>(argument: argument)?.elements, epochs.allSatisfy({ $0 > 0 }) else {
                    return nil
                }
                value = .milestones(epochs, factor: 0.1)
            }
        }

        var defaultValueDescription: String { "cosine" }
    }

    func validate() throws {
        _ = try plan()
        guard let corruptedShare else { return }
        guard corrupt != nil else { throw ValidationError("--corrupted-share needs --corrupt.") }
        guard (0...1).contains(corruptedShare) else { throw ValidationError("--corrupted-share is 0...1.") }
    }

    func plan() throws -> TrainingPlan {
        var plan = TrainingPlan()
        (plan.epochs, plan.batchSize, plan.rate) = (epochs, batch, rate)
        (plan.momentum, plan.decay, plan.schedule) = (momentum, decay, schedule.value)
        plan.augmentation = Augmentation(padding: crop, flips: flip, rotation: rotate)
        plan.corruptions = try corrupt?.complete(option: "--corrupt") ?? []
        plan.corruptedShare = corrupt == nil ? 0 : corruptedShare ?? 1
        plan.seed = seed
        return plan
    }
}
