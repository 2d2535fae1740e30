import Foundation

/// Weather and light: something lies over the image.
enum WeatherCorruptions {
    /// A cloud added to the image, which is scaled back so that its brightest value stays.
    static func fog(amount: Float, decay: Float) -> Effect {
        { image, random in
            var side = 2
            while side < max(image.height, image.width) { side *= 2 }
            let cloud = cloud(side: side, decay: decay, units: random.units(side * side))
            image.addFog(cloud, amount: amount)
        }
    }

    /// A square map of heights in 0...1 by the diamond-square algorithm, which goes on at the opposite edge.
    ///
    /// The roughness, 100 at first, is divided by `decay` from one scale to the next finer one; a height is moved by up to
    /// the square of it, as in the scripts of the data sets.
    ///
    /// - Parameters:
    ///   - side: A power of two, at least 2.
    ///   - units: Random numbers in 0..<1, as many as there are heights but one.
    static func cloud(side: Int, decay: Float, units: [Float]) -> Plane {
        var map = Plane(height: side, width: side)
        map.values.withUnsafeMutableBufferPointer { map in
            units.withUnsafeBufferPointer { units in
                var used = 0
                var roughness: Float = 100
                var step = side
                // Places beyond an edge are those from the opposite one.
                func place(_ row: Int, _ column: Int) -> Int {
                    (row & (side - 1)) * side + (column & (side - 1))
                }
                /// Sets the places at a distance of `step` from the mean of four at a distance of half of it.
                func fill(from start: (row: Int, column: Int), _ neighbours: [(down: Int, right: Int)]) {
                    let (n0, n1, n2, n3) = (neighbours[0], neighbours[1], neighbours[2], neighbours[3])
                    for row in stride(from: start.row, to: side, by: step) {
                        for column in stride(from: start.column, to: side, by: step) {
                            let sum =
                                map[place(row + n0.down, column + n0.right)]
                                + map[place(row + n1.down, column + n1.right)]
                                + map[place(row + n2.down, column + n2.right)]
                                + map[place(row + n3.down, column + n3.right)]
                            map[row * side + column] = sum / 4 + roughness * roughness * (2 * units[used] - 1)
                            used += 1
                        }
                    }
                }
                while step >= 2 {
                    let half = step / 2
                    let cross = [(-half, 0), (half, 0), (0, -half), (0, half)]
                    fill(from: (half, half), [(-half, -half), (-half, half), (half, -half), (half, half)])
                    fill(from: (0, half), cross)
                    fill(from: (half, 0), cross)
                    step = half
                    roughness /= decay
                }
            }
        }
        let (low, high) = (map.values.min() ?? 0, map.values.max() ?? 0)
        if high > low { map.update { ($0 - low) / (high - low) } }
        return map
    }

    /// Flakes that fall along lines, over an image that is whiter than it was.
    static func snow(_ amount: CorruptionTable.Snow, height: Int, width: Int) -> Effect {
        let zoom = MiddleZoom(height: height, width: width, factor: amount.zoom)
        return { image, random in
            let normals = Plane(height: height, width: width, values: random.normals(height * width))
            let degrees = random.number(in: -135 ... -45)
            image.whiten(keeping: amount.kept)
            let flakes = flakes(normals, amount, zoom, degrees: degrees)
            image.update { $0.update(with: flakes) { $0 + $1 } }
        }
    }

    /// Noise, zoomed, dark below the threshold, moved along a line, and the same turned by half a turn.
    static func flakes(
        _ normals: Plane, _ amount: CorruptionTable.Snow, _ zoom: MiddleZoom, degrees: Double
    ) -> Plane {
        var noise = normals
        noise.update { amount.mean + amount.deviation * $0 }
        var flakes = Plane(height: noise.height, width: noise.width)
        zoom.add(noise, to: &flakes)
        flakes.update { $0 < amount.threshold ? 0 : 255 * $0 }
        let line = BlurCorruptions.line(radius: amount.radius, deviation: amount.lineDeviation, degrees: degrees)
        flakes = flakes.wholeNumbers.weighted(line, .nearest)
        flakes.update { $0.nearest }
        let turned = Plane(height: flakes.height, width: flakes.width, values: flakes.values.reversed())
        flakes.update(with: turned) { $0 + $1 }
        return flakes
    }

    /// Ice on a pane: a part of the image and a part of a texture, cut out of it at random.
    static func frost(image weight: Float, frost frostWeight: Float, _ textures: [FrostTexture]) -> Effect {
        { image, random in
            let texture = textures[random.below(textures.count)]
            let ice = texture.cut(height: image.height, width: image.width, isGrey: image.isGrey, &random)
            for channel in image.planes.indices {
                image.planes[channel].update(with: ice[channel]) { weight * $0 + frostWeight * $1 }
            }
        }
    }

    /// Adds to the value (of hue, saturation, value): the channels keep their ratios, and black becomes grey.
    static func brightness(summand: Float) -> Effect {
        { image, _ in
            if image.isGrey {
                image.update { $0.update { $0 + 255 * summand } }
            } else {
                image.updateColours { red, green, blue in
                    let value = max(red, green, blue)
                    let wanted = min(value + 255 * summand, 255)
                    if value == 0 { return (wanted, wanted, wanted) }
                    let factor = wanted / value
                    return (red * factor, green * factor, blue * factor)
                }
            }
        }
    }
}
