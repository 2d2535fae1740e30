import Foundation

/// The middle of images of one size made as large as the whole, by linear interpolation.
///
/// As scipy's `zoom` of order 1: the corner pixels stay at the corners, so the step from pixel to pixel is
/// (old - 1) / (new - 1).
struct MiddleZoom {
    /// Where a row or column of the result lies: between `place` and the next one.
    private struct Spot {
        let place: Int
        let here, next: Float
    }
    private let rows, columns: [Spot]

    init(height: Int, width: Int, factor: Double) {
        rows = Self.spots(height, factor)
        columns = Self.spots(width, factor)
    }

    private static func spots(_ count: Int, _ factor: Double) -> [Spot] {
        let kept = Int((Double(count) / factor).rounded(.up))
        let first = (count - kept) / 2
        let enlarged = Int((Double(kept) * factor).rounded(.toNearestOrEven))
        let step = enlarged > 1 ? Double(kept - 1) / Double(enlarged - 1) : 0
        let cut = max(0, (enlarged - count) / 2)
        return (0..<count).map { index in
            let position = Double(index + cut) * step
            let place = min(Int(position), kept - 1)
            // By a rounding error the last place can lie beyond the last pixel; there scipy finds black.
            if position > Double(kept - 1) { return Spot(place: first + place, here: 0, next: 0) }
            let share = Float(position - Double(place))
            return Spot(place: first + place, here: 1 - share, next: share)
        }
    }

    /// Adds the zoomed plane to another one of the same size.
    func add(_ plane: Plane, to sum: inout Plane) {
        let width = plane.width
        // What lies between two rows; a place more, since the last pixel's neighbour is multiplied by zero.
        var line = [Float](repeating: 0, count: width + 1)
        plane.values.withUnsafeBufferPointer { source in
            sum.values.withUnsafeMutableBufferPointer { sum in
                line.withUnsafeMutableBufferPointer { line in
                    columns.withUnsafeBufferPointer { columns in
                        for (index, row) in rows.enumerated() {
                            let upper = row.place * width
                            let lower = min(row.place + 1, plane.height - 1) * width
                            for column in 0..<width {
                                line[column] = row.here * source[upper + column] + row.next * source[lower + column]
                            }
                            for column in 0..<width {
                                let spot = columns[column]
                                sum[index * width + column] +=
                                    spot.here * line[spot.place] + spot.next * line[spot.place + 1]
                            }
                        }
                    }
                }
            }
        }
    }
}

extension FloatImage {
    /// The image whose pixel i is what lies at row `down[i]` and column `right[i]`, by linear interpolation.
    mutating func resample(down: [Float], right: [Float], _ border: Border) {
        let (height, width) = (height, width)
        let sources = planes
        for channel in planes.indices {
            sources[channel].values.withUnsafeBufferPointer { source in
                planes[channel].values = [Float](unsafeUninitializedCapacity: height * width) { target, initialized in
                    for index in 0..<height * width {
                        let (y, x) = (down[index], right[index])
                        // Down to whole numbers, also below zero.
                        let (row, column) = (Int(y) - (y < 0 ? 1 : 0), Int(x) - (x < 0 ? 1 : 0))
                        let (fromTop, fromLeft) = (y - Float(row), x - Float(column))
                        let upper: Int
                        let lower: Int
                        let first: Int
                        let last: Int
                        if row >= 0, row + 1 < height, column >= 0, column + 1 < width {
                            (upper, lower, first, last) = (row * width, (row + 1) * width, column, column + 1)
                        } else {
                            upper = border.place(row, count: height) * width
                            lower = border.place(row + 1, count: height) * width
                            first = border.place(column, count: width)
                            last = border.place(column + 1, count: width)
                        }
                        let above = source[upper + first] * (1 - fromLeft) + source[upper + last] * fromLeft
                        let below = source[lower + first] * (1 - fromLeft) + source[lower + last] * fromLeft
                        target[index] = above * (1 - fromTop) + below * fromTop
                    }
                    initialized = height * width
                }
            }
        }
    }
}
