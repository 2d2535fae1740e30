import Foundation
import SutureVision

extension Report {
    /// The page of images that were classified: with labels how many were told right, the worst classes and the mistakes with
    /// their pictures, without labels what each was taken for.
    public init(_ classification: Classification, title: String) throws {
        if let evaluation = classification.evaluation {
            try self.init(classification, evaluation, title: title)
        } else {
            try self.init(unlabelled: classification, title: title)
        }
    }

    private init(_ classification: Classification, _ evaluation: Evaluation, title: String) throws {
        let interval = evaluation.interval
        let classes = classification.classes
        let confusion = Confusion(evaluation, classes)
        let mistakes = classification.mistakes
        var blocks: [Block] = [
            .facts([
                Fact("Images", "\(evaluation.count)"),
                Fact("Right", Self.share(evaluation.accuracy)),
                Fact("95% interval", "\(Self.share(interval.low)) to \(Self.share(interval.high))"),
                Fact("Loss", Numeral.short(evaluation.loss))
            ])
        ]
        if confusion.seen.count <= Confusion.few {
            blocks.append(.table(confusion.table(confusion.seen)))
        } else {
            let worst = Array(confusion.worstFirst.prefix(Confusion.few))
            blocks.append(
                .table(confusion.table(worst, "The \(worst.count) worst of \(confusion.seen.count) classes")))
        }
        if !confusion.pairs.isEmpty { blocks.append(.table(confusion.mistakes)) }
        if classes.count <= Confusion.few {
            blocks.append(
                .heatmap(
                    Heatmap(
                        caption: "Images of a class (row) taken for a class (column)", rowTitle: "class", rows: classes,
                        columnTitle: "answer", columns: classes,
                        cells: evaluation.confusion.map { $0.map(Double.init) }, coloring: .sequential)))
        }
        if !mistakes.isEmpty {
            let shown = try mistakes.prefix(Self.pictures).map { mistake in
                let label = classes[classification.images.labels[mistake.image]]
                return try Self.picture(classification, mistake, "\(label), taken for \(classification.said(mistake))")
            }
            let caption =
                "Mistakes, the surest first"
                + (shown.count < mistakes.count ? ": \(shown.count) of \(mistakes.count)" : "")
            blocks.append(.onPages([.gallery(Gallery(caption: caption, pictures: shown))]))
        }
        if confusion.seen.count > Confusion.few {
            blocks.append(.onPages([.table(confusion.table(confusion.seen, "All classes"))]))
        }
        try self.init(
            title: title, schema: "suture.classify/1",
            data: ClassifyData(classification, evaluation, mistakes), blocks: blocks)
    }

    private init(unlabelled classification: Classification, title: String) throws {
        let shown = try classification.answers.prefix(Self.pictures).map { answer in
            try Self.picture(classification, answer, classification.said(answer))
        }
        let all = classification.answers.count
        let table = Table(
            columns: ["picture", "likeliest", .number("%"), "next", .number("%")],
            rows: classification.answers.map { answer in
                [.init(classification.images.name(of: answer.image))]
                    + answer.guesses.prefix(2).flatMap { guess -> [Table.Cell] in
                        [
                            .init(classification.classes[guess.label]),
                            .init(String(format: "%.1f", 100 * guess.probability))
                        ]
                    }
            })
        let caption = "What the pictures are taken for" + (shown.count < all ? ": \(shown.count) of \(all)" : "")
        try self.init(
            title: title, schema: "suture.answers/1", data: AnswersData(classification),
            blocks: [.table(table), .onPages([.gallery(Gallery(caption: caption, pictures: shown))])])
    }

    /// How many pictures a page shows, and how large.
    private static let pictures = 48
    private static let side = 96

    private static func picture(_ classification: Classification, _ answer: Answer, _ text: String) throws
        -> Gallery.Picture
    {
        let picture = try classification.images.picture(answer.image)
        let factor = min(1, Double(side) / Double(max(picture.height, picture.width)))
        func scaled(_ length: Int) -> Int { max(1, Int((Double(length) * factor).rounded())) }
        let small = try picture.resized(height: scaled(picture.height), width: scaled(picture.width))
        return .init(png: try small.png(), title: classification.images.name(of: answer.image), text: text)
    }
}

extension Classification {
    /// `dog (97%)`
    fileprivate func said(_ answer: Answer) -> String {
        "\(classes[answer.best.label]) (\(Numeral.percent(answer.best.probability)))"
    }
}

/// Which classes were taken for which.
private struct Confusion {
    /// As many classes as a table or a map shows whole.
    static let few = 20

    let evaluation: Evaluation
    let classes: [String]
    /// The classes of which there are images.
    let seen: [Int]
    /// How often an image of one class was taken for another, the most frequent first.
    let pairs: [(label: Int, answer: Int, count: Int)]

    init(_ evaluation: Evaluation, _ classes: [String]) {
        (self.evaluation, self.classes) = (evaluation, classes)
        let confusion = evaluation.confusion
        seen = confusion.indices.filter { confusion[$0].contains { $0 > 0 } }
        pairs = seen.flatMap { label in
            confusion[label].enumerated().filter { $0.offset != label && $0.element > 0 }
                .map { (label, $0.offset, $0.element) }
        }.sorted { ($1.count, $0.label, $0.answer) < ($0.count, $1.label, $1.answer) }
    }

    private func share(_ label: Int) -> Estimate {
        Estimate(evaluation.confusion[label][label], of: evaluation.confusion[label].reduce(0, +))
    }

    var worstFirst: [Int] { seen.sorted { (share($0).value, $0) < (share($1).value, $1) } }

    func table(_ labels: [Int], _ caption: String? = nil) -> Report.Table {
        Report.Table(
            caption: caption,
            columns: ["class", .number("images"), .number("right, %"), "most often taken for"],
            rows: labels.map { label in
                let row = evaluation.confusion[label]
                let wrong = row.indices.filter { $0 != label && row[$0] > 0 }.max { row[$0] < row[$1] }
                return [
                    .init(classes[label]), .init("\(row.reduce(0, +))"), .init(Report.percent(share(label))),
                    .init(wrong.map { "\(classes[$0]), \(row[$0])" } ?? "")
                ]
            })
    }

    var mistakes: Report.Table {
        Report.Table(
            caption: "The most frequent mistakes",
            columns: ["class", "taken for", .number("images"), .number("of the class")],
            rows: pairs.prefix(10).map { label, answer, count in
                let all = evaluation.confusion[label].reduce(0, +)
                return [
                    .init(classes[label]), .init(classes[answer]), .init("\(count)"),
                    .init(Numeral.percent(Double(count) / Double(all)))
                ]
            })
    }
}

// MARK: - What the JSON says

private struct ClassifyData: Encodable, Sendable {
    struct Mistake: Encodable, Sendable {
        let image: Int
        let file: String?
        let label, answer: String
        let probability: Double
    }
    let images: Int
    let accuracy: Double
    let interval: [Double]
    let loss: Double
    let classes: [String]
    /// Left out where there are very many classes; the mistakes say the same.
    let confusion: [[Int]]?
    let mistakes: [Mistake]

    init(_ classification: Classification, _ evaluation: Evaluation, _ mistakes: [Answer]) {
        images = evaluation.count
        accuracy = evaluation.accuracy
        interval = [evaluation.interval.low, evaluation.interval.high]
        loss = evaluation.loss
        classes = classification.classes
        confusion = classes.count <= 100 ? evaluation.confusion : nil
        self.mistakes = mistakes.map { mistake in
            Mistake(
                image: mistake.image, file: classification.images.files?[mistake.image],
                label: classification.classes[classification.images.labels[mistake.image]],
                answer: classification.classes[mistake.best.label], probability: mistake.best.probability)
        }
    }
}

private struct AnswersData: Encodable, Sendable {
    struct Image: Encodable, Sendable {
        let image: Int
        let file: String?
        let guesses: [Guess]
    }
    struct Guess: Encodable, Sendable {
        let answer: String
        let probability: Double
    }
    let images: [Image]

    init(_ classification: Classification) {
        images = classification.answers.map { answer in
            Image(
                image: answer.image, file: classification.images.files?[answer.image],
                guesses: answer.guesses.map {
                    Guess(answer: classification.classes[$0.label], probability: $0.probability)
                })
        }
    }
}
