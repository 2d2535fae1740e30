/// Finds the longest of many patterns in every place of a text, in one pass whatever the patterns are: the automaton of Aho
/// and Corasick (1975).
///
/// It reads the text from its end to its beginning, over the patterns' bytes in reverse: in each place it then knows what
/// begins there.
struct PatternAutomaton: Sendable {
    /// The length of each pattern.
    let lengths: [Int]
    /// Where each byte leads from the root, which is node 0.
    private var roots = [Int32](repeating: 0, count: 256)
    /// Where a byte leads from another node.
    private var edges: [UInt64: Int32] = [:]
    /// For each node that of its longest proper suffix.
    private var fallbacks: [Int32] = [0]
    /// For each node the longest pattern that ends there, -1 for none.
    private var found: [Int32] = [-1]

    /// - Parameter patterns: none empty; of equal ones the first is found.
    init(_ patterns: [[UInt8]]) {
        lengths = patterns.map(\.count)
        // The nodes behind the root by their depths: what leads to each, from where.
        var levels: [[(node: Int32, parent: Int32, byte: UInt8)]] = []
        for (index, pattern) in patterns.enumerated() {
            var node: Int32 = 0
            for (depth, byte) in pattern.reversed().enumerated() {
                if let next = edge(node, byte) {
                    node = next
                    continue
                }
                let next = Int32(found.count)
                if node == 0 { roots[Int(byte)] = next } else { edges[Self.key(node, byte)] = next }
                if depth == levels.count { levels.append([]) }
                levels[depth].append((next, node, byte))
                found.append(-1)
                fallbacks.append(0)
                node = next
            }
            if found[Int(node)] < 0 { found[Int(node)] = Int32(index) }
        }
        for (node, parent, byte) in levels.joined() {
            if parent != 0 { fallbacks[Int(node)] = next(fallbacks[Int(parent)], byte) }
            if found[Int(node)] < 0 { found[Int(node)] = found[Int(fallbacks[Int(node)])] }
        }
    }

    /// The places where patterns begin, the last first, each with the longest of them.
    func matchesFromTheEnd(in text: UTF8Bytes) -> [(start: Int, pattern: Int)] {
        var matches: [(start: Int, pattern: Int)] = []
        var node: Int32 = 0
        for position in text.indices.reversed() {
            node = next(node, text[position])
            let pattern = found[Int(node)]
            if pattern >= 0 { matches.append((position, Int(pattern))) }
        }
        return matches
    }

    private func next(_ node: Int32, _ byte: UInt8) -> Int32 {
        var node = node
        while node != 0 {
            if let next = edges[Self.key(node, byte)] { return next }
            node = fallbacks[Int(node)]
        }
        return roots[Int(byte)]
    }

    private func edge(_ node: Int32, _ byte: UInt8) -> Int32? {
        guard node == 0 else { return edges[Self.key(node, byte)] }
        return roots[Int(byte)] == 0 ? nil : roots[Int(byte)]
    }

    private static func key(_ node: Int32, _ byte: UInt8) -> UInt64 { UInt64(node) << 8 | UInt64(byte) }
}
