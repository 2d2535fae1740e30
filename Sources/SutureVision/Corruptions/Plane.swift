/// One channel of an image, or a map over it: floats, row after row.
struct Plane {
    let height, width: Int
    var values: [Float]

    init(height: Int, width: Int, values: [Float]) {
        (self.height, self.width, self.values) = (height, width, values)
    }

    init(height: Int, width: Int, filledWith value: Float = 0) {
        self.init(height: height, width: width, values: Array(repeating: value, count: height * width))
    }

    var count: Int { height * width }

    /// Every value changed alike.
    @inline(__always)
    mutating func update(_ change: (Float) -> Float) {
        values.withUnsafeMutableBufferPointer { values in
            for index in values.indices { values[index] = change(values[index]) }
        }
    }

    /// Every value changed by the one of another plane of the same size.
    @inline(__always)
    mutating func update(with other: Plane, _ change: (Float, Float) -> Float) {
        values.withUnsafeMutableBufferPointer { values in
            other.values.withUnsafeBufferPointer { other in
                for index in 0..<min(values.count, other.count) { values[index] = change(values[index], other[index]) }
            }
        }
    }

    /// The part from `top` and `left` on, of the given size.
    func cropped(top: Int = 0, left: Int = 0, height: Int, width: Int) -> Plane {
        if height == self.height, width == self.width { return self }
        let cut = [Float](unsafeUninitializedCapacity: height * width) { target, initialized in
            values.withUnsafeBufferPointer { values in
                for row in 0..<height {
                    let from = (top + row) * self.width + left
                    for column in 0..<width { target[row * width + column] = values[from + column] }
                }
            }
            initialized = height * width
        }
        return Plane(height: height, width: width, values: cut)
    }
}

extension Float {
    /// The nearest whole number, of a half the larger one; for numbers in 0...2^20.
    ///
    /// At 2^23 floats are whole, so adding it rounds; the function of the C library takes longer than all else here.
    @inline(__always)
    var nearest: Float { (self + 0x1p-12) + 0x1p23 - 0x1p23 }
}

/// What is taken to lie beyond the edge of a plane.
enum Border {
    /// The nearest pixel: `a a | a b c | c c`.
    case nearest
    /// A mirror in the edge pixels: `c b | a b c | b a`.
    case mirror
    /// A mirror at the very edge: `b a | a b c | c b`.
    case reflect

    /// The place in 0..<count whose value stands for that at `index`.
    func place(_ index: Int, count: Int) -> Int {
        if index >= 0, index < count { return index }
        if count == 1 { return 0 }
        switch self {
        case .nearest:
            return max(0, min(count - 1, index))
        case .mirror:
            let place = abs(index) % (2 * count - 2)
            return min(place, 2 * count - 2 - place)
        case .reflect:
            let place = (index < 0 ? -1 - index : index) % (2 * count)
            return min(place, 2 * count - 1 - place)
        }
    }
}

/// A neighbour's weight in a sum.
struct Tap {
    let down, right: Int
    let weight: Float
}

extension Plane {
    /// The weighted sums of each pixel's neighbours: out[y, x] = Σ weight · in[y + down, x + right].
    func weighted(_ taps: [Tap], _ border: Border) -> Plane {
        let top = max(0, -(taps.map(\.down).min() ?? 0))
        let bottom = max(0, taps.map(\.down).max() ?? 0)
        let left = max(0, -(taps.map(\.right).min() ?? 0))
        let right = max(0, taps.map(\.right).max() ?? 0)
        let stride = left + width + right
        let source = padded(top: top, bottom: bottom, left: left, right: right, border)
        let offsets = taps.map { (place: ($0.down + top) * stride + $0.right + left, weight: $0.weight) }

        // The sums are taken at each place of a padded row, so that all rows are one run; the rest is cut off.
        let run = height * stride
        let sums = [Float](unsafeUninitializedCapacity: run) { sums, initialized in
            source.withUnsafeBufferPointer { source in
                guard let from = source.baseAddress, let to = sums.baseAddress else { return }
                WeightedSum.run(from, offsets, into: to, count: run)
            }
            initialized = run
        }
        if stride == width { return Plane(height: height, width: width, values: sums) }
        return Plane(height: height, width: stride, values: sums).cropped(height: height, width: width)
    }

    /// The plane with its surroundings, and as many zeros at the end as make every sum of a run defined.
    private func padded(top: Int, bottom: Int, left: Int, right: Int, _ border: Border) -> [Float] {
        let stride = left + width + right
        let rows = top + height + bottom
        let size = rows * stride + left + right
        return [Float](unsafeUninitializedCapacity: size) { target, initialized in
            values.withUnsafeBufferPointer { values in
                for row in 0..<rows {
                    let from = border.place(row - top, count: height) * width
                    let to = row * stride + left
                    for column in 0..<width { target[to + column] = values[from + column] }
                    for column in -left..<0 {
                        target[to + column] = values[from + border.place(column, count: width)]
                    }
                    for column in width..<width + right {
                        target[to + column] = values[from + border.place(column, count: width)]
                    }
                }
            }
            for index in rows * stride..<size { target[index] = 0 }
            initialized = size
        }
    }
}

/// The one inner loop that all filters share.
private enum WeightedSum {
    /// to[i] = Σ weight · from[i + place] for i in 0..<count.
    static func run(
        _ from: UnsafePointer<Float>, _ taps: [(place: Int, weight: Float)], into to: UnsafeMutablePointer<Float>,
        count: Int
    ) {
        taps.withUnsafeBufferPointer { taps in
            var start = 0
            // 32 sums at a time are kept in registers while the taps go by.
            while start + 32 <= count {
                var (a, b, c, d) = (SIMD8<Float>(), SIMD8<Float>(), SIMD8<Float>(), SIMD8<Float>())
                for tap in taps {
                    let source = UnsafeRawPointer(from + start + tap.place)
                    a += tap.weight * source.loadUnaligned(as: SIMD8<Float>.self)
                    b += tap.weight * source.loadUnaligned(fromByteOffset: 32, as: SIMD8<Float>.self)
                    c += tap.weight * source.loadUnaligned(fromByteOffset: 64, as: SIMD8<Float>.self)
                    d += tap.weight * source.loadUnaligned(fromByteOffset: 96, as: SIMD8<Float>.self)
                }
                let target = UnsafeMutableRawPointer(to + start)
                target.storeBytes(of: a, as: SIMD8<Float>.self)
                target.storeBytes(of: b, toByteOffset: 32, as: SIMD8<Float>.self)
                target.storeBytes(of: c, toByteOffset: 64, as: SIMD8<Float>.self)
                target.storeBytes(of: d, toByteOffset: 96, as: SIMD8<Float>.self)
                start += 32
            }
            for index in start..<count {
                var sum: Float = 0
                for tap in taps { sum += tap.weight * from[index + tap.place] }
                to[index] = sum
            }
        }
    }
}
