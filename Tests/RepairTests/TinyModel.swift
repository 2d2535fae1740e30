import Foundation
import SutureFormats
import SutureModels
import SutureTestSupport
import SutureTokenizers

/// The tiny model of `TinySnapshot`, loaded, after its files may have been changed.
func tinyModel(_ change: (URL) throws -> Void = { _ in }) throws -> (LanguageModel, Tokenizer) {
    try withTemporaryDirectory { directory in
        try TinySnapshot.write(to: directory)
        try change(directory)
        let checkpoint = try Checkpoint(directory)
        return (try LanguageModel.load(checkpoint), try Tokenizer(checkpoint))
    }
}
