import Foundation
import SutureTensor
import Testing

@Suite("Processes that share work", .serialized)
struct ProcessGroupTests {
    /// Each rank in a thread of its own; what they return, in order.
    private func run<Value: Sendable>(
        _ size: Int, _ body: @escaping @Sendable (ProcessGroup) throws -> Value
    ) async throws -> [Value] {
        let port = try freePort()
        return try await withThrowingTaskGroup(of: (Int, Value).self) { tasks in
            for rank in 0..<size {
                tasks.addTask {
                    try await withCheckedThrowingContinuation { done in
                        Thread.detachNewThread {
                            done.resume(
                                with: Result {
                                    let place = ProcessGroup.Place(
                                        rank: rank, size: size, host: "127.0.0.1", port: port)
                                    return (rank, try body(ProcessGroup(place, patience: 60)))
                                })
                        }
                    }
                }
            }
            return try await tasks.reduce(into: []) { $0.append($1) }.sorted { $0.0 < $1.0 }.map(\.1)
        }
    }

    /// A port that nobody has at present.
    private func freePort() throws -> Int {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(listener) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let bound = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, length) == 0 && getsockname(listener, $0, &length) == 0
            }
        }
        try #require(bound)
        return Int(UInt16(bigEndian: address.sin_port))
    }

    @Test("what each gives comes to all, in the order of their ranks, whatever the lengths")
    func gather() async throws {
        let expected: [[UInt8]] = [[], [1], [2, 2]]
        let seen = try await run(3) { try $0.gather([UInt8](repeating: UInt8($0.rank), count: $0.rank)) }
        #expect(seen == [expected, expected, expected])
        let nothing = try await run(2) { try $0.gather([]) }
        #expect(nothing == [[[], []], [[], []]])
    }

    @Test("a shared number counts what all add")
    func count() async throws {
        let sums = try await run(2) { group in
            try group.count("done", adding: group.rank + 1)
            try group.meet(patience: 60)
            return try group.count("done", adding: 0)
        }
        #expect(sums == [3, 3])
    }

    @Test("who does not come is named")
    func absent() async throws {
        let errors = try await run(2) { group -> String in
            guard group.rank == 0 else { return "" }
            do { try group.meet(patience: 0.5) } catch { return "\(error)" }
            return "met"
        }
        #expect(errors[0].contains("Rank 1"))
    }

    @Test("the place is read of the environment, and what is wrong there is named")
    func environment() throws {
        let whole = ["RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "here", "MASTER_PORT": "29500"]
        #expect(
            try ProcessGroup.Place(environment: whole)
                == ProcessGroup.Place(rank: 1, size: 2, host: "here", port: 29500))
        #expect(try ProcessGroup.Place(environment: [:]) == nil)
        #expect(try ProcessGroup.Place(environment: ["WORLD_SIZE": "1"]) == nil)
        for (name, value) in [
            ("RANK", "2"), ("RANK", nil), ("WORLD_SIZE", "x"), ("MASTER_PORT", "70000"), ("MASTER_ADDR", nil)
        ] {
            var broken = whole
            broken[name] = value
            let error = try #require(throws: TensorError.self) { try ProcessGroup.Place(environment: broken) }
            #expect(error.description.contains(name))
        }
    }
}
