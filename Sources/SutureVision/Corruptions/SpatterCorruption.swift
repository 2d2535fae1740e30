import Foundation

/// Drops of water or mud on the lens.
enum SpatterCorruption {
    /// The colours of water (pale turquoise) and of mud, in 0...255.
    private static let (water, mud) = ([175, 238, 238] as [Float], [63, 42, 20] as [Float])

    static func effect(_ amount: CorruptionTable.Spatter) -> Effect {
        { image, random in
            let normals = random.normals(image.height * image.width)
            add(Plane(height: image.height, width: image.width, values: normals), amount, to: &image)
        }
    }

    /// - Parameter normals: Random numbers of the standard normal distribution.
    static func add(_ normals: Plane, _ amount: CorruptionTable.Spatter, to image: inout FloatImage) {
        let colour = amount.isMud ? mud : water
        let grey = 0.2989 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]
        let drops = drops(normals, amount)
        let mask = amount.isMud ? mudMask(drops, amount) : waterMask(drops, amount)
        for channel in image.planes.indices {
            let tint = image.isGrey ? grey : colour[channel]
            image.planes[channel].update(with: mask) { value, mask in
                amount.isMud ? value * (1 - mask) + tint * mask : value + tint * mask
            }
        }
    }

    /// Noise, blurred; what is below the threshold is zero.
    static func drops(_ normals: Plane, _ amount: CorruptionTable.Spatter) -> Plane {
        var drops = normals
        drops.update { amount.mean + amount.deviation * $0 }
        drops = drops.blurred(GaussianKernel(deviation: amount.blur, cutOff: 4), .nearest)
        drops.update { $0 < amount.threshold ? 0 : $0 }
        return drops
    }

    /// How much of the mud is seen at each place, 0...1.
    static func mudMask(_ drops: Plane, _ amount: CorruptionTable.Spatter) -> Plane {
        var mask = drops
        mask.update { $0 > amount.threshold ? 1 : 0 }
        mask = mask.blurred(GaussianKernel(deviation: amount.strength, cutOff: 4), .nearest)
        mask.update { $0 < 0.8 ? 0 : $0 }
        return mask
    }

    /// How bright the water is at each place, from 0 to the strength: the drops, lit from one side by the relief that the
    /// distance from their edges makes.
    static func waterMask(_ drops: Plane, _ amount: CorruptionTable.Spatter) -> Plane {
        var layer = drops
        layer.update { 255 * $0 }
        layer = layer.wholeNumbers
        var distance = layer.edges(low: 50, high: 150).distances
        distance.update { min($0, 20) }
        let box = (-1...1).flatMap { down in (-1...1).map { Tap(down: down, right: $0, weight: 1 / Float(9)) } }
        distance = distance.weighted(box, .mirror).wholeNumbers.equalized
        let light: [Float] = [-2, -1, 0, -1, 1, 1, 0, 1, 2]
        let relief = light.enumerated().map { Tap(down: $0 / 3 - 1, right: $0 % 3 - 1, weight: $1) }
        distance = distance.weighted(relief, .mirror).wholeNumbers.weighted(box, .mirror)
        distance.update { $0.nearest }
        layer.update(with: distance) { $0 * $1 }
        let brightest = layer.values.max() ?? 0
        if brightest > 0 { layer.update { $0 / brightest * Float(amount.strength) } }
        return layer
    }
}

extension Plane {
    /// Whether each pixel lies on an edge: Canny's detector (1986) as OpenCV has it, by the sum of the absolute slopes.
    func edges(low: Float, high: Float) -> EdgeMap {
        let (right, down) = (slope(across: true), slope(across: false))
        // A ring of zeros, so that every pixel has neighbours.
        let stride = width + 2
        var sizes = [Float](repeating: 0, count: (height + 2) * stride)
        for row in 0..<height {
            for column in 0..<width {
                let index = row * width + column
                sizes[(row + 1) * stride + column + 1] = abs(right.values[index]) + abs(down.values[index])
            }
        }
        var map = EdgeMap(height: height, width: width)
        var strong: [Int] = []
        var isWeak = [Bool](repeating: false, count: count)
        for row in 0..<height {
            for column in 0..<width {
                let (index, place) = (row * width + column, (row + 1) * stride + column + 1)
                let own = sizes[place]
                guard own > low else { continue }
                let (x, y) = (right.values[index], down.values[index])
                // Across the edge: along the row, along the column, or along a diagonal.
                let (flat, steep) = (Float(13573) / 32768, Float(13573 + 65536) / 32768)
                let isPeak: Bool
                if abs(y) < abs(x) * flat {
                    isPeak = own > sizes[place - 1] && own >= sizes[place + 1]
                } else if abs(y) > abs(x) * steep {
                    isPeak = own > sizes[place - stride] && own >= sizes[place + stride]
                } else {
                    let side = (x < 0) != (y < 0) ? -1 : 1
                    isPeak = own > sizes[place - stride - side] && own > sizes[place + stride + side]
                }
                guard isPeak else { continue }
                if own > high { strong.append(index) } else { isWeak[index] = true }
            }
        }
        // Weak pixels belong to an edge where a strong one leads to them.
        for index in strong { map.isEdge[index] = true }
        while let index = strong.popLast() {
            let (row, column) = (index / width, index % width)
            for y in max(0, row - 1)...min(height - 1, row + 1) {
                for x in max(0, column - 1)...min(width - 1, column + 1) where isWeak[y * width + x] {
                    isWeak[y * width + x] = false
                    map.isEdge[y * width + x] = true
                    strong.append(y * width + x)
                }
            }
        }
        return map
    }

    /// Sobel's slope along the rows or the columns, beyond the edges the nearest pixels.
    private func slope(across: Bool) -> Plane {
        let (ones, steps): ([Float], [Float]) = ([1, 2, 1], [-1, 0, 1])
        return weighted(
            (0..<9).map { place in
                let (down, right) = (place / 3, place % 3)
                return Tap(
                    down: down - 1, right: right - 1,
                    weight: across ? ones[down] * steps[right] : steps[down] * ones[right])
            }, .nearest)
    }

    /// The grey values of a plane of bytes spread so that each is as frequent as another, as OpenCV does.
    var equalized: Plane {
        var counts = [Int](repeating: 0, count: 256)
        for value in values { counts[Int(value)] += 1 }
        guard let first = counts.firstIndex(where: { $0 > 0 }), counts[first] < count else { return self }
        let scale = 255 / Float(count - counts[first])
        var (table, sum) = ([Float](repeating: 0, count: 256), 0)
        for value in first + 1..<256 {
            sum += counts[value]
            table[value] = (Float(sum) * scale).rounded(.toNearestOrEven)
        }
        var result = self
        result.update { table[Int($0)] }
        return result
    }
}

/// Which pixels lie on edges.
struct EdgeMap {
    let height, width: Int
    var isEdge: [Bool]

    init(height: Int, width: Int) {
        (self.height, self.width) = (height, width)
        isEdge = Array(repeating: false, count: height * width)
    }

    /// How far each pixel is from the next edge, in steps of 1 along an axis, 1.4 diagonally and 2.1969 by a knight's move
    /// (Borgefors 1986); far away where there is none.
    var distances: Plane {
        // Two rings around, so that every pixel has all neighbours.
        let (stride, far) = (width + 4, Float(1e6))
        let (straight, diagonal, knight) = (Float(1), Float(1.4), Float(2.1969))
        let steps = [
            (-2 * stride - 1, knight), (-2 * stride + 1, knight), (-stride - 2, knight), (-stride - 1, diagonal),
            (-stride, straight), (-stride + 1, diagonal), (-stride + 2, knight), (-1, straight)
        ]
        var padded = [Float](repeating: far, count: (height + 4) * stride)
        for index in isEdge.indices where isEdge[index] {
            padded[(index / width + 2) * stride + index % width + 2] = 0
        }
        padded.withUnsafeMutableBufferPointer { padded in
            steps.withUnsafeBufferPointer { steps in
                func shorten(_ index: Int, _ sign: Int) {
                    var length = padded[index]
                    if length == 0 { return }
                    for (step, more) in steps { length = min(length, padded[index + sign * step] + more) }
                    padded[index] = length
                }
                let inside = 2 * stride + 2..<(height + 2) * stride - 2
                for index in inside where (2..<width + 2).contains(index % stride) { shorten(index, 1) }
                for index in inside.reversed() where (2..<width + 2).contains(index % stride) { shorten(index, -1) }
            }
        }
        return Plane(height: height + 4, width: stride, values: padded)
            .cropped(top: 2, left: 2, height: height, width: width)
    }
}
