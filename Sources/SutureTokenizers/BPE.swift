/// Byte-pair encoding: a piece is cut into symbols, and neighbors are merged, the lowest rank and the leftmost first.
struct BPE: Sendable {
    /// What a piece is cut into at first.
    enum Symbols: Sendable {
        /// Bytes; each has its token, or -1 if the vocabulary lacks it.
        case bytes([Int32])
        /// Scalars. One without a token becomes the tokens of its bytes if there are such, else `unknown` if there is
        /// that; neighboring unknown scalars share one token if `fuseUnknown`.
        case scalars(byteTokens: [Int32]?, unknown: Int32?, fuseUnknown: Bool)
    }

    var tokens: TokenTable
    var merges: MergeTable
    var symbols: Symbols
    /// Whether a piece that is a token is not cut at all.
    var ignoresMerges: Bool

    /// A token in the making: the bytes it stands for, and its neighbors while it is in a list.
    struct Symbol {
        var id: Int32
        var start: Int32
        var end: Int32
        var previous: Int32 = -1
        var next: Int32 = -1
    }

    /// The tokens of `piece` in order; `buffer` is what they are put into, so that it can be used again.
    func encode(_ piece: UTF8Bytes, into buffer: inout [Symbol]) {
        buffer.removeAll(keepingCapacity: true)
        guard !piece.isEmpty else { return }
        if ignoresMerges, let id = tokens.id(of: piece) {
            buffer.append(Symbol(id: Int32(id), start: 0, end: Int32(piece.count)))
            return
        }
        switch symbols {
        case .bytes(let ids): cutIntoBytes(piece, ids, &buffer)
        case .scalars(let byteTokens, let unknown, let fuseUnknown):
            cutIntoScalars(piece, byteTokens, unknown, fuseUnknown, &buffer)
        }
        if buffer.count <= Self.scanLimit { mergeByScanning(&buffer) } else { mergeByQueue(&buffer) }
    }

    private func cutIntoBytes(_ piece: UTF8Bytes, _ ids: [Int32], _ buffer: inout [Symbol]) {
        for (position, byte) in piece.enumerated() where ids[Int(byte)] >= 0 {
            buffer.append(Symbol(id: ids[Int(byte)], start: Int32(position), end: Int32(position + 1)))
        }
    }

    private func cutIntoScalars(
        _ piece: UTF8Bytes, _ byteTokens: [Int32]?, _ unknown: Int32?, _ fuseUnknown: Bool, _ buffer: inout [Symbol]
    ) {
        var position = 0
        var lastUnknownEnd = -1
        while position < piece.count {
            let end = piece.scalar(at: position).end
            if let id = tokens.id(of: UTF8Bytes(rebasing: piece[position..<end])) {
                buffer.append(Symbol(id: Int32(id), start: Int32(position), end: Int32(end)))
            } else if let byteTokens {
                for offset in position..<end {
                    let id = byteTokens[Int(piece[offset])]
                    buffer.append(Symbol(id: id, start: Int32(offset), end: Int32(offset + 1)))
                }
            } else if let unknown {
                if fuseUnknown, lastUnknownEnd == position {
                    buffer[buffer.count - 1].end = Int32(end)
                } else {
                    buffer.append(Symbol(id: unknown, start: Int32(position), end: Int32(end)))
                }
                lastUnknownEnd = end
            }
            position = end
        }
    }
}

// MARK: Merging

extension BPE {
    /// Up to so many symbols the next merge is sought by looking at all of them, which needs no other memory.
    private static let scanLimit = 32

    private func mergeByScanning(_ symbols: inout [Symbol]) {
        while symbols.count > 1 {
            var best: Merge?
            var bestPosition = 0
            for position in 0..<symbols.count - 1 {
                guard let merge = merges[symbols[position].id, symbols[position + 1].id] else { continue }
                if let found = best, found.rank <= merge.rank { continue }
                (best, bestPosition) = (merge, position)
            }
            guard let best else { return }
            symbols[bestPosition].id = best.id
            symbols[bestPosition].end = symbols[bestPosition + 1].end
            symbols.remove(at: bestPosition + 1)
        }
    }

    private func mergeByQueue(_ symbols: inout [Symbol]) {
        var queue = MergeQueue()
        func enqueue(_ left: Int32, _ right: Int32, _ symbols: [Symbol]) {
            guard left >= 0, right >= 0, let merge = merges[symbols[Int(left)].id, symbols[Int(right)].id] else {
                return
            }
            queue.push(MergeQueue.Entry(merge: merge, position: left))
        }
        for position in symbols.indices {
            symbols[position].previous = Int32(position) - 1
            symbols[position].next = position + 1 < symbols.count ? Int32(position) + 1 : -1
            if position > 0 { enqueue(Int32(position) - 1, Int32(position), symbols) }
        }
        while let entry = queue.pop() {
            let left = Int(entry.position)
            let right = Int(symbols[left].next)
            // An earlier merge may have taken either of the two.
            guard symbols[left].id >= 0, right >= 0, merges[symbols[left].id, symbols[right].id] == entry.merge else {
                continue
            }
            symbols[left].id = entry.merge.id
            symbols[left].end = symbols[right].end
            symbols[left].next = symbols[right].next
            symbols[right].id = -1
            if symbols[right].next >= 0 { symbols[Int(symbols[right].next)].previous = entry.position }
            enqueue(symbols[left].previous, entry.position, symbols)
            enqueue(entry.position, symbols[left].next, symbols)
        }
        symbols.removeAll { $0.id < 0 }
    }
}

/// Possible merges, the lowest rank and then the leftmost first: a binary heap.
private struct MergeQueue {
    struct Entry {
        var merge: Merge
        var position: Int32

        static func < (a: Entry, b: Entry) -> Bool {
            a.merge.rank != b.merge.rank ? a.merge.rank < b.merge.rank : a.position < b.position
        }
    }

    private var entries: [Entry] = []

    mutating func push(_ entry: Entry) {
        entries.append(entry)
        var child = entries.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard entries[child] < entries[parent] else { return }
            entries.swapAt(child, parent)
            child = parent
        }
    }

    mutating func pop() -> Entry? {
        guard let first = entries.first, let last = entries.popLast() else { return nil }
        guard !entries.isEmpty else { return first }
        entries[0] = last
        var parent = 0
        while true {
            var child = 2 * parent + 1
            guard child < entries.count else { return first }
            if child + 1 < entries.count, entries[child + 1] < entries[child] { child += 1 }
            guard entries[child] < entries[parent] else { return first }
            entries.swapAt(child, parent)
            parent = child
        }
    }
}
