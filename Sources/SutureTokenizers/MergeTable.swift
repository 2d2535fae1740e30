/// A merge of two neighbors: the lower the rank, the earlier it is done.
struct Merge: Sendable, Equatable {
    var rank: UInt32
    var id: Int32
}

/// The merges of a vocabulary by the ids of the two tokens, with open addressing.
struct MergeTable: Sendable {
    private var keys: [UInt64]
    private var values: [Merge]
    private var count = 0
    private static let free = UInt64.max
    /// What hashes are made with: no file can be made so that its merges share slots.
    private let multiplier = UInt64.random(in: .min ... .max) | 1

    init(capacity: Int) {
        var slotCount = 64
        while slotCount < 2 * capacity { slotCount *= 2 }
        keys = Array(repeating: Self.free, count: slotCount)
        values = Array(repeating: Merge(rank: 0, id: 0), count: slotCount)
    }

    /// The merge of two tokens; setting one that is there already replaces it.
    subscript(left: Int32, right: Int32) -> Merge? {
        get {
            let slot = slot(of: Self.key(left, right))
            return keys[slot] == Self.free ? nil : values[slot]
        }
        set {
            guard let newValue else { return }
            if 2 * (count + 1) > keys.count { grow() }
            let key = Self.key(left, right)
            let slot = slot(of: key)
            if keys[slot] == Self.free { count += 1 }
            keys[slot] = key
            values[slot] = newValue
        }
    }

    /// The pairs of tokens, the lowest rank first.
    func sorted() -> [(left: Int32, right: Int32)] {
        keys.indices.filter { keys[$0] != Self.free }
            .sorted { (values[$0].rank, keys[$0]) < (values[$1].rank, keys[$1]) }
            .map { (Int32(truncatingIfNeeded: keys[$0] >> 32), Int32(truncatingIfNeeded: keys[$0])) }
    }

    private static func key(_ left: Int32, _ right: Int32) -> UInt64 {
        UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
    }

    private func slot(of key: UInt64) -> Int {
        let mask = keys.count - 1
        // Multiply-shift (Dietzfelbinger et al. 1997).
        let hash = (key ^ key >> 29) &* multiplier
        var slot = Int(truncatingIfNeeded: hash >> UInt64(mask.leadingZeroBitCount))
        while keys[slot] != key, keys[slot] != Self.free { slot = (slot + 1) & mask }
        return slot
    }

    private mutating func grow() {
        let old = (keys: keys, values: values)
        keys = Array(repeating: Self.free, count: 2 * old.keys.count)
        values = Array(repeating: Merge(rank: 0, id: 0), count: 2 * old.keys.count)
        for (key, value) in zip(old.keys, old.values) where key != Self.free {
            let slot = slot(of: key)
            keys[slot] = key
            values[slot] = value
        }
    }
}
