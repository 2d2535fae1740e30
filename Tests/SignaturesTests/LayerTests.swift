import Foundation
import SutureFormats
import SuturePatches
import SutureTensor
import SutureTestSupport
import Testing

@testable import SutureSignatures

@Suite("Which layers and norms a signature is of")
struct LayerTests {
    private func patch(_ models: [Checkpoint], _ change: (inout SignatureExtraction) -> Void) throws -> Patch {
        var signature = SignatureExtraction()
        change(&signature)
        return try signature.extract(pretrained: models[0], standard: models[1], robust: models[2]).patch
    }

    private func names(_ models: [Checkpoint], _ change: (inout SignatureExtraction) -> Void) throws -> [String] {
        try patch(models, change).base.keys.map(\.string).sorted()
    }

    @Test("layers go by number, and norms with the layer before them")
    func names() throws {
        try withTemporaryDirectory { directory in
            let models = try Trio(seed: 1).write(to: directory)
            #expect(
                try names(models) { $0.layers = .first(1) } == [
                    "features.0.bias", "features.0.weight", "features.1.weight"
                ])
            #expect(try names(models) { $0.layers = .first(2) }.last == "features.10.weight")
            #expect(try names(models) { $0.layers = .named(["features.10"]) } == ["features.10.weight"])
            #expect(throws: SignatureError.self) { try names(models) { $0.layers = .named(["conv"]) } }
        }
    }

    @Test("norms of residual networks belong to the convolutions of their number")
    func residual() throws {
        try withTemporaryDirectory { directory in
            let layers = [
                "conv1", "bn1", "layer1.0.conv1", "layer1.0.bn1", "layer1.0.conv2", "layer1.0.bn2",
                "layer1.0.downsample.0",
                "layer1.0.downsample.1", "layer10.0.conv1", "layer2.0.conv1", "norm", "fc", "linear"
            ]
            let sources = layers.flatMap { layer in
                let isNorm = ["bn", "downsample.1", "norm"].contains { layer.contains($0) }
                return (isNorm ? ["weight", "running_mean", "running_var"] : ["weight"]).map {
                    SafetensorsSource("\(layer).\($0)", .float32, [1], bytes: [0, 0, 0, 0])
                }
            }
            try Data("{}".utf8).write(to: directory.appending(path: "config.json"))
            try SafetensorsWriter.write(sources, to: directory.appending(path: "model.safetensors"))
            let network = NetworkLayers(try Checkpoint(directory))
            #expect(
                network.names == [
                    "conv1", "layer1.0.conv1", "layer1.0.conv2", "layer1.0.downsample.0", "layer2.0.conv1",
                    "layer10.0.conv1", "norm"
                ])
            #expect(network.layer(of: "bn1.weight") == "conv1" && network.layer(of: "fc.weight") == nil)
            #expect(network.layer(of: "linear.weight") == nil)
            #expect(network.layer(of: "layer1.0.bn2.running_mean") == "layer1.0.conv2")
            #expect(network.layer(of: "layer1.0.downsample.1.weight") == "layer1.0.downsample.0")
            #expect(network.isInNorm("bn1.weight") && !network.isInNorm("conv1.weight"))
        }
    }

    @Test("the largest relative changes, and the fewest that make up a share", arguments: 0..<10)
    func bySize(seed: UInt64) throws {
        try withTemporaryDirectory { directory in
            let trio = Trio(seed: seed)
            let models = try trio.write(to: directory)
            // The norm's factors belong to the first layer.
            let tensors = [
                "features.0": ["features.0.weight", "features.0.bias", "features.1.weight"],
                "features.10": ["features.10.weight"]
            ]
            func squareSum(_ values: [Double]) -> Double { values.reduce(0) { $0 + $1 * $1 } }
            let squares = tensors.mapValues { names -> Double in
                let weights = names.flatMap { trio.models[1][$0] ?? [] }.map(Double.init)
                return squareSum(names.flatMap(trio.rejection)) / squareSum(weights)
            }
            let total = squares.values.reduce(0, +)
            let first = try #require(squares.max { $0.value < $1.value })
            func chosen(_ rule: LayerRule) throws -> [String] {
                let patch = try patch(models) { $0.layers = rule }
                let names = try #require(patch.method.options.objectValue?["layers"]?.arrayValue)
                let chosen = names.compactMap(\.stringValue)
                #expect(patch.base.count == chosen.flatMap { tensors[$0] ?? [] }.count)
                return chosen
            }
            #expect(try chosen(.largest(1)) == [first.key])
            #expect(try chosen(.largest(2)) == ["features.0", "features.10"])
            #expect(try chosen(.share(first.value / total - 1e-6)) == [first.key])
            #expect(try chosen(.share(first.value / total + 1e-6)).count == 2)
            #expect(try chosen(.share(1)).count == 2)
        }
    }

    @Test("running averages are kept, changed as weights, or replaced with all of the norm", arguments: 0..<10)
    func batchNorm(seed: UInt64) throws {
        try withTemporaryDirectory { directory in
            let trio = Trio(seed: seed)
            let models = try trio.write(to: directory)
            let norm = ["features.1.running_mean", "features.1.running_var", "features.1.weight"]
            #expect(try names(models) { $0.batchNorm = .keep }.filter(norm.contains) == ["features.1.weight"])

            let variance = zip(trio.models[1][norm[1]] ?? [], trio.rejection(norm[1])).map { Double($0) + $1 }
            if variance.contains(where: { $0 < 0 }) {
                let error = #expect(throws: SignatureError.self) { try patch(models) { $0.batchNorm = .delta } }
                #expect(error?.code == .negativeVariance)
            } else {
                let patch = try patch(models) { $0.batchNorm = .delta }
                for name in norm { try expect(patch, models[1], name, is: trio.rejection(name), added: true) }
            }

            // Though the rule leaves their layer out.
            let replaced = try patch(models) {
                $0.batchNorm = .replace
                $0.layers = .named(["features.10"])
            }
            #expect(replaced.base.keys.map(\.string).sorted() == norm + ["features.10.weight"])
            for name in norm {
                try expect(replaced, models[1], name, is: (trio.models[2][name] ?? []).map(Double.init), added: false)
            }
            let places = ["on", "off"].map { directory.appending(path: $0) }
            try PatchedCheckpoint(models[1]).adding([AppliedPatch(replaced)]).write(to: places[0])
            try PatchedCheckpoint(Checkpoint(places[0])).removing(replaced.id).write(to: places[1])
            let files = try [models[1].url, places[1]].map {
                try Data(contentsOf: $0.appending(path: "model.safetensors"))
            }
            #expect(files[0] == files[1])
        }
    }

    @Test("running averages of some data go on top of a signature, and are taken off again", arguments: 0..<10)
    func reestimated(seed: UInt64) throws {
        try withTemporaryDirectory { directory in
            let models = try Trio(seed: seed).write(to: directory)
            var random = SeededGenerator(seed: seed)
            let averages = ["features.1.running_mean", "features.1.running_var"].map { name in
                (name, (0..<4).map { _ in Float(random.below(1000)) / 999 })
            }
            let places = ["signed", "set", "back"].map { directory.appending(path: $0) }
            let signature = try patch(models) { $0.batchNorm = .replace }
            try PatchedCheckpoint(models[1]).adding([AppliedPatch(signature, scale: 0.6)]).write(to: places[0])
            let signed = try Checkpoint(places[0])
            let patch = try Patch(
                runningAverages: Dictionary(uniqueKeysWithValues: averages), of: signed, data: "a test")
            #expect(patch.parents == [signature.id] && patch.base.count == 2)
            try PatchedCheckpoint(signed).adding([AppliedPatch(patch)]).write(to: places[1])
            let set = try PatchedCheckpoint(Checkpoint(places[1]))
            for (name, wanted) in averages {
                let found = try set.floats(of: #require(set.checkpoint[name]))
                for (a, b) in zip(found, wanted) { #expect(abs(a - b) < 1e-6 && (!name.hasSuffix("var") || a > -1e-6)) }
            }
            try set.removing(patch.id).write(to: places[2])
            let files = try [places[0], places[2]].map { try Data(contentsOf: $0.appending(path: "model.safetensors")) }
            #expect(files[0] == files[1])

            for wrong in [["features.1.running_mean": [Float(1)]], ["features.2.running_mean": [1, 2, 3, 4]]] {
                #expect(throws: SignatureError.self) { try Patch(runningAverages: wrong, of: signed, data: "a test") }
            }
            #expect(throws: PatchError.self) {
                try Patch(runningAverages: ["features.1.running_var": [1, .nan, 1, 1]], of: signed, data: "a test")
            }
        }
    }

    private func expect(
        _ patch: Patch, _ base: Checkpoint, _ name: String, is values: [Double], added isAdded: Bool
    ) throws {
        let tensor = try #require(base[name])
        let before = try PatchedCheckpoint(base).floats(of: tensor)
        let found = try PatchedCheckpoint(base).adding([AppliedPatch(patch)]).floats(of: tensor)
        for index in found.indices {
            #expect(abs(Double(found[index]) - values[index] - (isAdded ? Double(before[index]) : 0)) < 1e-6)
        }
    }
}
