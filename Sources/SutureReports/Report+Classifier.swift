import Foundation
import SutureFormats
import SutureModels
import SutureVision

extension Report {
    /// What a classifier is: its network, its classes, and how its images are prepared.
    public init(of classifier: ClassifierArchitecture, _ checkpoint: Checkpoint, title: String) throws {
        struct Facts: Encodable, Sendable {
            let family, network: String
            let classes: [String]
            let channels: Int
            let preparation: String
            let mean, std: [Double]
            let parameters: Int
            let storedAs: [String: Int]
        }
        let fit = classifier.fit.map(\.description) ?? "not recorded"
        let facts = Facts(
            family: classifier.family, network: classifier.outline, classes: classifier.classes,
            channels: classifier.channels, preparation: fit, mean: classifier.mean, std: classifier.deviation,
            parameters: classifier.tensors.filter(\.isParameter).reduce(0) { $0 + $1.shape.reduce(1, *) },
            storedAs: checkpoint.storageTypes)
        let names = classifier.classes
        let shown =
            names.prefix(5).joined(separator: ", ") + (names.count > 5 ? ", ..., \(names[names.count - 1])" : "")
        func numbers(_ values: [Double]) -> String { values.map(Numeral.short).joined(separator: ", ") }
        try self.init(
            title: title, schema: "suture.inspect/1", data: facts,
            blocks: [
                .facts([
                    .init("Family", facts.family), .init("Network", facts.network),
                    .init("Classes", "\(names.count): \(shown)"),
                    .init("Images", facts.channels == 1 ? "grey" : "colour"),
                    .init("Preparation", facts.preparation),
                    .init("Mean", numbers(facts.mean)), .init("Deviation", numbers(facts.std)),
                    .init("Parameters", "\(facts.parameters)"),
                    .init(
                        "Tensors",
                        facts.storedAs.sorted { $0.key < $1.key }.map { "\($1) x \($0)" }.joined(separator: ", "))
                ])
            ])
    }

    /// The page of a training: what was reached after each epoch, and on images for tests, if there are any.
    public init(
        _ training: Training, seconds: Double, images: Int, parameters: Int, test: Evaluation? = nil, title: String
    ) throws {
        struct Data: Encodable, Sendable {
            let plan: TrainingPlan
            let parameters: Int
            let images: Int
            let steps: Int
            let seconds: Double
            let imagesPerSecond: Double
            let history: [Training.EpochRecord]
            let test: Test?
        }
        struct Test: Encodable, Sendable {
            let images, right: Int
            let accuracy: Double
            let interval: [Double]
        }
        let history = training.history
        let hasHeldOut = history.contains { $0.heldOutAccuracy != nil }
        let columns: [Table.Column] = [.number("epoch"), .number("loss"), .number("right")]
        let table = Table(
            columns: columns + (hasHeldOut ? [.number("right, held out")] : []),
            rows: history.map { record in
                [.init("\(record.epoch)"), .init(Numeral.short(record.loss)), .init(Self.share(record.accuracy))]
                    + (record.heldOutAccuracy.map { [.init(Self.share($0))] } ?? [])
            })
        let tested = test.map {
            Fact(
                "Right on test images",
                "\(Self.share($0.accuracy)) (95% interval \(Self.share($0.interval.low)) to \(Self.share($0.interval.high)))"
            )
        }
        let rate = seconds > 0 ? Double(images) / seconds : 0
        try self.init(
            title: title, schema: "suture.train/1",
            data: Data(
                plan: training.plan, parameters: parameters, images: training.images.count, steps: training.step,
                seconds: seconds, imagesPerSecond: rate, history: history,
                test: test.map {
                    Test(
                        images: $0.count, right: $0.right, accuracy: $0.accuracy,
                        interval: [$0.interval.low, $0.interval.high])
                }),
            blocks: [
                .facts(
                    [tested].compactMap(\.self) + [
                        Fact("Parameters", "\(parameters)"), Fact("Images", "\(training.images.count)"),
                        Fact("Steps", "\(training.step)"),
                        Fact("Time", "\(ProgressReporter.duration(seconds)), \(Numeral.short(rate)) images a second")
                    ]), .table(table)
            ])
    }
}

extension ClassifierArchitecture {
    /// `bottleneck blocks 3, 4, 6, 3 of width 64, stem for images of about 224x224`
    fileprivate var outline: String {
        func list(_ numbers: [Int]) -> String { numbers.map(String.init).joined(separator: ", ") }
        switch network {
        case .vgg(let vgg):
            let norm = vgg.hasBatchNorm ? ", batch norm" : ""
            let hidden = vgg.hidden.isEmpty ? "" : ", hidden \(list(vgg.hidden))"
            return "convolutions \(vgg.stages.map(list).joined(separator: " / "))" + norm + hidden
        case .vit(let vit):
            return "\(vit.depth) blocks of width \(vit.width), \(vit.heads) heads, MLP \(vit.hidden), "
                + "patches of \(vit.patch) in \(vit.image)x\(vit.image), \(vit.names.rawValue)'s names"
        case .cifarResNet(let resnet):
            let widths = list((0..<3).map { resnet.width << $0 })
            return
                "\(resnet.depth) layers, stages of \(resnet.blocks) blocks of width \(widths), shortcuts without weights"
                + (resnet.hasBatchNorm ? "" : ", no batch norm")
        case .resnet(let resnet):
            return
                "\(resnet.block.rawValue) blocks \(list(resnet.depths)) of width \(resnet.width), \(resnet.stem.rawValue) stem"
                + (resnet.hasBatchNorm ? "" : ", no batch norm")
        }
    }
}
