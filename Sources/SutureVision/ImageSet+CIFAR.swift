import Foundation
import SutureFormats
import SutureTensor

extension ImageSet {
    /// Reads `data_batch_1.bin` to `data_batch_5.bin`, or `test_batch.bin`.
    init(cifar10 directory: URL, split: Split) throws {
        let names = split == .train ? (1...5).map { "data_batch_\($0).bin" } : ["test_batch.bin"]
        try self.init(
            cifar: names.map { directory.appending(path: $0) }, labelBytes: 1,
            classes: Self.classes(10, in: directory.appending(path: "batches.meta.txt")))
    }

    /// Reads `train.bin` or `test.bin`, with the hundred fine classes.
    init(cifar100 directory: URL, split: Split) throws {
        try self.init(
            cifar: [directory.appending(path: "\(split.rawValue).bin")], labelBytes: 2,
            classes: Self.classes(100, in: directory.appending(path: "fine_label_names.txt")))
    }

    /// In these files each image is a row: its label (after a coarse one in CIFAR-100), then 32 x 32 bytes of red, as many
    /// of green and of blue.
    private init(cifar files: [URL], labelBytes: Int, classes: [String]) throws {
        let row = labelBytes + 3 * 32 * 32
        var parts: [Tensor] = []
        var labels: [Int] = []
        for url in files {
            let file = try MappedFile(url)
            defer { withExtendedLifetime(file) {} }
            let (rows, rest) = file.bytes.count.quotientAndRemainder(dividingBy: row)
            guard rest == 0, rows > 0 else {
                throw VisionError(
                    .badImages, "this is no file of CIFAR images", subject: file.name,
                    expected: "\(row) bytes for each image", found: "\(file.bytes.count) bytes in all")
            }
            let own = (0..<rows).map { Int(file.bytes[$0 * row + labelBytes - 1]) }
            try Self.check(own, below: classes.count, in: file.name)
            labels += own
            let table = try Tensor(borrowing: file.bytes, shape: [rows, row], dtype: .uint8, owner: file)
            parts.append(try table.narrowed(1, labelBytes..<row).contiguous().reshaped([rows, 3, 32, 32]))
        }
        self.init(pixels: try Tensor.concatenated(parts, 0), labels: labels, classes: classes)
    }

    /// The names of so many classes, or their numbers where there is no such file.
    private static func classes(_ count: Int, in url: URL) throws -> [String] {
        let names = try names(in: url) ?? (0..<count).map(String.init)
        guard names.count == count else {
            throw VisionError(
                .badImages, "there is not one name for each class", subject: url.relativePath, expected: "\(count)",
                found: "\(names.count)")
        }
        return names
    }
}
