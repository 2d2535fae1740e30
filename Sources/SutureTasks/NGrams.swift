/// How often each run of n elements is there.
struct NGrams<Element: Hashable> {
    private var counts: [ArraySlice<Element>: Int] = [:]
    /// How many there are.
    let total: Int

    init(_ elements: [Element], order: Int) {
        total = max(0, elements.count - order + 1)
        for start in 0..<total { counts[elements[start..<start + order], default: 0] += 1 }
    }

    /// How many of these are there too, each at most as often as there.
    func matches(_ other: NGrams) -> Int {
        counts.reduce(0) { $0 + min($1.value, other.counts[$1.key] ?? 0) }
    }
}
