import Foundation
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
        for part in ["fog.safetensors", "scale 0.5", "82.00%", "47.50%"] { #expect(text.contains(part), "\(part)") }
        let plots = report.blocks.count { if case .plot = $0 { true } else { false } }
        #expect(plots == 2)
        #expect(report.html().contains("<svg"))

        let plain = try Report(RobustnessComparison(before: robustness(90, [80, 40, 70, 20])), title: "Robustness")
        #expect(!plain.terminal(width: 120).contains("before"))
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
