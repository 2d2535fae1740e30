import Foundation
import SutureFormats
import SutureModels
import SutureVision

/// The models of a study, each trained once and kept in a directory; a training that was interrupted goes on from its
/// last epoch.
struct StudyModels {
    let directory: URL
    let progress: ProgressHandler

    /// The model of this name, trained by this plan.
    ///
    /// Throws ``SignatureError`` with code `badRequest` if the directory has another one by this name.
    func trained(
        _ name: String, on images: ImageSet, _ plan: TrainingPlan, from start: () throws -> ImageClassifier
    ) throws -> Checkpoint {
        let url = directory.appending(path: name)
        let training: Training
        if FileManager.default.fileExists(atPath: url.path) {
            guard try Training.plan(of: url) == plan else {
                throw SignatureError(
                    .badRequest, "there is a model that was trained in another way", subject: url.relativePath,
                    hint: "name another directory for this study's models")
            }
            training = try Training(resuming: url, on: images)
        } else {
            training = try Training(start(), on: images, plan: plan)
        }
        if training.isDone { return try Checkpoint(url) }
        try training.run { training in
            progress("training \(name)", training.step * training.batchSize, training.totalSteps * training.batchSize)
            if training.step % training.stepsPerEpoch == 0 { try training.write(to: url, overwriting: true) }
            return true
        }
        return try Checkpoint(url)
    }
}
