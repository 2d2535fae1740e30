import Foundation
import SutureFormats

extension Adapter {
    /// The software that an adapter is written for.
    public enum Form: String, Sendable, CaseIterable {
        case peft, mlx, gguf

        /// How it is loaded there, as a line of code or a command.
        ///
        /// - Parameters:
        ///   - adapter: where it was written.
        ///   - base: the model; a word in its place where nobody named it.
        public func loading(_ adapter: String, on base: String?) -> String {
            let base = base ?? "MODEL"
            return switch self {
            case .peft:
                "PeftModel.from_pretrained(model, \"\(adapter)\") on AutoModelForCausalLM.from_pretrained(\"\(base)\")"
            case .mlx: "mlx_lm.generate --model \(base) --adapter-path \(adapter) --prompt PROMPT"
            case .gguf:
                "llama-cli -m \(base.hasSuffix(".gguf") ? base : "MODEL.gguf") --lora \(adapter) -p PROMPT"
            }
        }
    }

    /// Writes it in a form; `base` is the model that the patch is for.
    ///
    /// - Throws: `FormatError` if there is something already or it cannot be written, ``PatchError`` for what the form does
    ///   not hold, and with `needsSnapshot` for `gguf` without a base.
    public func write(_ form: Form, to url: URL, base: Checkpoint?, overwriting: Bool = false) throws {
        switch form {
        case .peft: try writePEFT(to: url, base: base, overwriting: overwriting)
        case .mlx: try writeMLX(to: url, overwriting: overwriting)
        case .gguf:
            guard let base else {
                throw PatchError(.needsSnapshot, "a GGUF adapter has the names of its model's file", expected: "a base")
            }
            try writeGGUF(to: url, base: base, overwriting: overwriting)
        }
    }
}
