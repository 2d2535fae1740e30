// Repairs one wrong answer of a model from end to end:
//
//     swift run RepairExample MODEL "The capital of Australia is" " Canberra"
import Foundation
import SutureKit

let arguments = CommandLine.arguments.dropFirst()
guard let path = arguments.first, arguments.count == 3 else {
    FileHandle.standardError.write(Data("usage: RepairExample MODEL PROMPT EXPECTED\n".utf8))
    exit(2)
}
let failure = Failure(prompt: arguments[2], expected: arguments[3])

let checkpoint = try Checkpoint(URL(filePath: path))
let tokenizer = try Tokenizer(checkpoint)
let model = try LanguageModel.load(checkpoint)
let prompt = tokenizer.encode(failure.prompt).ids
let before = try model.generate(prompt, limit: 8)

let result = try Repair(model, tokenizer).run([failure], modelName: path)
guard result.report.count(.fixed) == 1, result.report.objections.isEmpty else {
    print(try Report(result.report).terminal())
    exit(1)
}
let patch = try result.patch(of: checkpoint, model.architecture)
let patched = try PatchedCheckpoint(checkpoint).adding([AppliedPatch(patch)])
let after = try LanguageModel.load(checkpoint, replacing: patched.data).generate(prompt, limit: 8)

print("before:", failure.prompt + tokenizer.decode(before))
print("after: ", failure.prompt + tokenizer.decode(after))
print("patch: ", patch.id, result.change.neurons.map(\.neuron))
