import Foundation
import SutureFormats
import SutureModels
import SutureTensor
import SutureTestSupport
import Testing

@testable import SutureRepair

@Suite("The cache of statistics")
struct StatisticsCacheTests {
    private static let texts = [[1, 2, 3, 4], [5, 6], [250, 7, 7]]

    /// Two models of one shape, a directory for entries, and how often they were computed.
    private final class Place {
        let directory = FileManager.default.temporaryDirectory.appending(path: "suture-cache-\(UUID().uuidString)")
        var entries: URL { directory.appending(path: "entries") }
        private(set) var made = 0

        init() throws {
            try TinySnapshot.write(to: directory.appending(path: "model"))
            try TinySnapshot.write(to: directory.appending(path: "other"), seed: 2)
        }

        deinit { try? FileManager.default.removeItem(at: directory) }

        func cache(_ model: String = "model") throws -> StatisticsCache {
            StatisticsCache(of: try Checkpoint(directory.appending(path: model)), in: entries)
        }

        /// Asks for an entry and says whether it had to be made.
        func makes(
            _ what: String = "numbers", of texts: [[Int]] = texts, _ model: String = "model",
            _ numbers: [Double] = [1, 0.1, -3]
        ) throws -> Bool {
            let before = made
            let tensors = try cache(model).tensors(
                Self.request(what, of: texts, ["row": [3], "number": [1, 1]]) {
                    self.made += 1
                    return [try Tensor(numbers), try Tensor([0.7], shape: [1, 1])]
                })
            if made == before {
                #expect(try tensors.map { try $0.elements(as: Double.self) } == [numbers, [0.7]])
                #expect(tensors.map(\.shape) == [[3], [1, 1]])
            }
            return made > before
        }

        /// What is made at once.
        static func request(
            _ what: String, of texts: [[Int]] = texts, _ forms: KeyValuePairs<String, [Int]>,
            _ make: @escaping () throws -> [Tensor]
        ) -> StatisticsRequest {
            StatisticsRequest(what: what, texts: texts, forms: forms, sums: .init { $1 = try make() })
        }

        func files() throws -> [URL] {
            try FileManager.default.contentsOfDirectory(at: entries, includingPropertiesForKeys: nil)
        }
    }

    @Test("an entry is made once, and again for other texts, another model or something else")
    func keys() throws {
        let place = try Place()
        #expect(try place.makes())
        #expect(try !place.makes())
        #expect(try place.makes(of: [[1, 2, 3, 4], [5], [6, 250, 7, 7]]))
        #expect(try place.makes("other numbers"))
        #expect(try place.makes(of: Self.texts, "other"))
        #expect(try !place.makes())
        #expect(try place.files().count == 4)
    }

    @Test("a file that is not the entry as it was written is written over")
    func damage() throws {
        let place = try Place()
        #expect(try place.makes())
        let url = try #require(place.files().first)
        let good = try Data(contentsOf: url)
        #expect(try place.makes("other numbers"))
        let other = try #require(place.files().first { $0 != url })
        var flipped = good
        flipped[flipped.count - 3] ^= 0x10
        for bad in [Data(), good.dropLast(), flipped, good + [0], try Data(contentsOf: other)] {
            try bad.write(to: url)
            #expect(try place.makes())
            #expect(try Data(contentsOf: url) == good)
            #expect(try !place.makes())
        }
        // Of other shapes, though whole in themselves.
        let widths = try place.cache().tensors(
            Place.request("numbers", ["row": [2], "number": [1, 1]]) {
                [try Tensor([1.0, 2.0]), try Tensor([3.0], shape: [1, 1])]
            })
        #expect(widths.map(\.shape) == [[2], [1, 1]])
        #expect(try place.makes())
        // Not a number: computed every time.
        #expect(try place.makes("nothing", of: Self.texts, "model", [.nan, 0, 0]))
        #expect(try place.makes("nothing", of: Self.texts, "model", [.nan, 0, 0]))
    }

    @Test("where nothing can be kept, everything is computed")
    func unwritable() throws {
        let place = try Place()
        try Data("a file".utf8).write(to: place.entries)
        #expect(try place.makes())
        #expect(try place.makes())
    }

    @Test("a repair with kept statistics is the same to the last bit")
    func repair() throws {
        let place = try Place()
        let model = try LanguageModel.load(place.directory.appending(path: "model"))
        let failure = TokenizedFailure(prompt: [10, 20, 30, 40], answer: [99])
        func delta(_ cache: StatisticsCache?) throws -> [Float] {
            let prepared = try Recruit().prepared(
                RepairMaterial(model, texts: Self.texts, reserved: [], statistics: cache))
            let edit = try #require(try prepared.propose(failure, on: model).change.neurons.first)
            return try edit.delta.floats() + (edit.read?.up.floats() ?? [])
        }
        let fresh = try delta(nil)
        #expect(try delta(place.cache()) == fresh)
        #expect(try place.files().count == 1)
        #expect(try delta(place.cache()) == fresh)
        #expect(throws: RepairError.self) {
            try Recruit().prepared(RepairMaterial(model, texts: [], reserved: [], statistics: place.cache()))
        }
        #expect(try place.files().count == 1)
    }

    @Test("what was made of some parts of the texts is gone on with, and comes to the same to the last bit")
    func parts() throws {
        let place = try Place()
        var cache = try place.cache()
        cache.interval = .zero
        struct Stop: Error {}
        /// A sum that rounding makes depend on the order, of seven parts, which may be stopped before one of them.
        func sum(_ cache: StatisticsCache?, stop: Int? = nil, _ seen: inout [Int]) throws -> [Double] {
            let added = Added()
            defer { seen = added.parts }
            let request = StatisticsRequest(
                what: "a sum", texts: Self.texts, forms: ["row": [2]],
                sums: .init(parts: 7) {
                    [try Tensor.zeros([2], dtype: .float64), try Tensor.zeros([], dtype: .float32)]
                } add: { part, sums in
                    if part == stop { throw Stop() }
                    added.parts.append(part)
                    sums[0] = try sums[0] + Tensor([0.1 * Double(part), 1e16])
                    sums[1] = try sums[1] + 0.3
                } finish: {
                    [try $0[0] * $0[1].to(.float64)]
                })
            return try (cache?.tensors(request) ?? request.made())[0].elements()
        }
        var seen: [Int] = []
        let whole = try sum(nil, &seen)
        #expect(seen == Array(0..<7))
        #expect(throws: Stop.self) { try sum(cache, stop: 3, &seen) }
        #expect(seen == [0, 1, 2])
        #expect(throws: Stop.self) { try sum(cache, stop: 5, &seen) }
        #expect(seen == [3, 4])
        #expect(try sum(cache, &seen) == whole)
        #expect(seen == [5, 6])
        // What was kept on the way is not needed any more.
        #expect(try place.files().count == 1)
        #expect(try sum(cache, &seen) == whole && seen.isEmpty)
        // A part that is damaged is begun anew.
        let entry = try #require(place.files().first)
        try FileManager.default.removeItem(at: entry)
        #expect(throws: Stop.self) { try sum(cache, stop: 3, &seen) }
        let partial = try #require(place.files().first)
        try Data(contentsOf: partial).dropLast().write(to: partial)
        #expect(try sum(cache, &seen) == whole)
        #expect(seen == Array(0..<7))
    }

    private final class Added { var parts: [Int] = [] }
}
