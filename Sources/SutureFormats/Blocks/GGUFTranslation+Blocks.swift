/// Other values for some elements of a GGUF file, as far as its blocks can hold them.
extension GGUFTranslation {
    /// The blocks of a tensor that change where it is to hold other elements, by their places in the file.
    ///
    /// - Parameters:
    ///   - tensor: one of this file's.
    ///   - elements: what it is to hold: all elements, in the original's order; those that change are finite.
    func blocks(of tensor: Tensor, holding elements: UnsafeBufferPointer<Float>) throws -> [Int: [UInt8]] {
        let (stored, type) = (tensor.stored, tensor.stored.type)
        var changed: [Int: [UInt8]] = [:]
        var row = [Float](repeating: 0, count: stored.rowLength)
        var wanted = row
        for number in 0..<stored.rowCount {
            try row.withUnsafeMutableBufferPointer { try file.dequantize(stored, rows: number..<number + 1, into: $0) }
            for column in wanted.indices {
                let element = elements[tensor.element(row: number, column: column)]
                // What is read is one less than what is stored, once rounded; the same number is not rounded again.
                if tensor.layout == .oneAdded {
                    wanted[column] = row[column] - 1 == element ? row[column] : element + 1
                } else {
                    wanted[column] = element
                }
            }
            for start in stride(from: 0, to: wanted.count, by: type.blockLength)
            where (start..<start + type.blockLength).contains(where: { row[$0].differs(from: wanted[$0]) }) {
                let place = stored.place(row: number, column: start)
                changed[place] = try rewritten(
                    place, type, in: stored, to: Array(wanted[start..<start + type.blockLength]))
            }
        }
        return changed
    }

    /// What some elements of a tensor become where they are to be others, as near as the file can hold them.
    ///
    /// - Parameters:
    ///   - elements: by their places in the original's order; all finite.
    func nearest(_ elements: [Int: Float], of tensor: Tensor) throws -> [Int: Float] {
        let (stored, type) = (tensor.stored, tensor.stored.type)
        let blocks = Dictionary(grouping: elements.keys.map { (index: $0, place: tensor.stored(element: $0)) }) {
            stored.place(row: $0.place.row, column: $0.place.column / type.blockLength * type.blockLength)
        }
        let added: Float = tensor.layout == .oneAdded ? 1 : 0
        var nearest: [Int: Float] = [:]
        for (place, members) in blocks {
            var values = try file.block(at: place, type, in: stored).withUnsafeBytes { try type.values(of: $0) }
            for member in members {
                values[member.place.column % type.blockLength] = (elements[member.index] ?? 0) + added
            }
            // Until rounding what is rounded changes nothing, so that whoever rounds it again finds the same.
            for _ in 0..<8 {
                let rounded = try rewritten(place, type, in: stored, to: values).withUnsafeBytes {
                    try type.values(of: $0)
                }
                if rounded == values { break }
                values = rounded
            }
            for member in members { nearest[member.index] = values[member.place.column % type.blockLength] - added }
        }
        return nearest
    }

    private func rewritten(
        _ place: Int, _ type: GGUFType, in stored: GGUFFile.Tensor, to values: [Float]
    ) throws -> [UInt8] {
        var bytes = file.block(at: place, type, in: stored)
        try bytes.withUnsafeMutableBytes { bytes in
            try values.withUnsafeBufferPointer { try type.rewrite(bytes, to: $0) }
        }
        return bytes
    }

    /// The same model with other blocks in the place of some.
    func replacing(_ blocks: [Int: [UInt8]]) -> GGUFTranslation {
        GGUFTranslation(file: file.replacing(blocks), config: config, tensors: tensors)
    }
}

extension GGUFTranslation.Tensor {
    /// Which element of the original is stored there.
    fileprivate func element(row: Int, column: Int) -> Int {
        switch layout {
        case .same, .oneAdded: row * stored.rowLength + column
        case .permuted(let order) where stored.shape.count == 1: order.original(column)
        case .permuted(let order): order.original(row) * stored.rowLength + column
        case .transposed: column * stored.rowCount + row
        }
    }

    /// Where an element of the original is stored.
    fileprivate func stored(element: Int) -> (row: Int, column: Int) {
        let (row, column) = element.quotientAndRemainder(dividingBy: stored.rowLength)
        switch layout {
        case .same, .oneAdded: return (row, column)
        case .permuted(let order) where stored.shape.count == 1: return (0, order.stored(element))
        case .permuted(let order): return (order.stored(row), column)
        case .transposed: return (element % stored.rowCount, element / stored.rowCount)
        }
    }
}

extension GGUFTranslation.RowOrder {
    /// The row that is stored of an original one: the other way round than `original`.
    func stored(_ row: Int) -> Int {
        switch self {
        case .interleaved(let width):
            let inHead = row % width
            return row - inHead + inHead % (width / 2) * 2 + inHead / (width / 2)
        case .headByHead(let heads, let width):
            let (place, channel) = row.quotientAndRemainder(dividingBy: width)
            return (place % 3 * heads + place / 3) * width + channel
        }
    }
}

extension GGUFFile.Tensor {
    /// Where the block that begins with an element is in the file.
    fileprivate func place(row: Int, column: Int) -> Int {
        range.lowerBound + (row * rowLength + column) / type.blockLength * type.blockWidth
    }
}

extension GGUFFile {
    /// One block of a tensor, with what was put in its place.
    fileprivate func block(at place: Int, _ type: GGUFType, in tensor: Tensor) -> [UInt8] {
        if let block = replaced[place] { return block }
        return MappedBytes(parts[tensor.part], place..<place + type.blockWidth).withUnsafeBytes { Array($0) }
    }

    /// Puts the values of replaced blocks in the place of those that were read of some rows.
    func putReplaced(_ tensor: Tensor, rows: Range<Int>, in values: UnsafeMutableBufferPointer<Float>) throws {
        let (start, end) = (
            tensor.place(row: rows.lowerBound, column: 0), tensor.place(row: rows.upperBound, column: 0)
        )
        for (place, block) in replaced.blocks(in: start..<end) {
            let first = (place - start) / tensor.type.blockWidth * tensor.type.blockLength
            let part = UnsafeMutableBufferPointer(rebasing: values[first..<first + tensor.type.blockLength])
            try block.withUnsafeBytes { try tensor.type.dequantize($0, into: part) }
        }
    }

    /// The SHA-256 of the first bytes of a file of one part, with what was put in the place of some blocks.
    package func digest(ofFirst count: Int) throws -> String {
        var (digest, start) = (Digest(), 0)
        for (place, bytes) in replaced.blocks(in: 0..<count) {
            try TensorBytes(file.open, start..<place).forEachChunk { digest.update($0) }
            bytes.withUnsafeBytes { digest.update($0) }
            start = place + bytes.count
        }
        try TensorBytes(file.open, start..<count).forEachChunk { digest.update($0) }
        return digest.hexadecimal
    }

    /// The same file with other blocks in the place of some.
    func replacing(_ blocks: [Int: [UInt8]]) -> GGUFFile {
        var file = self
        file.replaced = ReplacedBlocks(blocks)
        return file
    }
}

/// Blocks that are read in the place of those of a file, by their places there.
struct ReplacedBlocks: Sendable {
    private let content: [Int: [UInt8]]
    private let places: [Int]

    init(_ blocks: [Int: [UInt8]] = [:]) {
        content = blocks
        places = blocks.keys.sorted()
    }

    var isEmpty: Bool { places.isEmpty }

    subscript(place: Int) -> [UInt8]? { content[place] }

    /// Those that begin in a part of the file, in their order.
    func blocks(in range: Range<Int>) -> some Sequence<(place: Int, bytes: [UInt8])> {
        var (low, high) = (0, places.count)
        while low < high {
            let middle = (low + high) / 2
            if places[middle] < range.lowerBound { low = middle + 1 } else { high = middle }
        }
        return places[low...].prefix { $0 < range.upperBound }.map { ($0, content[$0] ?? []) }
    }
}
