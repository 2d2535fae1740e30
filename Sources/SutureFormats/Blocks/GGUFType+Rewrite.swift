extension GGUFType {
    /// Puts other values into a block, as near as it can hold them.
    ///
    /// Values that stay keep their bits: the others then get the nearest of the block's levels. Only where three quarters of
    /// them or more change, and that comes nearer, the block gets new scales, and all of its values are rounded anew.
    ///
    /// - Parameters:
    ///   - block: one block, as stored.
    ///   - values: what it is to hold, as many values as it has; those that change are finite.
    /// - Throws: ``FormatError`` for a type that is not one of weights.
    package func rewrite(_ block: UnsafeMutableRawBufferPointer, to values: UnsafeBufferPointer<Float>) throws {
        guard let form = BlockForm(self) else {
            switch self {
            case .f32: block.storeBytes(of: values[0].bitPattern.littleEndian, as: UInt32.self)
            case .f16: block.storeBytes(of: values[0].float16.littleEndian, as: UInt16.self)
            case .bf16: block.storeBytes(of: values[0].bfloat16.littleEndian, as: UInt16.self)
            default: throw FormatError(.unknownType, "tensors of type \(name) are not weights", found: name)
            }
            return
        }
        let before = try self.values(of: .init(block))
        let changed = before.indices.filter { before[$0].differs(from: values[$0]) }
        if changed.isEmpty { return }
        var best = Array(block)
        try best.withUnsafeMutableBytes { try keepScales(of: $0, to: values, changed, form) }
        if 4 * changed.count >= 3 * blockLength {
            var fresh = [UInt8](repeating: 0, count: blockWidth)
            fresh.withUnsafeMutableBytes { fill($0, with: values, form) }
            if try distance(of: fresh, to: values) < distance(of: best, to: values) { best = fresh }
        }
        block.copyBytes(from: best)
    }

    /// What a block holds.
    func values(of block: UnsafeRawBufferPointer) throws -> [Float] {
        try [Float](unsafeUninitializedCapacity: blockLength) { buffer, count in
            try dequantize(block, into: UnsafeMutableBufferPointer(rebasing: buffer[..<blockLength]))
            count = blockLength
        }
    }

    private func distance(of block: [UInt8], to values: UnsafeBufferPointer<Float>) throws -> Double {
        try zip(block.withUnsafeBytes { try self.values(of: $0) }, values).reduce(0) { sum, pair in
            let distance = Double(pair.0) - Double(pair.1)
            return sum + distance * distance
        }
    }

    /// Gives some values the nearest of the levels that the block has.
    private func keepScales(
        of block: UnsafeMutableRawBufferPointer, to values: UnsafeBufferPointer<Float>, _ changed: [Int],
        _ form: BlockForm
    ) throws {
        // What the lowest and the highest level are worth in each place says what scale and minimum are there.
        func worth(of level: Int) throws -> [Float] {
            var scratch = Array(block)
            return try scratch.withUnsafeMutableBytes { scratch in
                let writer = BlockWriter(type: self, bytes: scratch)
                for index in changed { writer.putLevel(level, of: index) }
                return try self.values(of: .init(scratch))
            }
        }
        let last = form.levels.count - 1
        let (low, high) = (try worth(of: 0), try worth(of: last))
        let writer = BlockWriter(type: self, bytes: block)
        for index in changed {
            let (first, span) = (form.value(at: 0), form.value(at: last) - form.value(at: 0))
            let scale = (Double(high[index]) - Double(low[index])) / span
            let minimum = scale * first - Double(low[index])
            writer.putLevel(form.level(of: Double(values[index]), scale, minimum), of: index)
        }
    }

    /// Writes a block of zeros anew.
    private func fill(
        _ block: UnsafeMutableRawBufferPointer, with values: UnsafeBufferPointer<Float>, _ form: BlockForm
    ) {
        let writer = BlockWriter(type: self, bytes: block)
        let parts = stride(from: 0, to: blockLength, by: form.partLength).map {
            UnsafeBufferPointer(rebasing: values[$0..<$0 + form.partLength])
        }
        let fits = parts.map { BlockFit($0, form) }
        /// A float16 number as it is read again.
        func stored(_ value: Double) -> Double { Double(Float(float16: Float(value).float16)) }
        func put(_ scale: Double, minimum: Double) {
            writer.put(Float(scale), at: form.scale)
            if let place = form.minimum {
                writer.put(Float(place.isSubtracted ? minimum : -minimum), at: place.offset)
            }
        }
        func levels(_ part: Int, _ scale: Double, _ minimum: Double) {
            for (index, value) in parts[part].enumerated() {
                writer.putLevel(
                    form.level(of: Double(value), scale, minimum), of: part * form.partLength + index)
            }
        }
        guard let range = form.partScales else {
            put(fits[0].scale, minimum: fits[0].minimum)
            levels(0, stored(fits[0].scale), stored(fits[0].minimum))
            return
        }
        // The largest scale takes the largest integer: of those below zero there is one more.
        let end = Double(range.lowerBound < 0 ? range.lowerBound : range.upperBound)
        let largest = fits.map(\.scale).max { $0.magnitude < $1.magnitude } ?? 0
        let unit = (scale: stored(largest / end), minimum: stored((fits.map(\.minimum).max() ?? 0) / end))
        put(largest / end, minimum: (fits.map(\.minimum).max() ?? 0) / end)
        func whole(_ value: Double, _ unit: Double) -> Int {
            unit == 0 ? 0 : Int(min(max((value / unit).rounded(), Double(range.lowerBound)), Double(range.upperBound)))
        }
        for (part, fit) in fits.enumerated() {
            let scale = whole(fit.scale, unit.scale)
            let minimum = form.minimum == nil ? 0 : whole(fit.minimum, unit.minimum)
            writer.putPart(part, scale: scale, minimum: minimum)
            levels(part, unit.scale * Double(scale), unit.minimum * Double(minimum))
        }
    }
}

extension Float {
    /// Whether it is another number: what is none stays none.
    package func differs(from other: Float) -> Bool { self != other && !(isNaN && other.isNaN) }
}
