import Foundation
import SutureFormats

extension Tokenizer {
    /// Writes what a GGUF file has beside its vocabulary: the chat template, and where generation stops.
    ///
    /// - Throws: `FormatError` if a file cannot be written or the template is no text.
    public func writeGenerationFiles(of file: GGUFFile, toSnapshot directory: URL) throws {
        if file.metadata["tokenizer.chat_template"] != nil {
            let template = try file.string("tokenizer.chat_template")
            try AtomicFile.write(Array(template.utf8), to: directory.appending(path: "chat_template.jinja"))
        }
        guard roles.stops.count > 1 else { return }
        let stops: JSON = ["eos_token_id": .array(roles.stops.sorted().map { JSON($0) })]
        try AtomicFile.write(stops.serialized(pretty: true), to: directory.appending(path: "generation_config.json"))
    }
}
