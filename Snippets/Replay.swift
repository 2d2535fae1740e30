//! Records a run once and asks of every MLP what becomes of the answer without it.

import Foundation
import SutureKit

let checkpoint = try Checkpoint(URL(filePath: "model"))
let model = try LanguageModel.load(checkpoint)
let ids = try Tokenizer(checkpoint).encode("The capital of Australia is").ids

// snippet.trace
let trace = try model.trace([ids], capturing: [.mlpHidden(20)])
let answer = Int(try trace.logits.argmax().item())
let hidden = try trace[.mlpHidden(20)]  // [1, positions, hidden width]
// snippet.end
print(hidden.shape)

// snippet.ablate
let ablations = (0..<model.architecture.layers).map { layer in
    Alternative([Intervention(.mlpOut(layer), at: .last, .scale(0))])
}
let probabilities = try trace.replay(ablations).logits.softmax()  // [layers, vocabulary]
for layer in 0..<model.architecture.layers {
    print(layer, try probabilities.selected(0, layer).selected(0, answer).item())
}
// snippet.end

// snippet.edit
let neuron = Neuron(layer: 20, index: 711)
let edit = NeuronEdit(neuron, delta: try model.writeVector(neuron) * -1)
let silenced = try trace.replay([Alternative(edits: [edit])]).logits
// snippet.end
print(silenced.shape)
