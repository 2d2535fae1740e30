import Foundation
import SutureKit

extension GenerateCommand {
    /// Asks whether to repair where somebody is there to answer; else says how to. Returns whether it was repaired.
    func offerRepair(after prompt: String, expecting expected: String) throws -> Bool {
        guard isatty(STDIN_FILENO) == 1, isatty(STDERR_FILENO) == 1, self.prompt != "-", patch.isEmpty else {
            let isWhole = scale == 1 && patch.allSatisfy { $0.scale == 1 }
            let patches = isWhole ? patch.map { " --patch=\(quoted($0.path))" }.joined() : ""
            let which = isWhole || patch.isEmpty ? "" : " (of the model with these patches applied)"
            note(
                "repair it\(which): suture repair \(quoted(model.model))\(chatting.chat ? " --chat" : "")\(patches) --prompt=\(quoted(prompt)) "
                    + "--expected=\(quoted(expected)) -o fix.safetensors")
            return false
        }
        try FileHandle.standardError.write(
            contentsOf: Data("Repair it? A file for the patch, or nothing for no: ".utf8))
        guard let file = readLine()?.trimmingCharacters(in: .whitespaces), !file.isEmpty else {
            return false
        }
        let repair = try RepairCommand.parse(
            [model.model, "--prompt=\(prompt)", "--expected=\(expected)", "--output=\(file)"] + modelFlags)
        try repair.run()
        return true
    }

    private var modelFlags: [String] {
        model.arguments + (chatting.chat ? ["--chat"] : [])
            + (printing.threads.map { ["--threads=\($0)"] } ?? [])
    }

    /// A word as a shell takes it.
    private func quoted(_ word: String) -> String {
        let escaped = word.replacing("\\", with: "\\\\").replacing("'", with: "\\'").replacing("\n", with: "\\n")
        return escaped == word ? "'\(word)'" : "$'\(escaped)'"
    }
}
