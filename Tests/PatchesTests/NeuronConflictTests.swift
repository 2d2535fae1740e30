import Foundation
import SutureFormats
import SuturePatches
import SutureTestSupport
import Testing

@Suite("Patches that change the same neuron")
struct NeuronConflictTests {
    private static let module = "model.layers.1.mlp"
    private static let width = TinySnapshot.width

    /// A patch that gives a neuron another input and output, or another output only.
    private func patch(_ neuron: Int, of base: Checkpoint, reads: Bool, _ value: Float) throws -> Patch {
        let values = [Float](repeating: value, count: Self.width)
        let write = Edit.columns([neuron], of: "\(Self.module).down_proj.weight", adding: values)
        let read = ["gate_proj", "up_proj"].map {
            Edit.rows([neuron], of: "\(Self.module).\($0).weight", adding: values)
        }
        return try Patch(reads ? read + [write] : [write], of: base, method: .init(name: "test"))
    }

    private func withBase(_ body: (Checkpoint, URL) throws -> Void) throws {
        try withTemporaryDirectory { directory in
            let url = directory.appending(path: "base")
            try TinySnapshot.write(to: url)
            try body(Checkpoint(url), directory)
        }
    }

    @Test("are refused by name where one of them makes the neuron anew, and only there")
    func refused() throws {
        try withBase { base, directory in
            let anew = try patch(3, of: base, reads: true, 0.1)
            let patched = try PatchedCheckpoint(base).adding([AppliedPatch(anew)])
            for other in [
                try patch(3, of: base, reads: true, 0.2), try patch(3, of: base, reads: false, 0.2)
            ] {
                let error = #expect(throws: PatchError.self) { try patched.adding([AppliedPatch(other)]) }
                #expect(error?.code == .conflict && error?.kind == .refused)
                #expect(error?.found == "neuron 3 of \(Self.module)")
                #expect(error?.subject == "\(anew.shortID) and \(other.shortID)")
                let both = [AppliedPatch(anew), AppliedPatch(other)]
                #expect(throws: PatchError.self) { _ = try Combination(both, .sum) }
                // Who insists gets the sum.
                _ = try Combination(both, .sum, allowingConflicts: true)
                try patched.adding([AppliedPatch(other)], allowingConflicts: true).check()
                // A patch that is not there at all is in nobody's way.
                _ = try patched.adding([AppliedPatch(other, scale: 0)])
            }
            _ = try patched.adding([AppliedPatch(try patch(4, of: base, reads: true, 0.2))])
            // Two that add to what a neuron writes add up.
            let outputs = try [Float(0.1), 0.2].map { AppliedPatch(try patch(5, of: base, reads: false, $0)) }
            _ = try PatchedCheckpoint(base).adding(outputs)
        }
    }

    @Test("stand in no way of a third patch, nor of taking one of them off")
    func present() throws {
        try withBase { base, directory in
            let both = try [Float(0.1), 0.2].map { AppliedPatch(try patch(3, of: base, reads: true, $0)) }
            let url = directory.appending(path: "both")
            try PatchedCheckpoint(base).adding(both, allowingConflicts: true).write(to: url)
            let patched = try PatchedCheckpoint(Checkpoint(url))
            #expect(patched.stack.neuronConflicts.map(\.index) == [3])
            _ = try patched.adding([AppliedPatch(try patch(4, of: base, reads: true, 0.2))])
            let error = #expect(throws: PatchError.self) {
                try patched.adding([AppliedPatch(try patch(3, of: base, reads: true, 0.3))])
            }
            #expect(error?.code == .conflict)
            #expect(try patched.removing(both[0].patch.id).stack.neuronConflicts.isEmpty)
        }
    }
}
