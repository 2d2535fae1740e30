import Foundation
import SutureKit

extension Failure {
    /// The failures or cases that a command is given: in a file, or by standard input for `-`.
    static func read(path: String, chat: ChatFormat?, needingAnswers: Bool = true) throws -> [Failure] {
        guard path == "-" else { return try read(URL(filePath: path), chat: chat, needingAnswers: needingAnswers) }
        return try read(try readInput(), name: "standard input", chat: chat, needingAnswers: needingAnswers)
    }
}
