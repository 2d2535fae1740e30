import Foundation
import SutureFormats
import SutureModels
import SutureTensor
import SutureTokenizers

/// A model that may be wrong, used as commands use it.
struct Use {
    let url: URL
    /// A place for its conversion.
    let spare: URL

    init(of url: URL, spare: URL) {
        (self.url, self.spare) = (url, spare)
    }

    /// Reads all data, runs the tokenizer and the network, and does so again with the conversion to a snapshot.
    func model() throws {
        let checkpoint = try Checkpoint(url)
        for tensor in checkpoint.tensors { _ = try checkpoint.data(of: tensor) }
        // A tokenizer that is refused hides nothing of the network.
        let tokenizer = Result { () -> Tokenizer? in
            let hasOne =
                checkpoint.gguf != nil
                || FileManager.default.fileExists(atPath: url.appending(path: "tokenizer.json").path)
            return hasOne ? try Tokenizer(checkpoint) : nil
        }
        if case .success(let found?) = tokenizer { try Self.check(found) }

        let scores = try scores(LanguageModel.load(checkpoint))
        let kept = try tokenizer.get()
        let architecture = try Architecture(checkpoint)
        try checkpoint.writeSnapshot(to: spare, overwriting: true) { directory in
            if checkpoint.gguf != nil { try kept?.write(toSnapshot: directory) }
        }
        do {
            let again = try self.scores(LanguageModel.load(spare))
            guard Self.agree(scores, again, tokens: architecture.contextLength) else {
                throw VariantFault("the conversion computes something else")
            }
            if let kept {
                let text = "Hello world, 12 é"
                let converted = try Tokenizer(snapshot: spare)
                guard converted.encode(text).ids == kept.encode(text).ids else {
                    throw VariantFault("the tokenizer of the conversion makes other tokens")
                }
            }
        } catch let error as any Diagnostic {
            throw VariantFault("the conversion cannot be used: \(error)")
        }
    }

    /// The scores of all next tokens; NaN where the network computes no numbers, as generation then says.
    private func scores(_ model: LanguageModel) throws -> [Float] {
        let (limit, length) = (model.architecture.vocabulary - 1, min(7, model.architecture.contextLength))
        let tokens = [0, limit, 5, 3, 2, limit / 2, 11].prefix(length).map { min($0, limit) }
        let all = try model.run([tokens], logits: .all).logits
        if length > 3 {
            do { _ = try model.generate(Array(tokens.prefix(3)), limit: min(3, length - 3)) } catch let error
                as ModelError
                where error.code == .notFinite
            {}
        }
        return try all.elements(as: Float.self)
    }

    /// Whether two runs gave the same: to the bit, or, for a single token, up to rounding, as the product of a matrix and
    /// one vector depends on where in memory the matrix begins.
    private static func agree(_ first: [Float], _ second: [Float], tokens: Int) -> Bool {
        let rounding = tokens == 1 ? 1e-4 * (first.map { abs($0) }.max() ?? 0) : 0
        return first.count == second.count
            && zip(first, second).allSatisfy {
                $0.bitPattern == $1.bitPattern || $0.isNaN && $1.isNaN || tokens == 1 && abs($0 - $1) <= rounding
            }
    }

    static func check(_ tokenizer: Tokenizer) throws {
        let texts = [
            "", " ", "Hello world 123 é e\u{301} 😀\n \t  x", "<s> <|endoftext|>▁▁ </s>",
            String(repeating: "ab ", count: 500),
            String(repeating: "a", count: 2000)
        ]
        for text in texts {
            let ids = tokenizer.encode(text, specials: .asConfigured).ids
            guard ids.allSatisfy({ (0..<tokenizer.vocabularySize).contains($0) }) else {
                throw VariantFault("a token is out of the vocabulary of \(tokenizer.vocabularySize)")
            }
            _ = tokenizer.decode(ids)
        }
    }
}
