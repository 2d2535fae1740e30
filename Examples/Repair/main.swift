// Asks a model, shows where its answer goes wrong, and repairs it:
//
//     swift run RepairExample MODEL "The capital of Australia is" " Canberra"
import Foundation
import SutureKit

let arguments = CommandLine.arguments
guard arguments.count == 4 else {
    print("usage: RepairExample MODEL PROMPT EXPECTED")
    exit(2)
}
let failure = Failure(prompt: arguments[2], expected: arguments[3])
let checkpoint = try Checkpoint(URL(filePath: arguments[1]))
let (model, tokenizer) = (try LanguageModel.load(checkpoint), try Tokenizer(checkpoint))

func write(_ model: LanguageModel) throws {
    var stream = StreamingDecoder(tokenizer)
    print(failure.prompt, terminator: "")
    _ = try model.generate(tokenizer.encode(failure.prompt, specials: .opening).ids, limit: 8) { tokens in
        FileHandle.standardOutput.write(Data(stream.append(tokens[tokens.count - 1]).utf8))
        return false
    }
    print(stream.finish())
}

try write(model)
let tokens = try TokenizedFailure(failure, tokenizer)
let reading = try model.scores(tokens)
if let place = reading.wrong(tokens.answer).first {
    print("wrong:", tokenizer.decode([reading.top[place]]), "for", tokenizer.decode([tokens.answer[place]]))
    let result = try Repair(model, tokenizer).run([failure], modelName: arguments[1])
    print(try Report(result.report).terminal())
    try write(model.applying(result.change))
}
