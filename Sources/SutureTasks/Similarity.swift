import Foundation

/// How alike two sequences are, from 0 to 1.
public enum Similarity {
    /// ROUGE-L (Lin 2004): F1 of the longest common subsequence, 2 lcs / (answer + reference); 0 where one is empty.
    public static func rougeL<Word: Hashable>(_ answer: [Word], _ reference: [Word]) -> Double {
        guard !answer.isEmpty, !reference.isEmpty else { return 0 }
        var row = [Int](repeating: 0, count: reference.count + 1)
        for word in answer {
            var diagonal = 0
            for (index, other) in reference.enumerated() {
                let above = row[index + 1]
                row[index + 1] = word == other ? diagonal + 1 : max(above, row[index])
                diagonal = above
            }
        }
        return 2 * Double(row[reference.count]) / Double(answer.count + reference.count)
    }

    /// ROUGE-L of the words of two texts.
    public static func rougeL(_ answer: String, _ reference: String, _ tokenization: WordTokenization = .v13a) -> Double
    {
        rougeL(tokenization.exactWords(answer), tokenization.exactWords(reference))
    }

    /// 1 - d / max length, d the Levenshtein distance in Unicode scalars; 1 for two empty texts.
    public static func edit(_ answer: String, _ reference: String) -> Double {
        let (answer, reference) = (Array(answer.unicodeScalars), Array(reference.unicodeScalars))
        let longer = max(answer.count, reference.count)
        guard longer > 0 else { return 1 }
        var row = Array(0...reference.count)
        for (place, scalar) in answer.enumerated() {
            var diagonal = row[0]
            row[0] = place + 1
            for (index, other) in reference.enumerated() {
                let above = row[index + 1]
                row[index + 1] = min(above + 1, row[index] + 1, diagonal + (scalar == other ? 0 : 1))
                diagonal = above
            }
        }
        return 1 - Double(row[reference.count]) / Double(longer)
    }
}

/// exp of the mean negative logarithm of the probabilities that a model gives to tokens.
public func perplexity(logProbabilities: [Double]) -> Double {
    exp(-logProbabilities.reduce(0, +) / Double(max(1, logProbabilities.count)))
}
