import SutureFormats

/// What several patches do to one tensor, brought together by TIES or DARE, piece by piece.
struct MergedTensor {
    /// What one patch does to the tensor.
    struct Part {
        let patch: String
        let terms: [EditSum.Term]
        /// The magnitude from which TIES keeps elements.
        var threshold: Float = 0
        /// The state from which DARE draws.
        var seed: UInt64 = 0
    }

    let sum: EditSum
    private(set) var parts: [Part]
    private let mode: Combination.Mode

    init(grouping sum: EditSum) {
        self.sum = sum
        mode = .sum
        var parts: [Part] = []
        // Terms are in the order of their patches' ids.
        for term in sum.terms {
            if parts.last?.patch == term.patch { continue }
            parts.append(Part(patch: term.patch, terms: sum.terms.filter { $0.patch == term.patch }))
        }
        self.parts = parts
    }

    init(_ sum: EditSum, mode: Combination.Mode) throws {
        let grouped = MergedTensor(grouping: sum)
        var parts = grouped.parts
        for index in parts.indices {
            switch mode {
            case .ties(let density): parts[index].threshold = try grouped.threshold(of: parts[index], density: density)
            case .dare(_, let seed):
                let name = sum.terms.first?.edit.tensor ?? ""
                let digest = Digest.sha256(Array("\(seed) \(parts[index].patch) \(name)".utf8))
                parts[index].seed = UInt64(digest.prefix(16), radix: 16) ?? 0
            default: break
            }
        }
        self.init(sum: sum, parts: parts, mode: mode)
    }

    private init(sum: EditSum, parts: [Part], mode: Combination.Mode) {
        self.sum = sum
        self.parts = parts
        self.mode = mode
    }

    /// What one patch adds to some elements.
    func values(of part: Part, _ range: Range<Int>) throws -> [Double] {
        var values = [Double](repeating: 0, count: range.count)
        try values.withUnsafeMutableBufferPointer { values in
            for term in part.terms {
                try term.edit.delta.add(term.scale, of: range, shape: sum.shape, to: values)
            }
        }
        return values
    }

    /// What all of them together add.
    func values(_ range: Range<Int>) throws -> [Float] {
        var total = [Double](repeating: 0, count: range.count)
        let changes = try parts.map { try kept($0, range) }
        for values in changes { for index in total.indices { total[index] += values[index] } }
        guard case .ties = mode else { return total.map { Float($0) } }
        return total.indices.map { index in
            let agreeing = changes.map { $0[index] }.filter { total[index] > 0 ? $0 > 0 : $0 < 0 }
            return total[index] == 0 ? 0 : Float(agreeing.reduce(0, +) / Double(agreeing.count))
        }
    }

    /// What is left of a patch's changes.
    private func kept(_ part: Part, _ range: Range<Int>) throws -> [Double] {
        var values = try values(of: part, range)
        switch mode {
        case .ties:
            for index in values.indices where Float(values[index]).magnitude < part.threshold { values[index] = 0 }
        case .dare(let drop, _):
            for index in values.indices where values[index] != 0 {
                let draw = Self.draw(part.seed, range.lowerBound + index)
                values[index] = draw < drop ? 0 : values[index] / (1 - drop)
            }
        default: break
        }
        return values
    }

    /// A number in 0..<1 for each element, by SplitMix64, so that no order of work changes it.
    private static func draw(_ seed: UInt64, _ element: Int) -> Double {
        var mixed = seed &+ (UInt64(element) &+ 1) &* 0x9E37_79B9_7F4A_7C15
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return Double((mixed ^ (mixed >> 31)) >> 11) * 0x1p-53
    }

    /// The least magnitude among the largest `density` of all elements, found by the bits: first the upper, then the lower.
    private func threshold(of part: Part, density: Double) throws -> Float {
        let count = sum.shape.reduce(1, *)
        var wanted = Int((density * Double(count)).rounded(.up))
        func place(_ shift: UInt32, above prefix: UInt32?) throws -> UInt32 {
            var histogram = [Int](repeating: 0, count: 1 << 16)
            try EditWriter.forEachChunk(of: count) { range in
                for value in try values(of: part, range) {
                    let bits = Float(value).magnitude.bitPattern
                    if let prefix, bits >> 16 != prefix { continue }
                    histogram[Int(bits >> shift & 0xFFFF)] += 1
                }
            }
            for bin in histogram.indices.reversed() {
                if histogram[bin] >= wanted { return UInt32(bin) }
                wanted -= histogram[bin]
            }
            return 0
        }
        let upper = try place(16, above: nil)
        return Float(bitPattern: upper << 16 | (try place(0, above: upper)))
    }

    /// What the elements were before, where some patch changes them; zeros elsewhere.
    func storedOriginal(_ range: Range<Int>) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: range.count * sum.type.width)
        try bytes.withUnsafeMutableBytes { try sum.restore(range, in: $0) }
        return bytes
    }
}
