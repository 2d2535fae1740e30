import Foundation
import SutureFormats
import SutureModels
import SuturePatches
import SutureTensor
import SutureTestSupport
import Testing

@testable import SutureRepair

@Suite("Statistics in a file")
struct StatisticsFileTests {
    private static let texts = [[1, 2, 3, 4], [5, 6], [250, 7, 7]]

    /// Two models of one shape, and a file of statistics of the first.
    private final class Place {
        let directory = FileManager.default.temporaryDirectory.appending(path: "suture-file-\(UUID().uuidString)")
        let model: LanguageModel
        var file: URL { directory.appending(path: "statistics") }

        init() throws {
            try TinySnapshot.write(to: directory.appending(path: "model"))
            try TinySnapshot.write(to: directory.appending(path: "other"), seed: 2)
            model = try LanguageModel.load(directory.appending(path: "model"))
        }

        deinit { try? FileManager.default.removeItem(at: directory) }

        func checkpoint(_ name: String = "model") throws -> Checkpoint {
            try Checkpoint(directory.appending(path: name))
        }

        func material(_ statistics: (any StatisticsSource)? = nil, texts: [[Int]] = texts) -> RepairMaterial {
            RepairMaterial(model, texts: texts, statistics: statistics)
        }

        func write(_ methods: [any RepairMethod]) throws -> StatisticsRecorder {
            let recorder = try StatisticsRecorder(of: checkpoint())
            for method in methods { try recorder.read(for: method, material()) }
            try recorder.write(to: file, overwriting: true)
            return recorder
        }
    }

    @Test("each method reads of the file what it would read of the texts, to the last bit")
    func methods() throws {
        let place = try Place()
        let names = MethodName.allCases.filter(\.readsStatistics)
        let recorder = try place.write(names.map(\.method))
        // One pass serves several methods where they need the same.
        #expect(recorder.contents.count < names.count + 3, "\(recorder.contents)")
        let file = try StatisticsFile(place.file, of: place.checkpoint())
        for name in names {
            func read(_ source: (any StatisticsSource)?) throws -> [String: [[Double]]] {
                let noting = Noting(source)
                try name.method.readStatistics(place.material(noting))
                return noting.tensors
            }
            let (kept, fresh) = (try read(file), try read(nil))
            #expect(!kept.isEmpty, "\(name)")
            for (what, tensors) in kept { #expect(fresh[what] == tensors, "\(name), \(what)") }
        }
        let failure = TokenizedFailure(prompt: [10, 20, 30, 40], answer: [99])
        func delta(_ source: (any StatisticsSource)?) throws -> [Float] {
            let prepared = try Recruit().prepared(place.material(source))
            let edit = try #require(try prepared.propose(failure, on: place.model).change.neurons.first)
            return try edit.delta.floats() + (edit.read?.up.floats() ?? [])
        }
        #expect(try delta(file) == delta(nil))
    }

    /// Notes what is asked for, and what it is.
    private final class Noting: StatisticsSource, @unchecked Sendable {
        private(set) var tensors: [String: [[Double]]] = [:]
        private let source: (any StatisticsSource)?

        init(_ source: (any StatisticsSource)?) { self.source = source }

        func tensors(_ request: StatisticsRequest) throws -> [Tensor] {
            let found = try source?.tensors(request) ?? request.made()
            tensors[request.what] = try found.map { try $0.elements(as: Double.self) }
            return found
        }
    }

    @Test("another model, other patches, other texts and another need are refused, each with its reason")
    func refused() throws {
        let place = try Place()
        _ = try place.write([Recruit()])
        func reason(_ body: () throws -> Void) -> String {
            do {
                try body()
                return "nothing"
            } catch let error as RepairError where error.code == .otherStatistics {
                return error.problem
            } catch {
                return "\(error)"
            }
        }
        #expect(
            try reason { _ = try StatisticsFile(place.file, of: place.checkpoint("other")) }
                == "these are the statistics of another model")
        let patch = try Patch.neurons(
            [
                NeuronChange(
                    tensor: "model.layers.1.mlp.down_proj.weight", kind: .columns, index: 3,
                    delta: (0..<TinySnapshot.width).map { Float($0 + 1) })
            ], of: place.checkpoint(), method: .init(name: "made by hand"))
        #expect(
            try reason { _ = try StatisticsFile(place.file, of: place.checkpoint(), with: [AppliedPatch(patch)]) }
                == "these are the statistics of the model with other patches")
        var file = try StatisticsFile(place.file, of: place.checkpoint())
        #expect(
            reason { _ = try Recruit().prepared(place.material(file, texts: [[9, 9]])) }
                == "these statistics are of other texts")
        #expect(
            reason { _ = try STAR().prepared(place.material(file)) } == "these statistics are not what the method needs"
        )
        file.otherwise = try StatisticsCache(of: place.checkpoint(), in: place.directory.appending(path: "cache"))
        #expect(reason { _ = try STAR().prepared(place.material(file)) } == "nothing")
        let recorder = try StatisticsRecorder(of: place.checkpoint())
        #expect(throws: RepairError.self) { try recorder.read(for: MINT(), place.material()) }
    }

    @Test("a file that is damaged, cut or something else is refused")
    func damage() throws {
        let place = try Place()
        _ = try place.write([Recruit()])
        let good = try Data(contentsOf: place.file)
        var flipped = good
        flipped[flipped.count - 3] ^= 0x10
        for bad in [Data(), good.dropLast(), flipped, good + [0], Data(good.reversed())] {
            try bad.write(to: place.file)
            #expect(throws: FormatError.self) { try StatisticsFile(place.file, of: place.checkpoint()) }
        }
        try SafetensorsWriter.write([], to: place.file, overwriting: true)
        #expect(throws: FormatError.self) { try StatisticsFile(place.file, of: place.checkpoint()) }
        for manifest in ["no JSON", "{}", #"{"schema": "suture.statistics/9", "version": 1}"#] {
            try SafetensorsWriter.write(
                [], metadata: ["statistics": ByteString(manifest)], to: place.file, overwriting: true)
            #expect(throws: FormatError.self) { try StatisticsFile(place.file, of: place.checkpoint()) }
        }
    }
}
