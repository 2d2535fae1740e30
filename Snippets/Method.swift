//! A repair method of one's own: it raises what one neuron writes for the first wrong token.

import Foundation
import SutureKit

// snippet.method
/// Adds to the write vector of the last layer's most active neuron.
struct Loudest: RepairMethod {
    let name = "loudest"
    var size = 2.0

    static let settings: [MethodSetting<Self>] = [.init("size", "how much is added", 0...100, \.size)]

    func propose(_ run: TeacherForcedRun, with preparation: Void) throws -> Proposal {
        let (failure, model) = (run.failure, run.model)
        guard let place = try model.scores(failure).wrong(failure.answer).first else { return Proposal() }
        let layer = model.architecture.layers - 1
        let hidden = try run.trace.capturing([.mlpHidden(layer)])[.mlpHidden(layer)]
        let index = try hidden.selected(1, failure.prompt.count - 1 + place).argmax(1).ints()[0]
        let delta = try model.embedding(failure.answer[place]) * size
        var proposal = Proposal()
        proposal.change = WeightChange(neurons: [NeuronEdit(Neuron(layer: layer, index: index), delta: delta)])
        return proposal
    }
}
// snippet.end

let checkpoint = try Checkpoint(URL(filePath: "model"))
let tokenizer = try Tokenizer(checkpoint)
let model = try LanguageModel.load(checkpoint)

// snippet.use
let repair = try Repair(model, tokenizer, method: Loudest())
let result = try repair.run([Failure(prompt: "1, 2, 3,", expected: " 4")], modelName: "model")
// snippet.end

print(try Report(result.report).terminal())
