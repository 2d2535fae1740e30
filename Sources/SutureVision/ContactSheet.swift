/// A picture of pictures: a row of tiles for each name, under the names of the columns.
public struct ContactSheet: Sendable {
    private let columns: [String]
    private var rows: [(name: String, tiles: [Picture?])] = []

    /// A sheet with a title over each column.
    public init(columns: [String]) {
        self.columns = columns
    }

    /// Adds a row; tiles are all of one size, and a missing one leaves its place white.
    public mutating func add(_ name: String, _ tiles: [Picture?]) {
        rows.append((name, tiles))
    }

    /// The whole sheet, three channels, black letters on white.
    public func picture() -> Picture {
        let tiles = rows.flatMap(\.tiles).compactMap { $0 }
        // Small pictures are shown with larger pixels.
        let zoom = max(1, 96 / max(1, tiles.map { max($0.height, $0.width) }.max() ?? 1))
        let (height, width) = ((tiles.map(\.height).max() ?? 0) * zoom, (tiles.map(\.width).max() ?? 0) * zoom)
        let left = margin + (rows.map { Lettering.width(of: $0.name) }.max() ?? 0) + gap
        let top = margin + Lettering.height + gap
        var canvas = Canvas(
            height: top + rows.count * (height + gap) - gap + margin,
            width: left + columns.count * (width + gap) - gap + margin)
        for (column, name) in columns.enumerated() {
            let x = left + column * (width + gap) + (width - Lettering.width(of: name)) / 2
            canvas.write(name, y: margin, x: max(0, x))
        }
        for (row, line) in rows.enumerated() {
            let y = top + row * (height + gap)
            canvas.write(
                line.name, y: y + (height - Lettering.height) / 2, x: left - gap - Lettering.width(of: line.name))
            for (column, tile) in line.tiles.enumerated() {
                if let tile { canvas.draw(tile, zoom: zoom, y: y, x: left + column * (width + gap)) }
            }
        }
        return Picture(pixels: canvas.pixels, channels: 3, height: canvas.height, width: canvas.width)
    }

    private var margin: Int { 16 }
    private var gap: Int { 8 }
}

/// A white picture to draw on; what falls outside is cut off.
private struct Canvas {
    let height, width: Int
    private(set) var pixels: [UInt8]

    init(height: Int, width: Int) {
        (self.height, self.width) = (max(1, height), max(1, width))
        pixels = [UInt8](repeating: 255, count: 3 * self.height * self.width)
    }

    mutating func draw(_ picture: Picture, zoom: Int, y: Int, x: Int) {
        for channel in 0..<3 {
            let source = min(channel, picture.channels - 1) * picture.height
            for row in 0..<picture.height * zoom {
                for column in 0..<picture.width * zoom {
                    let pixel = picture.pixels[(source + row / zoom) * picture.width + column / zoom]
                    put(pixel, channel, y + row, x + column)
                }
            }
        }
    }

    mutating func write(_ text: String, y: Int, x: Int) {
        for (place, letter) in text.enumerated() {
            for (row, column) in Lettering.dots(of: letter) {
                for channel in 0..<3 { put(40, channel, y + row, x + place * Lettering.step + column) }
            }
        }
    }

    private mutating func put(_ value: UInt8, _ channel: Int, _ y: Int, _ x: Int) {
        guard 0..<height ~= y, 0..<width ~= x else { return }
        pixels[(channel * height + y) * width + x] = value
    }
}
