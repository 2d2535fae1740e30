//! Learns a direction that carries an answer, and judges it on prompts that it was not learned from.

import Foundation
import SutureKit

let checkpoint = try Checkpoint(URL(filePath: "model"))
let tokenizer = try Tokenizer(checkpoint)
let model = try LanguageModel.load(checkpoint)

// snippet.pairs
let train = try IOI(.train, tokenizer).balanced(200, seed: 1).map { try TokenizedPair($0, tokenizer) }
let heldOut = try IOI(.heldOut, tokenizer).swapped(300, seed: 2).map { try TokenizedPair($0, tokenizer) }
// snippet.end

// snippet.learn
let location = Location(.mlpHidden(20))
let runs = try PairedRuns(model, train, at: [location])
let direction = try DAS().train(runs, at: location)
let judged = try PairedRuns(model, heldOut, at: [location])
let score = Score(try judged.outputs(direction.patch), clean: try judged.clean(), pairs: heldOut)
// snippet.end

print(score)
