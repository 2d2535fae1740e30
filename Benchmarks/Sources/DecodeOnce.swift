import ArgumentParser
import Foundation
import SutureFormats
import SutureModels
import SutureTensor
import SutureTokenizers

/// The process that ``Decode`` starts afresh for each round; prints a ``DecodeReport``.
struct DecodeOnce: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "decode-once", shouldDisplay: false)

    @OptionGroup var options: DecodingOptions

    func run() throws {
        Runtime.threads = options.threads
        let checkpoint = try Checkpoint(URL(filePath: options.model))
        let prompt = try Tokenizer(checkpoint).encode(options.prompt).ids
        let model = try LanguageModel.load(checkpoint)
        var times: [Date] = []
        let tokens = try Tensor.withoutGradients {
            try model.generate(prompt, limit: options.tokens) { _ in
                times.append(Date())
                return false
            }
        }
        guard let first = times.first, let last = times.last, times.count > 1 else {
            throw ValidationError("the prompt leaves no room for two tokens")
        }
        let report = DecodeReport(
            firstTokenAt: first.timeIntervalSince1970,
            tokensPerSecond: Double(times.count - 1) / last.timeIntervalSince(first),
            peakMegabytes: peakMegabytes(), tokens: tokens)
        print(String(decoding: try JSONEncoder().encode(report), as: UTF8.self))
    }

    /// The most memory this process had in use.
    private func peakMegabytes() -> Double {
        let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
        let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
        let kilobytes = line?.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Double($0) }
        return (kilobytes ?? .nan) / 1024
    }
}

extension Tokenizer {
    convenience init(_ checkpoint: Checkpoint) throws {
        if let gguf = checkpoint.gguf {
            try self.init(gguf: gguf)
        } else {
            try self.init(snapshot: checkpoint.url)
        }
    }
}
