import Foundation
import SutureFormats

/// A weight file that is copied with other bytes in place of some tensors.
struct FileCopy<Change: Sendable>: Sendable {
    let file: SafetensorsFile
    /// What becomes of these tensors, in the order of their data.
    let changes: [(tensor: SafetensorsFile.Tensor, change: Change)]

    private var name: String { URL(filePath: file.file.name).lastPathComponent }

    /// Writes copies into a directory, by all cores at once.
    ///
    /// - Parameters:
    ///   - copies: what to copy.
    ///   - directory: where to, under the same names.
    ///   - meanwhile: what else is to be done, by one of the cores.
    ///   - replace: is given a change, and writes as many bytes as its tensor has at `start`.
    /// - Returns: what `replace` returned, of each file in order.
    static func write<Outcome: Sendable>(
        _ copies: [FileCopy], to directory: URL, meanwhile: @escaping @Sendable () throws -> Void = {},
        _ replace: @escaping @Sendable (_ change: Change, _ start: Int, _ output: AtomicFile) throws -> Outcome
    ) throws -> [Outcome] {
        let places = copies.map { directory.appending(path: $0.name) }
        return try withFiles(places[...], []) { outputs in
            let works = zip(copies, outputs).map { copy, output in copy.works(to: output, replace) }
            // From each file in turn: the system lets only one thread at a time write to a file.
            let rounds = (0..<(works.map(\.count).max() ?? 0)).map { round in
                works.compactMap { round < $0.count ? $0[round] : nil }
            }
            let all: [Work<Outcome>] =
                [
                    {
                        try meanwhile()
                        return nil
                    }
                ] + rounds.joined()
            return try Parallel.map(all) { try $0() }.compactMap { $0 }
        }
    }

    private typealias Work<Outcome> = @Sendable () throws -> Outcome?

    /// How much is copied at once: not too much, so that all cores have something to do until the end.
    private static var pieceSize: Int { 1 << 26 }

    private func works<Outcome: Sendable>(
        to output: AtomicFile, _ replace: @escaping @Sendable (Change, Int, AtomicFile) throws -> Outcome
    ) -> [Work<Outcome>] {
        var works: [Work<Outcome>] = []
        var position = 0
        func copy(until end: Int) {
            for start in stride(from: position, to: end, by: Self.pieceSize) {
                let piece = start..<min(start + Self.pieceSize, end)
                works.append { [file = file.file] in
                    try output.put(file, piece, at: piece.lowerBound)
                    return nil
                }
            }
        }
        for (tensor, change) in changes {
            copy(until: tensor.range.lowerBound)
            works.append {
                let outcome = try replace(change, tensor.range.lowerBound, output)
                output.startWriting(tensor.range)
                return outcome
            }
            position = tensor.range.upperBound
        }
        copy(until: file.file.bytes.count)
        return works
    }

    /// Opens a file at each place for the time of `body`.
    private static func withFiles<Result>(
        _ places: ArraySlice<URL>, _ open: [AtomicFile], _ body: ([AtomicFile]) throws -> Result
    ) throws -> Result {
        guard let place = places.first else { return try body(open) }
        return try AtomicFile.write(to: place) { try withFiles(places.dropFirst(), open + [$0], body) }
    }
}
