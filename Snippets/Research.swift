//! Looks into a model: what parts write, what heads attend to, what changes when they are switched off or steered.

import Foundation
import SutureKit

// snippet.load
let checkpoint = try Checkpoint(URL(filePath: "model"))
let tokenizer = try Tokenizer(checkpoint)
let model = try LanguageModel.load(checkpoint)
let prompt = tokenizer.encode("When Mary and John went to the store, John gave a drink to").ids
// snippet.end

// snippet.lens
let lens = try Lens(
    model, Prompt("The capital of France is"), answer: " Paris", less: " Rome", tokenizer, modelName: "model")
print(lens.settledLayer ?? -1, lens.attribution.heads?[23][4] ?? 0)
let residual = try model.run([prompt], capturing: [.residual(20)])[.residual(20)]  // [1, positions, width]
let saidThere = try model.logits(ofResidual: residual).argmax()  // [1, positions]
// snippet.end
print(try saidThere.ints())

// snippet.attention
let pattern = try model.attentionPattern(prompt, layer: 23)  // [heads, queries, keys]
// snippet.end
print(pattern.shape)

// snippet.activations
try model.record([prompt], at: [.residual(15), .mlpHidden(20)], to: URL(filePath: "activations.safetensors"))
// snippet.end

// snippet.heads
let withoutHead = try model.intervening([Intervention(.head(layer: 23, index: 4), .scale(0))])
let answer = try withoutHead.generate(prompt, limit: 8)
// snippet.end
print(tokenizer.decode(answer))

// snippet.steering
let vector = try SteeringVectors(contentsOf: URL(filePath: "v.safetensors"))
let steered = try model.generate(
    prompt, limit: 8, sampling: Sampling(temperature: 0.8, topP: 0.95, seed: 7),
    [vector.steering(model, at: .residual(15), strength: 4)])
// snippet.end
print(tokenizer.decode(steered))

// snippet.steer
let texts = try ContrastPair.read(URL(filePath: "moods.jsonl")).map { try $0.tokens(tokenizer) }
let steering = try Steering(texts, of: model, by: .mean, layers: [15])
let happy = try steering.patch(of: checkpoint, method: .init(name: "steer"))
try happy.write(to: URL(filePath: "happy.safetensors"))
let happier = try PatchedCheckpoint(checkpoint).adding([AppliedPatch(happy, scale: 1.5)])
let cheerful = try LanguageModel.load(checkpoint, replacing: happier.data)
// snippet.end
print(tokenizer.decode(try cheerful.generate(prompt, limit: 8)))

// snippet.metric
let pair = try TokenizedPair(
    PromptPair(
        base: Prompt("The capital of France is"), source: Prompt("The capital of Italy is"), answer: " Paris",
        other: " Rome"), tokenizer)
let sweep = try Sweep(model, pair, .init(.divergence))
print(try sweep.positions(.residual))
// Any other metric: replays of the recorded run give the scores.
let ablations = (0..<model.architecture.layers).map {
    Alternative([Intervention(.attentionOut($0), at: .last, .scale(0))])
}
let scores = try sweep.trace.replay(ablations).logits  // [layers, vocabulary]
let entropy = try scores.softmax() * scores.logSoftmax() * -1
print(try entropy.sum([1]).floats())
// snippet.end
