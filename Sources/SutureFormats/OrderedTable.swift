/// Named values in the order they were read or added, with a fast lookup by name.
///
/// The members of a JSON object, the tensors of a file, the metadata of a model.
public struct OrderedTable<Value: Sendable>: Sendable {
    /// A key and its value.
    public typealias Member = (key: ByteString, value: Value)

    private var members: [Member] = []
    /// A hash table of the first position of each key: twice as many slots as members at least, a power of two of them.
    /// A slot holds half of the hash above and the position plus one below, or 0. Empty while there are few members.
    ///
    /// A dictionary would hold the keys again, and hash them twice to tell whether one is new.
    private var slots: [UInt64] = []
    private static var searchLimit: Int { 8 }

    /// A table without members.
    public init() {}

    /// The value under `key`, the first one if a reader kept several.
    ///
    /// Setting a new key appends it; setting `nil` removes the key.
    public subscript(key: ByteString) -> Value? {
        get { position(of: key).map { members[$0].value } }
        set {
            switch (position(of: key), newValue) {
            case (let position?, let value?): members[position].value = value
            case (nil, let value?): append(key, value)
            case (_?, nil): removeAll(key)
            case (nil, nil): break
            }
        }
    }

    public var keys: some RandomAccessCollection<ByteString> { members.lazy.map(\.key) }

    /// Where `key` is, if it is there.
    public func position(of key: ByteString) -> Int? {
        if slots.isEmpty { return members.firstIndex { $0.key == key } }
        let slot = slots[slotIndex(of: key, hash: Self.hash(key))]
        return slot == 0 ? nil : Self.position(in: slot)
    }

    /// Adds a member at the end, even if its key is there already; tells whether the key is new.
    @discardableResult
    mutating func append(_ key: ByteString, _ value: Value) -> Bool {
        let position = members.count
        members.append((key, value))
        if position < Self.searchLimit { return !members[..<position].contains { $0.key == key } }
        if slots.count < 2 * members.count { makeSlots(for: position) }
        return indexMember(at: position)
    }

    private mutating func removeAll(_ key: ByteString) {
        members.removeAll { $0.key == key }
        slots = []
        if members.count > Self.searchLimit { makeSlots(for: members.count) }
    }
}

// MARK: The hash table

extension OrderedTable {
    /// Enters the member at `position` unless its key is there already; tells whether it was new.
    @discardableResult
    private mutating func indexMember(at position: Int) -> Bool {
        let hash = Self.hash(members[position].key)
        let index = slotIndex(of: members[position].key, hash: hash)
        if slots[index] != 0 { return false }
        slots[index] = (hash >> 32) << 32 | UInt64(position + 1)
        return true
    }

    /// The slot that has `key`, or the empty one where it belongs.
    private func slotIndex(of key: ByteString, hash: UInt64) -> Int {
        var index = Int(hash >> 32) & (slots.count - 1)
        while case let slot = slots[index], slot != 0 {
            if slot >> 32 == hash >> 32, members[Self.position(in: slot)].key == key { break }
            index = (index + 1) & (slots.count - 1)
        }
        return index
    }

    /// Makes a table with room to grow and enters the first `count` members.
    private mutating func makeSlots(for count: Int) {
        let room = 4 * (count + 1)
        slots = Array(repeating: 0, count: 1 << (Int.bitWidth - room.leadingZeroBitCount))
        for position in 0..<count { indexMember(at: position) }
    }

    private static func position(in slot: UInt64) -> Int { Int(slot & 0xFFFF_FFFF) - 1 }

    /// A hash that differs from run to run, so that no file can be made to collide.
    private static func hash(_ key: ByteString) -> UInt64 { UInt64(truncatingIfNeeded: Int64(key.hashValue)) }
}

extension OrderedTable: RandomAccessCollection {
    public var startIndex: Int { 0 }
    public var endIndex: Int { members.count }
    /// The member at a place in the order.
    public subscript(position: Int) -> Member { members[position] }
}

extension OrderedTable: Equatable where Value: Equatable {
    /// Equal when the members are, in the same order.
    public static func == (a: OrderedTable, b: OrderedTable) -> Bool {
        a.members.elementsEqual(b.members) { $0.key == $1.key && $0.value == $1.value }
    }
}

extension OrderedTable: ExpressibleByDictionaryLiteral {
    /// A table; of a key that is there twice the last value counts.
    public init(dictionaryLiteral members: (ByteString, Value)...) {
        for (key, value) in members { self[key] = value }
    }
}

extension [ByteString: Int] {
    /// Where each of the names is.
    ///
    /// - Throws: ``FormatError`` for a name that is there twice.
    init(positionsOf names: [String], source: String) throws {
        self.init(minimumCapacity: names.count)
        for (position, name) in names.enumerated()
        where updateValue(position, forKey: ByteString(name)) != nil {
            throw FormatError(
                .duplicateName, "there is another tensor of this name", subject: "\(source): \(name)")
        }
    }
}
