import Foundation

/// What devices and programs do to images.
enum DigitalCorruptions {
    /// (x - mean) · factor + mean, with the mean of each channel.
    static func contrast(factor: Float) -> Effect {
        { image, _ in
            image.update { plane in
                let mean = Float(plane.values.reduce(0.0) { $0 + Double($1) } / Double(plane.count))
                plane.update { ($0 - mean) * factor + mean }
            }
        }
    }

    /// saturation · factor + summand (of hue, saturation, value); grey images have no colour and stay.
    static func saturate(factor: Float, summand: Float) -> Effect {
        { image, _ in
            if image.isGrey { return }
            image.updateColours { red, green, blue in
                let value = max(red, green, blue)
                let chroma = value - min(red, green, blue)
                // Of a grey pixel the hue is taken to be that of red.
                if chroma == 0 {
                    let other = value * (1 - summand)
                    return (value, other, other)
                }
                let wanted = min(chroma * factor + value * summand, value)
                let ratio = wanted / chroma
                return (value - (value - red) * ratio, value - (value - green) * ratio, value - (value - blue) * ratio)
            }
        }
    }

    /// Fewer pixels, each the mean of what it covers, and back to as many as before.
    static func pixelate(share: Double) -> Effect {
        { image, _ in
            image.update { plane in
                let height = max(1, Int(Double(plane.height) * share))
                let width = max(1, Int(Double(plane.width) * share))
                plane = plane.resized(height: height, width: width).resized(height: plane.height, width: plane.width)
            }
        }
    }
}

extension Plane {
    /// The plane of bytes in another size, each pixel the mean of those whose middles it covers, rounded after each axis:
    /// the box filter of Pillow.
    func resized(height: Int, width: Int) -> Plane {
        resizedRows(width: width).resizedColumns(height: height)
    }

    private func resizedRows(width: Int) -> Plane {
        if width == self.width { return self }
        let spans = Span.boxes(from: self.width, to: width)
        var result = Plane(height: height, width: width)
        for row in 0..<height {
            for (column, span) in spans.enumerated() {
                var sum: Float = 0
                for place in span.range { sum += values[row * self.width + place] }
                result.values[row * width + column] = (sum * span.factor + 0.5).rounded(.down)
            }
        }
        return result
    }

    private func resizedColumns(height: Int) -> Plane {
        if height == self.height { return self }
        let spans = Span.boxes(from: self.height, to: height)
        var result = Plane(height: height, width: width)
        for (row, span) in spans.enumerated() {
            for place in span.range {
                for column in 0..<width { result.values[row * width + column] += values[place * width + column] }
            }
            for index in row * width..<(row + 1) * width {
                result.values[index] = (result.values[index] * span.factor + 0.5).rounded(.down)
            }
        }
        return result
    }
}

/// The pixels whose mean a pixel of another size becomes.
private struct Span {
    let range: Range<Int>
    let factor: Float

    static func boxes(from old: Int, to new: Int) -> [Span] {
        let scale = Double(old) / Double(new)
        let reach = max(scale, 1) / 2
        return (0..<new).map { index in
            let middle = (Double(index) + 0.5) * scale
            let first = max(0, Int(middle - reach + 0.5))
            let last = min(old, Int(middle + reach + 0.5))
            // Pillow leaves a pixel out whose middle lies at the very beginning of the box.
            let inside = (first..<last).filter { place in
                let distance = (Double(place) - middle + 0.5) / max(scale, 1)
                return distance > -0.5 && distance <= 0.5
            }
            let range = inside.isEmpty ? first..<max(first + 1, last) : inside[0]..<inside[inside.count - 1] + 1
            return Span(range: range, factor: 1 / Float(range.count))
        }
    }
}
