import Foundation
import SutureCore
import SutureFormats
import SutureTensor

extension LanguageModel {
    /// At which tokens of a text values are recorded.
    public enum RecordedTokens: String, Sendable, CaseIterable {
        case last, all
    }

    /// Writes the values at sites in many texts as float32, streamed: a safetensors file with a tensor for each site,
    /// named like it, or the `.npy` file of one site.
    ///
    /// Rows are texts, `[texts, width]`, or all of their tokens one after the other, `[tokens, width]`; the safetensors
    /// file then says how many each text has in `lengths` `[texts]`, int64.
    ///
    /// Throws ``ModelError`` for sites or texts that do not fit the model, and `FormatError` where nothing can be written.
    public func record(
        _ texts: [[Int]], at sites: [Site], tokens: RecordedTokens = .last, to url: URL, overwriting: Bool = false,
        progress: ProgressHandler = { _, _, _ in }
    ) throws {
        let isArray = url.pathExtension.lowercased() == "npy"
        guard !sites.isEmpty, Set(sites).count == sites.count, !isArray || sites.count == 1 else {
            throw ModelError(
                .outOfRange, "these sites cannot be recorded together", subject: url.lastPathComponent,
                expected: isArray ? "one site for a .npy file" : "sites, each once",
                found: sites.map(\.description).joined(separator: ", "),
                hint: isArray ? "a .safetensors file holds several" : nil)
        }
        try check(tokens: texts)
        try check([], sites, lengths: [])
        let rows = tokens == .last ? texts.count : texts.reduce(0) { $0 + $1.count }
        let widths = sites.map { $0.width(in: architecture) }
        // The scores of a last token are those that a run ends with.
        let isScored = sites.contains(.logits)
        let logits: LogitPositions = !isScored ? .none : tokens == .last ? .last : .all
        let captured = sites.filter { $0 != .logits || tokens == .all }
        let spool = try SpoolFile()
        let rooms = widths.map { spool.reserve(4 * rows * $0) }
        var row = 0
        var next = 0
        while next < texts.count {
            progress("recording", next, texts.count)
            let batch = nextBatch(of: texts[next...], width: widths.reduce(0, +))
            let run = try Tensor.withoutGradients {
                try self.run(batch, capturing: captured, logits: logits)
            }
            let lengths = tokens == .last ? batch.map { _ in 1 } : batch.map(\.count)
            for (site, (width, room)) in zip(sites, zip(widths, rooms)) {
                var start = row
                for (index, text) in batch.enumerated() {
                    let first = tokens == .last ? text.count - 1 : 0
                    let wanted =
                        if site == .logits, tokens == .last {
                            try run.logits.selected(0, index)
                        } else {
                            try run[site].selected(0, index).narrowed(0, first..<text.count)
                        }
                    try wanted.requireFinite("\(site) in text \(next + index + 1)")
                    let values = try wanted.floats()
                    try values.withUnsafeBytes { try spool.write($0, to: room, at: 4 * start * width) }
                    start += lengths[index]
                }
            }
            row += lengths.reduce(0, +)
            next += batch.count
        }
        progress("recording", texts.count, texts.count)
        if isArray {
            try AtomicFile.write(to: url, overwriting: overwriting) { file in
                try NPYHeader.bytes(type: "<f4", shape: [rows, widths[0]]).withUnsafeBytes { try file.append($0) }
                try file.append(rooms[0])
            }
            return
        }
        var sources = sites.indices.map {
            SafetensorsSource(sites[$0].description, .float32, [rows, widths[$0]], rooms[$0])
        }
        if tokens == .all {
            let lengths = texts.flatMap { withUnsafeBytes(of: Int64($0.count).littleEndian) { Array($0) } }
            sources.append(SafetensorsSource("lengths", .int64, [texts.count], bytes: lengths))
        }
        try SafetensorsWriter.write(sources, to: url, overwriting: overwriting)
    }

    /// As many of the next texts as share a batch: padding costs time, and what is kept costs memory.
    private func nextBatch(of texts: ArraySlice<[Int]>, width: Int) -> [[Int]] {
        let most = max(1, (1 << 26) / max(width, architecture.width * 4))
        var longest = 0
        let batch = texts.prefix(32).enumerated().prefix { index, text in
            longest = max(longest, text.count)
            return index == 0 || (index + 1) * longest <= most
        }
        return batch.map(\.element)
    }
}
