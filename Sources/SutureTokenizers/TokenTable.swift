import Foundation

/// The tokens of a vocabulary as bytes in one buffer, found by id and by bytes.
struct TokenTable: Sendable {
    /// One past the highest id.
    private(set) var idCount = 0
    private var bytes: [UInt8] = []
    /// The part of `bytes` for each id; `missing` for an id that no token has.
    private var entries: [Entry] = []
    /// Ids by the hash of their bytes, with open addressing; -1 is free.
    private var slots: [Int32]
    private var tokenCount = 0
    /// Where hashes begin: no file can be made so that its tokens share slots.
    private let seed = UInt64.random(in: .min ... .max)

    private struct Entry {
        var start: UInt32
        var count: UInt32
        static let missing = Entry(start: .max, count: 0)
    }

    init(capacity: Int = 0) {
        var slotCount = 64
        while slotCount < 2 * capacity { slotCount *= 2 }
        slots = Array(repeating: -1, count: slotCount)
        entries.reserveCapacity(capacity)
        bytes.reserveCapacity(8 * capacity)
    }

    /// Adds a token; false if the id is taken.
    ///
    /// A token whose bytes are there already is found by its id only, and so is one that is not `searchable`.
    mutating func insert(_ token: UTF8Bytes, id: Int, searchable: Bool = true) -> Bool {
        if id >= entries.count { entries.append(contentsOf: repeatElement(.missing, count: id + 1 - entries.count)) }
        guard entries[id].start == .max else { return false }
        idCount = max(idCount, id + 1)
        entries[id] = Entry(start: UInt32(bytes.count), count: UInt32(token.count))
        bytes.append(contentsOf: token)
        guard searchable else { return true }
        if 2 * (tokenCount + 1) > slots.count { grow() }
        let slot = slot(of: token)
        if slots[slot] < 0 {
            slots[slot] = Int32(id)
            tokenCount += 1
        }
        return true
    }

    mutating func insert(_ token: [UInt8], id: Int, searchable: Bool = true) -> Bool {
        token.withUnsafeBufferPointer { insert($0, id: id, searchable: searchable) }
    }

    func id(of token: UTF8Bytes) -> Int? {
        let id = slots[slot(of: token)]
        return id < 0 ? nil : Int(id)
    }

    func id(of token: [UInt8]) -> Int? {
        token.withUnsafeBufferPointer(id(of:))
    }

    func token(_ id: Int) -> ArraySlice<UInt8>? {
        guard entries.indices.contains(id), entries[id].start != .max else { return nil }
        let entry = entries[id]
        return bytes[Int(entry.start)..<Int(entry.start) + Int(entry.count)]
    }

    /// For each length below that of `token` the id of its beginning of that length, -1 where no token has it.
    func idsOfBeginnings(of token: UTF8Bytes) -> [Int32] {
        var hash = seed
        return token.indices.map { count in
            defer { hash = Self.step(hash, token[count]) }
            return slots[slot(of: UTF8Bytes(rebasing: token[..<count]), hash: hash)]
        }
    }

    private func slot(of token: UTF8Bytes) -> Int { slot(of: token, hash: token.reduce(seed, Self.step)) }

    /// The slot that holds `token`, or the free one where it belongs.
    private func slot(of token: UTF8Bytes, hash: UInt64) -> Int {
        let mask = slots.count - 1
        var slot = Int(truncatingIfNeeded: hash ^ hash >> 32) & mask
        while slots[slot] >= 0, !isEqual(entries[Int(slots[slot])], token) { slot = (slot + 1) & mask }
        return slot
    }

    private func isEqual(_ entry: Entry, _ token: UTF8Bytes) -> Bool {
        guard Int(entry.count) == token.count else { return false }
        let start = Int(entry.start)
        guard let first = token.baseAddress else { return true }
        return bytes.withUnsafeBufferPointer { bytes in
            bytes.baseAddress.map { memcmp($0 + start, first, token.count) == 0 } ?? false
        }
    }

    /// FNV-1a.
    @inline(__always)
    private static func step(_ hash: UInt64, _ byte: UInt8) -> UInt64 { (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }

    private mutating func grow() {
        let old = slots
        slots = Array(repeating: -1, count: 2 * old.count)
        for id in old where id >= 0 {
            let entry = entries[Int(id)]
            let range = Int(entry.start)..<Int(entry.start) + Int(entry.count)
            let free = bytes.withUnsafeBufferPointer { slot(of: UTF8Bytes(rebasing: $0[range])) }
            slots[free] = id
        }
    }
}
