import Foundation
import SutureTensor
import SutureTestSupport
import Testing

@Suite("Processes that share work", .serialized)
struct ProcessGroupTests {
    private func run<Value: Sendable>(
        _ size: Int, _ body: @escaping @Sendable (ProcessGroup) throws -> Value
    ) async throws -> [Value] {
        try await inRanks(size) { rank, port in
            try body(ProcessGroup(.init(rank: rank, size: size, host: "127.0.0.1", port: port), patience: 60))
        }
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

    @Test("who has died is named, and who does not come in time")
    func absent() async throws {
        let (late, dead) = (1, 2)
        let errors = try await run(3) { group -> String in
            // Once all know each other.
            try group.meet(patience: 60)
            if group.rank == dead { return "" }
            if group.rank == late { Thread.sleep(forTimeInterval: 1) }
            do throws(TensorError) { try group.meet(patience: 60) } catch { return error.reason }
            return "met"
        }
        #expect(errors[0] == "rank 2 died")
        let patient = try await run(2) { group -> String in
            try group.meet(patience: 60)
            if group.rank == 1 { Thread.sleep(forTimeInterval: 2) }
            do throws(TensorError) { try group.meet(patience: 0.5) } catch { return error.reason }
            return "met"
        }
        #expect(patient[0] == "rank 1 did not come within 0.5 s")
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
