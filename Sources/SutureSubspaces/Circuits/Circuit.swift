/// Some edges of a graph: those through which a run is left as it is, while all others carry what they carry in the
/// corrupted prompt.
public struct Circuit: Sendable {
    public let graph: CircuitGraph
    /// Whether each edge is in it, by its number.
    public private(set) var has: [Bool]

    /// How edges are chosen by their scores, whatever the sign of these.
    public enum Choice: String, Codable, Sendable, CaseIterable {
        /// The edges with the largest scores.
        case top
        /// From the output backwards, the largest of those that lead to what is in the circuit already.
        case greedy
    }

    /// A circuit of these edges, by their numbers.
    public init(_ graph: CircuitGraph, _ edges: some Sequence<Int>) {
        self.graph = graph
        has = Array(repeating: false, count: graph.edgeCount)
        for edge in edges { has[edge] = true }
    }

    /// The circuit of the `count` edges that are chosen by scores.
    public init(_ count: Int, by choice: Choice = .top, of scores: EdgeScores) {
        switch choice {
        case .top: self.init(scores.graph, scores.ranked.prefix(count))
        case .greedy: self.init(scores.graph, scores.greedy(count))
        }
    }

    /// The number of edges.
    public var count: Int { has.count { $0 } }

    /// The edges that can matter: those from senders that hear something and to receivers that lead to the output.
    public var pruned: Circuit {
        var circuit = self
        let senders = graph.senderCount
        // Forwards: an edge carries something else than the corrupted value only if its sender hears of the clean run.
        var hears = Array(repeating: false, count: senders)
        hears[0] = true
        for group in graph.groups {
            for part in 0..<group.parts {
                for sender in 0..<group.senders where !hears[sender] {
                    circuit.has[group.start + part * group.senders + sender] = false
                }
                let edges = group.start + part * group.senders..<group.start + (part + 1) * group.senders
                if let own = graph.sender(of: group, part: part), circuit.has[edges].contains(true) {
                    hears[own] = true
                }
            }
        }
        // Backwards: it has an effect only if something hears the receiver.
        var heard = Array(repeating: false, count: senders)
        for group in graph.groups.reversed() {
            for part in 0..<group.parts {
                let own = graph.sender(of: group, part: part)
                for sender in 0..<group.senders {
                    let edge = group.start + part * group.senders + sender
                    if let own, !heard[own] { circuit.has[edge] = false }
                    if circuit.has[edge] { heard[sender] = true }
                }
            }
        }
        return circuit
    }
}

extension EdgeScores {
    /// The first `count` edges from the output backwards.
    fileprivate func greedy(_ count: Int) -> [Int] {
        // Every edge waits in its rank, so that the next one is the first that may be taken.
        let ranked = ranked
        var isOpen = Array(repeating: false, count: values.count)
        var rank = Array(repeating: 0, count: values.count)
        for (place, edge) in ranked.enumerated() { rank[edge] = place }
        var queue = RankQueue()
        func open(_ group: CircuitGraph.Group, _ part: Int) {
            for sender in 0..<group.senders {
                let edge = group.start + part * group.senders + sender
                guard !isOpen[edge] else { continue }
                isOpen[edge] = true
                queue.insert(rank[edge])
            }
        }
        var isIn = Array(repeating: false, count: graph.senderCount)
        isIn[0] = true
        var chosen: [Int] = []
        if let output = graph.groups.last { open(output, 0) }
        while chosen.count < count, let next = queue.removeFirst() {
            let edge = ranked[next]
            chosen.append(edge)
            let sender = graph.place(edge).sender
            guard !isIn[sender] else { continue }
            isIn[sender] = true
            for group in graph.groups {
                for part in 0..<group.parts where graph.sender(of: group, part: part) == sender { open(group, part) }
            }
        }
        return chosen
    }
}

/// Numbers of which the least is taken first: a binary heap.
private struct RankQueue {
    private var items: [Int] = []

    mutating func insert(_ item: Int) {
        items.append(item)
        var place = items.count - 1
        while place > 0, items[place] < items[(place - 1) / 2] {
            items.swapAt(place, (place - 1) / 2)
            place = (place - 1) / 2
        }
    }

    mutating func removeFirst() -> Int? {
        guard let first = items.first else { return nil }
        items[0] = items[items.count - 1]
        items.removeLast()
        var place = 0
        while true {
            let children = [2 * place + 1, 2 * place + 2].filter { $0 < items.count }
            guard let least = children.min(by: { items[$0] < items[$1] }), items[least] < items[place] else { break }
            items.swapAt(place, least)
            place = least
        }
        return first
    }
}
