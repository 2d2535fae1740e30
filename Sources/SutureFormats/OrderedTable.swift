/// Named values in the order they were read or added, with a fast lookup by name.
///
/// The members of a JSON object, the tensors of a file, the metadata of a model.
public struct OrderedTable<Value: Sendable>: Sendable {
    public typealias Member = (key: ByteString, value: Value)

    private var members: [Member] = []
    /// The first position of each key; left empty while a search through a few members is as fast.
    private var positions: [ByteString: Int] = [:]
    private static var searchLimit: Int { 8 }

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
        members.count <= Self.searchLimit ? members.firstIndex { $0.key == key } : positions[key]
    }

    /// Adds a member at the end, even if its key is there already; tells whether the key is new.
    @discardableResult
    mutating func append(_ key: ByteString, _ value: Value) -> Bool {
        members.append((key, value))
        let last = members.count - 1
        if last < Self.searchLimit { return !members[..<last].contains { $0.key == key } }
        if last == Self.searchLimit { indexMembers(upTo: last) }
        return indexMember(key, at: last)
    }

    private mutating func removeAll(_ key: ByteString) {
        members.removeAll { $0.key == key }
        positions = [:]
        if members.count > Self.searchLimit { indexMembers(upTo: members.count) }
    }

    private mutating func indexMembers(upTo end: Int) {
        for position in 0..<end { indexMember(members[position].key, at: position) }
    }

    @discardableResult
    private mutating func indexMember(_ key: ByteString, at position: Int) -> Bool {
        let index = positions[key, default: position]
        if index == position { positions[key] = position }
        return index == position
    }
}

extension OrderedTable: RandomAccessCollection {
    public var startIndex: Int { 0 }
    public var endIndex: Int { members.count }
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
