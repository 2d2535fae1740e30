import SutureModels
import SutureTensor
import Testing

@Suite("Texts that are read together")
struct TogetherTests {
    @Test(
        "each of several texts, of several lengths and models, comes out as it does alone", arguments: TinyModel.names)
    func rows(name: String) throws {
        let model = try TinyModel(name).model
        let random = try RandomSource(seed: 4)
        func edited(_ layer: Int, _ index: Int) throws -> LanguageModel {
            let delta = try random.normal([model.architecture.width])
            return try model.editing([NeuronEdit(Neuron(layer: layer, index: index), delta: delta)])
        }
        let last = model.architecture.layers - 1
        let models = [model, try edited(0, 1), model, try edited(last, 2), try edited(last, 3), model]
        let prompts = [
            TinyModel.promptA, TinyModel.promptB, [7], TinyModel.promptB, Array(TinyModel.promptA.prefix(5)),
            TinyModel.promptB
        ]
        var sessions = try zip(models, prompts).map { try DecodingSession($0, prompt: $1) }
        for step in 0..<4 {
            let tokens = sessions.indices.map { 3 + 11 * step + $0 }
            try DecodingSession.append(tokens, to: &sessions)
        }
        for (row, session) in sessions.enumerated() {
            let whole = prompts[row] + (0..<4).map { 3 + 11 * $0 + row }
            let alone = try models[row].run([whole]).logits.squeezed(0)
            #expect(session.length == whole.count)
            #expect(try distance(session.logits, alone) < 1e-4, "row \(row)")
        }
        // Rows of different weights are not the same by chance.
        #expect(try distance(sessions[1].logits, sessions[5].logits) > 1e-3)
    }

    @Test("texts that come and go, one of them under an intervention, are not mixed up")
    func comings() throws {
        let model = try TinyModel("llama-bias").model
        let standing = try model.intervening([Intervention(.mlpOut(0), .scale(0))])
        var sessions = [
            try DecodingSession(model, prompt: TinyModel.promptA),
            try DecodingSession(standing, prompt: TinyModel.promptA)
        ]
        try DecodingSession.append([5, 5], to: &sessions)
        sessions.append(try DecodingSession(model, prompt: TinyModel.promptB))
        try DecodingSession.append([6, 6, 7], to: &sessions)
        sessions.remove(at: 0)
        try DecodingSession.append([8, 9], to: &sessions)
        let expected = [
            try standing.run([TinyModel.promptA + [5, 6, 8]]).logits, try model.run([TinyModel.promptB + [7, 9]]).logits
        ]
        for (session, expected) in zip(sessions, expected) {
            #expect(try distance(session.logits, expected.squeezed(0)) < 1e-4)
        }
    }

    @Test("a token or a length that does not fit is refused before anything is read")
    func refusals() throws {
        let model = try TinyModel("llama").model
        var sessions = [
            try DecodingSession(model, prompt: [1]),
            try DecodingSession(model, prompt: Array(repeating: 1, count: model.architecture.contextLength))
        ]
        #expect(throws: ModelError.self) { try DecodingSession.append([1, 1], to: &sessions) }
        sessions.removeLast()
        #expect(throws: ModelError.self) { try DecodingSession.append([1_000_000], to: &sessions) }
        #expect(sessions[0].length == 1)
        var none: [DecodingSession] = []
        try DecodingSession.append([], to: &none)
    }
}
