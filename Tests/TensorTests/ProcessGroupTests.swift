import Foundation
import SutureTensor
import SutureTestSupport
import Testing

@Suite("Processes that share work", .serialized)
struct ProcessGroupTests {
    private func run<Value: Sendable>(
        _ size: Int, patience: Double = 60, _ body: @escaping @Sendable (ProcessGroup) throws -> Value
    ) async throws -> [Value] {
        try await inRanks(size) { rank, port in
            try body(ProcessGroup(.init(rank: rank, size: size, host: "127.0.0.1", port: port), patience: patience))
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

    @Test("what one sends comes to another as it is, however long that works, in the order of the calls")
    func sending() async throws {
        let numbers = (0..<100_000).map { Float($0) * 0.1 }
        let seen = try await run(3, patience: 2) { group -> Bool in
            let (next, previous) = ((group.rank + 1) % 3, (group.rank + 2) % 3)
            // Longer than anybody may be silent.
            if group.rank == 1 { Thread.sleep(forTimeInterval: 3) }
            if group.rank == 0 {
                try group.send([1, 2], Tensor(numbers, shape: [1000, 100]), to: next)
                try group.send([], to: next)
            }
            let first = try group.receive(from: previous)
            let second = try group.receive(from: previous)
            if group.rank != 0 {
                try group.send(first.bytes, first.numbers, to: next)
                try group.send(second.bytes, to: next)
            }
            return try first.bytes == [1, 2] && first.numbers.floats() == numbers && second.bytes.isEmpty
                && second.numbers.count == 0
        }
        #expect(seen == [true, true, true])
    }

    @Test("who waits for something from one that has died is told so", arguments: [true, false])
    func lost(isReceiving: Bool) async throws {
        let told = try await run(2, patience: 2) { group -> String in
            // Once all know each other.
            try group.meet()
            if group.rank == 1 { return "left" }
            return try heard {
                if isReceiving { _ = try group.receive(from: 1) } else { try group.send([1], to: 1) }
                // What is sent may be on its way.
                _ = try group.receive(from: 1)
            }
        }
        #expect(told[0].hasPrefix("rank 0 of 2: rank 1 died or hangs"), "\(told)")
    }

    @Test("a shared number counts what all add")
    func count() async throws {
        let sums = try await run(2) { group in
            try group.count("done", adding: group.rank + 1)
            try group.meet()
            return try group.count("done", adding: 0)
        }
        #expect(sums == [3, 3])
    }

    /// What each rank is told, for members that may each think otherwise of the group, or do not come at all.
    private func errors(
        _ places: [(rank: Int, size: Int)], patience: Double = 2, delays: [Double] = []
    ) async throws -> [String] {
        try await inRanks(places.count) { member, port in
            if member < delays.count { Thread.sleep(forTimeInterval: delays[member]) }
            let (rank, size) = places[member]
            return try heard {
                let group = try ProcessGroup(
                    .init(rank: rank, size: size, host: "127.0.0.1", port: port), patience: patience)
                // The place to meet would else go with rank 0 before another has looked who has come.
                try group.meet()
            }
        }
    }

    @Test("a rank that does not come in time is named")
    func missing() async throws {
        let told = try await errors([(0, 4), (2, 4)])
        #expect(told[0] == "rank 0 of 4: rank 1, rank 3 did not come within 2 s")
        // The first to give up may take the place to meet with it.
        #expect(["did not come", "is gone", "does not answer"].contains { told[1].contains($0) }, "\(told)")
        let goneFirst = DispatchSemaphore(value: 0)
        let late = try await inRanks(2) { rank, port in
            if rank == 1 { goneFirst.wait() }
            defer { if rank == 0 { goneFirst.signal() } }
            return try heard {
                _ = try ProcessGroup(.init(rank: rank, size: 2, host: "127.0.0.1", port: port), patience: 1)
            }
        }
        #expect(late[0] == "rank 0 of 2: rank 1 did not come within 1 s")
        #expect(late[1].hasPrefix("rank 1 of 2: rank 0 does not listen at 127.0.0.1:"), "\(late)")
        #expect(try await errors([(0, 2), (1, 2)], patience: 30, delays: [0, 1]) == ["came", "came"])
    }

    @Test("two of one rank, and another idea of how many there are, are told apart from who is missing")
    func wrong() async throws {
        let twice = try await errors([(0, 3), (1, 3), (1, 3)], patience: 30)
        #expect(twice[0] == "rank 0 of 3: 2 processes say that they are rank 1 (RANK)")
        let sizes = try await errors([(0, 2), (1, 3)], patience: 30)
        #expect(sizes[0] == "rank 0 of 2: rank 1 says that there are 3 processes, and this one 2 (WORLD_SIZE)")
        let firsts = try await errors([(0, 2), (0, 2)])
        #expect(firsts.contains { $0.contains("cannot be listened at") }, "\(firsts)")
        #expect(firsts.contains { $0.contains("rank 1 did not come within 2 s") }, "\(firsts)")
    }

    @Test("a place where nobody, or somebody else, can be met ends the wait in time")
    func noMaster() throws {
        func join(_ host: String, _ port: Int) throws -> String {
            try heard {
                _ = try ProcessGroup(.init(rank: 1, size: 2, host: host, port: port), patience: 1)
            }
        }
        let clock = ContinuousClock()
        let start = clock.now
        let port = try freePort()
        #expect(try join("127.0.0.1", port).hasPrefix("rank 1 of 2: rank 0 does not listen at 127.0.0.1:\(port)"))
        let silent = try withSilentListener { try join("127.0.0.1", $0) }
        #expect(silent.contains("is not rank 0 of a group"), "\(silent)")
        let nowhere = try join("no.such.machine.invalid", port)
        #expect(nowhere.contains("there is no machine by the name \"no.such.machine.invalid\""), "\(nowhere)")
        // Not a timing: before, each of the three took minutes.
        #expect(clock.now - start < .seconds(90))
    }

    @Test("who has died is named, and who is slow is waited for", arguments: [1, 2])
    func dead(dead: Int) async throws {
        let told = try await run(3, patience: 2) { group -> String in
            // Once all know each other.
            try group.meet()
            if group.rank == dead { return "left" }
            // Longer than anybody may be silent.
            if group.rank == 3 - dead { Thread.sleep(forTimeInterval: 3) }
            return try heard { try group.meet() }
        }
        #expect(told[0] == "rank 0 of 3: rank \(dead) died or hangs: nothing was heard of it for 2 s")
        let slow = try await run(2, patience: 2) { group -> String in
            if group.rank == 1 { Thread.sleep(forTimeInterval: 5) }
            return try heard { try group.meet() }
        }
        #expect(slow == ["came", "came"])
    }

    @Test("who dies in the middle of a gathering is named, and where the place to meet dies, that")
    func gathering() async throws {
        let told = try await run(2, patience: 2) { group -> String in
            // Once all know each other.
            try group.meet()
            if group.rank == 1 { return "left" }
            return try heard { _ = try group.gather([1]) }
        }
        #expect(told[0].hasPrefix("rank 0 of 2: rank 1 died or hangs"), "\(told)")
        let orphan = try await run(2, patience: 2) { group -> String in
            // Once all know each other.
            try group.meet()
            if group.rank == 0 { return "left" }
            Thread.sleep(forTimeInterval: 1)
            return try heard { try group.meet() }
        }
        #expect(orphan[1].hasPrefix("rank 1 of 2: rank 0, where the others meet, is gone"), "\(orphan)")
    }

    @Test("the place is read of the environment, and what is wrong there is named")
    func environment() throws {
        let whole = ["RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "here", "MASTER_PORT": "29500"]
        #expect(
            try ProcessGroup.Place(environment: whole)
                == ProcessGroup.Place(rank: 1, size: 2, host: "here", port: 29500))
        #expect(try ProcessGroup.Place(environment: [:]) == nil)
        #expect(try ProcessGroup.Place(environment: ["WORLD_SIZE": "1"]) == nil)
        let named = try ProcessGroup.Place(environment: whole.merging(["GLOO_SOCKET_IFNAME": "eth1"]) { $1 })
        #expect(named?.interface == "eth1")
        for (name, value) in [
            ("RANK", "2"), ("RANK", nil), ("WORLD_SIZE", "x"), ("MASTER_PORT", "70000"), ("MASTER_ADDR", nil)
        ] {
            var broken = whole
            broken[name] = value
            let error = try #require(throws: TensorError.self) { try ProcessGroup.Place(environment: broken) }
            #expect(error.description.contains(name))
            #expect(error.cause == .place)
        }
    }
}

/// What a member of a group is told: `came` if nothing is wrong. It is always in our own words and of one line.
private func heard(_ body: () throws -> Void) throws -> String {
    do {
        try body()
        return "came"
    } catch let error as TensorError {
        #expect(error.cause == .peers)
        let text = error.description
        #expect(!["frame #", "Exception raised", "PyTorch", "\n", ".cpp"].contains { text.contains($0) }, "\(text)")
        return text
    }
}
