import Foundation
import SutureFormats
import SutureTokenizers

/// The ids of texts and the text of these, as JSON: `suture-tokens TOKENIZER.json|MODEL.gguf TEXTS.json`, for
/// conformance.py and llama.py.
struct Line: Encodable {
    var ids: [Int]
    var text: String
}

do {
    let arguments = CommandLine.arguments
    guard arguments.count == 3 else {
        FileHandle.standardError.write(Data("usage: suture-tokens TOKENIZER.json|MODEL.gguf TEXTS.json\n".utf8))
        exit(2)
    }
    let url = URL(filePath: arguments[1])
    let tokenizer =
        try url.pathExtension == "gguf" ? Tokenizer(gguf: GGUFFile(url)) : Tokenizer(tokenizerJSON: url)
    let texts = try JSONDecoder().decode([String].self, from: Data(contentsOf: URL(filePath: arguments[2])))
    let lines = texts.map { text in
        let ids = tokenizer.encode(text, specials: .asConfigured).ids
        return Line(ids: ids, text: tokenizer.decode(ids))
    }
    FileHandle.standardOutput.write(try JSONEncoder().encode(lines))
} catch {
    FileHandle.standardError.write(Data("error: \(error)\n".utf8))
    exit(4)
}
