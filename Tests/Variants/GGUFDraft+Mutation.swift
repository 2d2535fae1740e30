import SutureTestSupport

extension GGUFDraft {
    /// Keys that could be there, and mean something elsewhere.
    private static let otherKeys = [
        "attention.scale", "expert_count", "attention.sliding_window", "rope.scaling.type", "rope.scaling.factor",
        "rope.scale_linear", "rope.dimension_count", "attention.key_length", "attention.value_length",
        "tensor_data_layout", "final_logit_softcapping", "attention.causal", "vocab_size", "logit_scale", "unheard_of"
    ]

    /// Puts one thing wrong, and says what.
    mutating func mutate(_ random: inout some RandomNumberGenerator) -> String {
        if metadata.isEmpty || tensors.isEmpty { return "nothing" }
        return Int.random(in: 0..<5, using: &random) < 3 ? mutateMetadata(&random) : mutateTensor(&random)
    }

    private mutating func mutateMetadata(_ random: inout some RandomNumberGenerator) -> String {
        let at = Int.random(in: 0..<metadata.count, using: &random)
        let key = metadata[at].key
        let value = Field.hostile.randomElement(using: &random) ?? .size(0)
        switch Int.random(in: 0..<10, using: &random) {
        case 0:
            metadata.remove(at: at)
            return "no \(key)"
        case 1:
            metadata.append((key, value))
            return "\(key) twice"
        case 2:
            let family = metadata[0].key == "general.architecture" ? ["llama", "qwen2", "gpt2"] : ["llama"]
            let other =
                (family.randomElement(using: &random) ?? "") + "."
                + (Self.otherKeys.randomElement(using: &random) ?? "")
            metadata.append((other, value))
            return "\(other) = \(value.brief)"
        case 3:
            let other = metadata.randomElement(using: &random)?.field ?? value
            metadata[at].field = other
            return "\(key) = \(other.brief), which is another's"
        case 4...6:
            guard let array = metadata.indices.filter({ metadata[$0].field.isArray }).randomElement(using: &random)
            else { return "nothing" }
            return "\(metadata[array].key): " + metadata[array].field.mutateElements(&random)
        default:
            metadata[at].field = value
            return "\(key) = \(value.brief)"
        }
    }

    private mutating func mutateTensor(_ random: inout some RandomNumberGenerator) -> String {
        let at = Int.random(in: 0..<tensors.count, using: &random)
        let name = tensors[at].name
        switch Int.random(in: 0..<8, using: &random) {
        case 0:
            tensors.remove(at: at)
            return "no \(name)"
        case 1:
            tensors[at].name = tensors.randomElement(using: &random)?.name ?? ""
            return "\(name) is called \(tensors[at].name)"
        case 2:
            let odd = [
                "", ".", "weight", "token_embd", "blk.01.attn_q.weight", "blk.7.attn_q.weight", "blk..attn_q.weight",
                "blk.-1.attn_k.weight", "blk.attn_q.weight", "blk.0.attn_q.scale", "rope_freqs.weight",
                "output.bias", "blk.9223372036854775808.attn_q.weight", "token_embd.weight.weight",
                "blk.0.output.weight"
            ]
            tensors[at].name = odd.randomElement(using: &random) ?? ""
            return "\(name) is called \"\(tensors[at].name)\""
        case 3:
            var added = tensors[at]
            let others = ["blk.0.attn_q.bias", "blk.0.attn_output.bias", "blk.2.attn_k.weight", "rope_freqs.weight"]
            added.name = others.randomElement(using: &random) ?? ""
            tensors.append(added)
            return "\(added.name) is there too, with the data of \(name)"
        case 4:
            let other = Int.random(in: 0..<tensors.count, using: &random)
            (tensors[at].name, tensors[other].name) = (tensors[other].name, tensors[at].name)
            return "\(name) and \(tensors[at].name) in each other's place"
        case 5:
            tensors[at].type = [0, 1, 2, 3, 6, 8, 12, 14, 16, 24, 26, 28, 30, 99].randomElement(using: &random) ?? 0
            return "\(name) of type \(tensors[at].type)"
        case 6:
            let value = [Float.nan, .infinity, 0, 1e38, -1e38].randomElement(using: &random) ?? 0
            let bytes = Self.bytes(value.bitPattern)
            tensors[at].bytes =
                (0..<tensors[at].bytes.count / 4).flatMap { _ in bytes }
                + tensors[at].bytes.suffix(tensors[at].bytes.count % 4)
            return "\(name) all \(value)"
        default:
            return "\(name): " + tensors[at].reshape(&random)
        }
    }
}

extension GGUFDraft.Tensor {
    /// Another shape, with data for it where that is not much.
    fileprivate mutating func reshape(_ random: inout some RandomNumberGenerator) -> String {
        let count = sizes.reduce(1, &*)
        switch Int.random(in: 0..<8, using: &random) {
        case 0: sizes = []
        case 1: sizes = [count]
        case 2: sizes.reverse()
        case 3: sizes.append(1)
        case 4: sizes.insert(1, at: 0)
        case 5: sizes[0] = [0, 1, 2, 1 << 31, 1 << 62, 1 << 63, .max].randomElement(using: &random) ?? 0
        case 6: sizes[sizes.count - 1] += 1
        default: sizes[sizes.count - 1] = max(1, sizes[sizes.count - 1] / 2)
        }
        let values = sizes.reduce(into: 1.0) { $0 *= Double($1) }
        if values < 65_536 {
            let needed = type == 0 ? Int(values) * 4 : Int(values) / 32 * 34
            bytes = (0..<needed).map { bytes.isEmpty ? 0 : bytes[$0 % bytes.count] }
        }
        return "sizes \(sizes)"
    }
}

extension GGUFDraft.Field {
    fileprivate var isArray: Bool { if case .array = self { true } else { false } }

    fileprivate var brief: String {
        switch self {
        case .value(let type, let bytes): "type \(type) \(bytes.prefix(16))"
        case .array(let type, let elements): "\(elements.count) of type \(type)"
        }
    }

    fileprivate mutating func mutateElements(_ random: inout some RandomNumberGenerator) -> String {
        guard case .array(let type, var elements) = self, !elements.isEmpty else { return "nothing" }
        defer { self = .array(type: type, elements) }
        let (at, other) = (
            Int.random(in: 0..<elements.count, using: &random), Int.random(in: 0..<elements.count, using: &random)
        )
        switch Int.random(in: 0..<6, using: &random) {
        case 0:
            elements.removeLast()
            return "one less"
        case 1:
            elements.append(elements[at])
            return "element \(at) again at the end"
        case 2:
            elements[at] = elements[other]
            return "element \(at) is \(other) again"
        case 3:
            elements = []
            return "empty"
        case 4:
            elements.swapAt(at, other)
            return "elements \(at) and \(other) in each other's place"
        default:
            let texts = ["", " ", "a b c", "  ", "\u{0}", "▁", "<0x41>", "<0xZZ>", String(repeating: "ab", count: 3000)]
            let numbers: [UInt32] = [0, 1, 2, 3, 4, 6, 99, .max, Float.nan.bitPattern, Float.infinity.bitPattern]
            elements[at] =
                type == 8
                ? GGUFDraft.bytes(text: texts.randomElement(using: &random) ?? "")
                : GGUFDraft.bytes(numbers.randomElement(using: &random) ?? 0)
            return "element \(at) is \(elements[at].prefix(24))"
        }
    }
}
