import ArgumentParser
import Foundation
import SutureKit

extension SignatureCommand {
    struct ReEstimate: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "re-estimate",
            abstract: "Take the running averages of batch norms over some images as a patch.",
            discussion: """
                Corrupted images move what the layers see; a signature that keeps the averages of clean ones may need \
                those of corrupted ones. Labels are not looked at. The patch goes on top of those that the model has.

                suture apply S fog.safetensors -o foggy
                suture signature re-estimate foggy foggy-images -o norms.safetensors
                suture apply foggy norms.safetensors -o better
                """)

        @OptionGroup var model: ModelOptions
        @Argument(help: "A data set, such as the corrupted training images.") var data: String
        @OptionGroup var reading: ImageOptions
        @Option(help: "Images in a batch, each of which is normalised by its own statistics.") var batch = 256
        @OptionGroup var result: PatchOutputOptions
        @OptionGroup var printing: OutputOptions

        func validate() throws {
            guard (2...65_536).contains(batch) else { throw ValidationError("--batch is 2...65536, not \(batch).") }
        }

        func run() throws {
            try result.check(reading: [model.model] + ImageOptions.files(data))
            let checkpoint = try model.checkpoint()
            let classifier = try model.loadClassifier(checkpoint)
            Runtime.keepFreedMemory()
            let images = try reading.images(data, for: classifier.architecture)
            let progress = printing.progress
            defer { progress.finish() }
            let averages = try classifier.runningAverages(on: images, batchSize: batch, progress: progress.handler)
            progress.finish()
            let name = URL(filePath: data).lastPathComponent
            let patch = try Patch(
                runningAverages: averages, of: checkpoint, data: "\(images.count) images of \(name)")
            try result.write(patch, printing)
        }
    }
}
