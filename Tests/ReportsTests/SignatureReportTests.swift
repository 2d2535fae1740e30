import Foundation
import SutureFormats
import SutureModels
import SutureTensor
import Testing

@testable import SutureReports
@testable import SutureSignatures
@testable import SutureVision

@Suite("Pages of robustness and signatures")
struct SignatureReportTests {
    private func evaluation(_ right: Int) -> Evaluation {
        Evaluation(confusion: [[right, 100 - right], [0, 0]], loss: 1)
    }

    private func robustness(_ clean: Int, _ corrupted: [Int]) -> Robustness {
        let corruptions = [
            Corruption(.fog, severity: 1), Corruption(.fog, severity: 5), Corruption(.contrast, severity: 1),
            Corruption(.contrast, severity: 5)
        ]
        return Robustness(
            clean: evaluation(clean),
            corrupted: zip(corruptions, corrupted).map { .init(corruption: $0, evaluation: evaluation($1)) })
    }

    @Test("robustness: every number is there, before and after, and curves where there is something to see")
    func robustnessPage() throws {
        let comparison = RobustnessComparison(
            before: robustness(90, [80, 40, 70, 20]),
            after: [(0.5, robustness(89, [81, 60, 72, 50])), (1, robustness(88, [82, 70, 73, 60]))],
            baseline: robustness(90, [60, 20, 50, 10]), signatures: ["fog.safetensors"])
        let report = try Report(comparison, title: "Robustness")
        let data = try #require(JSONSerialization.jsonObject(with: Data(report.json.utf8)) as? [String: Any])
        let before = try #require(data["before"] as? [String: Any])
        let error = try #require(before["mean_corruption_error"] as? Double)
        #expect(abs(error - (0.2 + 0.6 + 0.3 + 0.8) / 4) < 1e-12)
        let relative = try #require(before["relative_mean_corruption_error"] as? Double)
        #expect(abs(relative - (0.8 / 1.2 + 1.1 / 1.4) / 2) < 1e-12)
        #expect((data["after"] as? [[String: Any]])?.map { $0["scale"] as? Double } == [0.5, 1])
        let text = report.terminal(width: 120)
        for part in ["fog.safetensors", "scale 0.5", "82.0 ±8.7", "52.5%"] { #expect(text.contains(part), "\(part)") }
        let plots = report.blocks.count {
            if case .onPages(let blocks) = $0, case .plot = blocks[0] { true } else { false }
        }
        #expect(plots == 2)
        #expect(report.html().contains("<svg"))

        let plain = try Report(RobustnessComparison(before: robustness(90, [80, 40, 70, 20])), title: "Robustness")
        #expect(!plain.terminal(width: 120).contains("before"))
    }

    /// 40 images of which so many are told right, clean and under each of two corruptions: always the first ones.
    private func variant(_ clean: Int, _ corrupted: [Int]) -> Robustness {
        func evaluation(_ right: Int) -> Evaluation { Evaluation(confusion: [[right, 40 - right], [0, 0]], loss: 1) }
        func isRight(_ right: Int) -> [Bool] { (0..<40).map { $0 < right } }
        return Robustness(
            clean: evaluation(clean),
            corrupted: zip([Corruption.Kind.fog, .contrast], corrupted).map { kind, right in
                .init(
                    corruption: Corruption(kind, severity: 3), evaluation: evaluation(right), isRight: isRight(right))
            }, isRight: isRight(clean))
    }

    @Test("robustness: the page is drawn again from its JSON, intervals and verdict too")
    func redrawn() throws {
        let comparison = RobustnessComparison(
            before: variant(38, [20, 10]), after: [(1, variant(36, [30, 24]))], signatures: ["fog.safetensors"])
        let page = try Report(comparison, title: "Robustness")
        let file = FileManager.default.temporaryDirectory.appending(path: "robustness-\(UUID().uuidString).json")
        defer { try? FileManager.default.removeItem(at: file) }
        try Data(page.json.utf8).write(to: file)
        let again = try Report(redrawing: file)
        #expect(again.json == page.json)
        #expect(again.verdict?.text == page.verdict?.text)
        let tables = { (report: Report) in report.terminal(width: 100).split(separator: "\n").dropFirst() }
        #expect(Array(tables(again)) == Array(tables(page)))
        // Bits that are not those of the counts.
        try Data(page.json.replacing("\"right\" : 38", with: "\"right\" : 37").utf8).write(to: file)
        #expect(throws: FormatError.self) { try Report(redrawing: file) }
    }

    @Test("robustness: the verdict weighs what is gained on corrupted images against what clean ones lose")
    func verdicts() throws {
        func verdict(_ before: Robustness, _ after: [Robustness]) throws -> Report.Verdict {
            let scales = after.enumerated().map { (Double($0.offset + 1), $0.element) }
            let comparison = RobustnessComparison(before: before, after: scales, signatures: ["fog.safetensors"])
            return try #require(try Report(comparison, title: "Robustness").verdict)
        }
        let before = variant(36, [20, 10])
        for (after, tone) in [
            (variant(36, [32, 20]), Report.Tone.good), (variant(20, [32, 20]), .mixed), (variant(36, [10, 2]), .bad),
            (variant(36, [20, 11]), .neutral)
        ] {
            let found = try verdict(before, [after])
            #expect(found.tone == tone, "\(found.text)")
        }
        // 27.5 points are 22 of 80 answers.
        let text = try verdict(before, [variant(36, [20, 12]), variant(35, [32, 20])]).text
        #expect(text.contains("Best of 2, chosen on these images: scale 2."))
        #expect(text.contains("37.5% right before, 65.0% with the signature, +27.5 points (95%: +1"))
        #expect(text.contains("Clean images: -2.5 points (95%: -8.9 to +4.2)."))
        let alone = try verdict(before, [])
        #expect(alone.tone == .neutral && alone.text.contains("least under contrast, 25.0% (14.2% to 40.2%)"))
    }

    @Test("robustness: four variants fit into 80 columns, each with a color of its own on a page")
    func layout() throws {
        let after = [0.25, 0.5, 0.75, 1].map { ($0, variant(35, [30, 20])) }
        let report = try Report(
            RobustnessComparison(before: variant(36, [20, 10]), after: after, signatures: ["fog.safetensors"]),
            title: "Robustness")
        let lines = report.terminal(width: 80).split(separator: "\n")
        #expect(lines.allSatisfy { $0.count <= 80 && !$0.contains("…") })
        #expect(lines.contains { $0.hasPrefix("contrast 3") && $0.components(separatedBy: "±").count == 6 })
        let html = report.html()
        for group in 0..<5 { #expect(html.components(separatedBy: "class=\"fill\(group)\"").count == 4) }
    }

    @Test("classification: the worst classes come first, mistakes have their pictures, and what has no labels is named")
    func classification() throws {
        let classes = (0..<30).map { "c\($0)" }
        // Each class has two images; both of c7 and one of c3 are taken for c0.
        let labels = (0..<60).map { $0 % 30 }
        let answers = labels.enumerated().map { $1 == 7 || $0 == 3 ? 0 : $1 }
        let network = ClassifierArchitecture(
            .vgg(VGG(stages: [[1]], hasBatchNorm: false, pool: 1, hidden: [])), channels: 1, classes: classes)
        // The one filter gives what a pixel is, and class k is likeliest for pixel k: scores 2 k x - k^2.
        var kernel = [Float](repeating: 0, count: 9)
        kernel[4] = 1
        var exact = network
        (exact.mean, exact.deviation) = ([0], [1 / 255.0])
        let classifier = try ImageClassifier(
            exact,
            tensors: [
                "features.0.weight": Tensor(kernel, shape: [1, 1, 3, 3]), "features.0.bias": Tensor([Float(0)]),
                "classifier.weight": Tensor((0..<30).map { Float(2 * $0) }, shape: [30, 1]),
                "classifier.bias": Tensor((0..<30).map { -Float($0 * $0) })
            ])
        func images(_ labels: [Int], _ classes: [String]) throws -> ImageSet {
            ImageSet(
                pixels: try Tensor(answers.flatMap { [UInt8](repeating: UInt8($0), count: 4) }, shape: [60, 1, 2, 2]),
                labels: labels, classes: classes, files: (0..<60).map { "p\($0).png" })
        }
        let result = try classifier.classify(images(labels, classes))
        #expect(result.evaluation?.right == 57 && Set(result.mistakes.map(\.image)) == [3, 7, 37])
        let report = try Report(result, title: "classes")
        let text = report.terminal(width: 80)
        let worst = try #require(text.range(of: "The 20 worst of 30 classes"))
        #expect(text[worst.upperBound...].split(separator: "\n")[1].hasPrefix("c7 "))
        #expect(!text.contains("c29") && report.html().contains("c29"))
        #expect(report.html().components(separatedBy: "<img ").count == 4)
        let data = try #require(JSONSerialization.jsonObject(with: Data(report.json.utf8)) as? [String: Any])
        let mistakes = try #require(data["mistakes"] as? [[String: Any]])
        #expect(Set(mistakes.map { $0["file"] as? String }) == ["p3.png", "p7.png", "p37.png"])
        #expect(mistakes.allSatisfy { $0["answer"] as? String == "c0" })

        let unlabelled = try classifier.classify(images(labels.map { _ in 0 }, ["photos"]))
        #expect(unlabelled.evaluation == nil && unlabelled.mistakes.isEmpty)
        let named = try Report(unlabelled, title: "photos").terminal(width: 80).split(separator: "\n")
        #expect(named.contains { $0.hasPrefix("p37.png  c0 ") })
    }

    @Test("signatures: the verdict counts what meets the bars")
    func studyPage() throws {
        var study = StudyResult(
            setting: .init(
                architecture: "cnn", width: 1, parameters: 10, modelBytes: 26_000, corruptions: ["fog:3", "contrast:3"],
                trainImages: 10, validationImages: 5, testImages: 100, sampleImages: 50, pretrainingEpochs: 1,
                epochs: 1, corruptedShare: 1, seed: 1))
        func outcome(_ corruption: String, patched: Double) -> StudyResult.SignatureOutcome {
            func accuracy(_ clean: Double, _ corrupted: Double) -> StudyResult.Accuracy {
                .init(clean: clean, corrupted: [corrupted])
            }
            return .init(
                corruption: corruption, standard: accuracy(0.9, 0.4), robust: accuracy(0.85, 0.8),
                patched: accuracy(0.89, patched), layers: 6, scale: 1,
                stored: .init(
                    layers: 4, bits: 4, bytes: 2000, scale: 1, full: accuracy(0.89, patched),
                    accuracy: accuracy(0.888, patched)))
        }
        study.outcomes = [outcome("fog:3", patched: 0.7), outcome("contrast:3", patched: 0.5)]
        #expect(abs(study.outcomes[0].regained - 0.75) < 1e-12)
        #expect(abs(study.outcomes[1].cleanLoss - 0.01) < 1e-12)
        let report = try Report(study)
        #expect(report.verdict?.tone == .mixed)
        #expect(report.verdict?.text.hasPrefix("1 of 2 signatures regain 60% of the gap") == true)
        let page = report.markdown()
        #expect(page.contains("75.0%") && page.contains("25.0%") && page.contains("| 2000 |"))
        #expect(!page.contains("no model"))

        // What could not be measured is told, not left out.
        let half = StudyResult.Accuracy(clean: 0.9, corrupted: [0.5])
        study.transfers = [.init(corruption: "fog:3", standard: half, foreign: nil, own: half, robust: half)]
        study.compositions = [
            .init(corruptions: ["fog:3", "contrast:3"], mode: "sum", accuracy: nil, standard: half, alone: [0.7, 0.5])
        ]
        let lines = try Report(study).markdown().split(separator: "\n")
        #expect(lines.count { $0.contains("| no model |") } == 2)
        #expect(lines.contains { $0.hasPrefix("no model: a running variance") })
    }
}
