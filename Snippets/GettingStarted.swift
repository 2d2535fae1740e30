//! Repairs a wrong answer, keeps the change as a file, and asks the patched model again.

import Foundation
import SutureKit

// snippet.repair
let checkpoint = try Checkpoint(URL(filePath: "model"))
let tokenizer = try Tokenizer(checkpoint)
let model = try LanguageModel.load(checkpoint)

let repair = try Repair(model, tokenizer)
let failure = Failure(prompt: "The capital of Australia is", expected: " Canberra")
let result = try repair.run([failure], modelName: "model")
print(try Report(result.report).terminal())

let patch = try result.patch(of: checkpoint, model.architecture)
try patch.write(to: URL(filePath: "fix.safetensors"))
// snippet.end

// snippet.load
let patched = try PatchedCheckpoint(checkpoint).adding([AppliedPatch(patch)])
let fixed = try LanguageModel.load(checkpoint, replacing: patched.data)
let answer = try fixed.generate(tokenizer.encode(failure.prompt).ids, limit: 8)
print(tokenizer.decode(answer))
// snippet.end
