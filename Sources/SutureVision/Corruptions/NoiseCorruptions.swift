import Foundation

/// What a corruption does to one image.
typealias Effect = @Sendable (inout FloatImage, inout RandomStream) throws -> Void

/// Noise that comes to each value by itself.
enum NoiseCorruptions {
    /// x + N(0, deviation²).
    static func gaussian(deviation: Float) -> Effect {
        { image, random in
            image.update { plane in
                let normals = Plane(height: plane.height, width: plane.width, values: random.normals(plane.count))
                plane.update(with: normals) { $0 + 255 * deviation * $1 }
            }
        }
    }

    /// x + x · N(0, deviation²).
    static func speckle(deviation: Float) -> Effect {
        { image, random in
            image.update { plane in
                let normals = Plane(height: plane.height, width: plane.width, values: random.normals(plane.count))
                plane.update(with: normals) { $0 + $0 * deviation * $1 }
            }
        }
    }

    /// Poisson(photons · x) / photons.
    static func shot(photons: Double) -> Effect {
        // A byte has 256 values, so there are so many distributions.
        let counts = (0...255).map { AliasTable(poisson: photons * Double($0) / 255) }
        return { image, random in
            image.update { plane in
                plane.update { Float(Double(counts[Int($0)].draw(&random)) / photons * 255) }
            }
        }
    }

    /// A share of the values becomes black or white, one as often as the other.
    static func impulse(share: Double) -> Effect {
        let limit = UInt64(share * Double(1 << 32))
        return { image, random in
            image.update { plane in
                plane.update { value in
                    let bits = random.next()
                    return bits >> 32 < limit ? (bits & 1 == 0 ? 0 : 255) : value
                }
            }
        }
    }
}

/// Whole numbers drawn with given probabilities in constant time (Walker 1977, Vose 1991).
struct AliasTable: Sendable {
    private struct Cell {
        /// Below it the cell's own number is taken, else the other one.
        var limit: UInt32
        var own, other: Int32
    }
    private let cells: [Cell]

    /// The Poisson distribution, but for what is more than eight deviations from its mean.
    init(poisson mean: Double) {
        let reach = 8 * mean.squareRoot() + 8
        let (first, last) = (max(0, Int(mean - reach)), mean == 0 ? 0 : Int(mean + reach))
        // Relative to the most likely number: mean^k / k!, step by step.
        var weights = Array(repeating: 1.0, count: last - first + 1)
        let mode = Int(mean)
        for count in stride(from: mode + 1, through: last, by: 1) {
            weights[count - first] = weights[count - first - 1] * mean / Double(count)
        }
        for count in stride(from: mode - 1, through: first, by: -1) {
            weights[count - first] = weights[count - first + 1] * Double(count + 1) / mean
        }
        self.init(weights, first: first)
    }

    private init(_ weights: [Double], first: Int) {
        let scale = Double(weights.count) / weights.reduce(0, +)
        var shares = weights.map { $0 * scale }
        var cells = weights.indices.map { Cell(limit: .max, own: Int32(first + $0), other: Int32(first + $0)) }
        var small = shares.indices.filter { shares[$0] < 1 }
        var large = shares.indices.filter { shares[$0] >= 1 }
        while let poor = small.popLast(), let rich = large.last {
            cells[poor].limit = UInt32(min(shares[poor] * 0x1p32, 0x1p32 - 1))
            cells[poor].other = cells[rich].own
            shares[rich] -= 1 - shares[poor]
            if shares[rich] < 1 {
                large.removeLast()
                small.append(rich)
            }
        }
        self.cells = cells
    }

    @inline(__always)
    func draw(_ random: inout RandomStream) -> Int32 {
        cells.withUnsafeBufferPointer { cells in
            let bits = random.next()
            let cell = cells[Int(((bits >> 32) * UInt64(cells.count)) >> 32)]
            return UInt32(truncatingIfNeeded: bits) < cell.limit ? cell.own : cell.other
        }
    }
}
