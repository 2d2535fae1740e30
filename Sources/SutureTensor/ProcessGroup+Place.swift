import Foundation

extension ProcessGroup {
    /// How to join a group.
    public struct Place: Sendable, Equatable {
        public var rank: Int
        public var size: Int
        /// The machine that rank 0 is on, and a port that is free there.
        public var host: String
        public var port: Int
        /// Whether somebody else serves as the place to meet; `torchrun` does that for its children.
        public var isServed = false
        /// The network interface by which the others reach this process, as `GLOO_SOCKET_IFNAME` names it; nil for the one by
        /// which rank 0 is reached.
        public var interface: String?
        /// Which start of the group this is, where it is started again at the same place.
        public var attempt = 0

        /// A place by its four values.
        public init(rank: Int, size: Int, host: String, port: Int) {
            (self.rank, self.size, self.host, self.port) = (rank, size, host, port)
        }

        /// What `torchrun` says in its children's environment, and who starts them by hand says too: `RANK`,
        /// `WORLD_SIZE`, `MASTER_ADDR`, `MASTER_PORT`. Nil where there is no `WORLD_SIZE`, or it is 1.
        ///
        /// Throws ``TensorError`` of cause `place` where one of the others is missing or impossible.
        public init?(environment: [String: String]) throws(TensorError) {
            func number(_ name: String, in range: ClosedRange<Int>) throws(TensorError) -> Int {
                let text = environment[name]
                guard let text, let value = Int(text), range.contains(value) else {
                    throw Self.error(
                        "\(name) is \(text ?? "not set"); expected \(range.lowerBound) to \(range.upperBound)")
                }
                return value
            }
            guard environment["WORLD_SIZE"] != nil else { return nil }
            size = try number("WORLD_SIZE", in: 1...4096)
            guard size > 1 else { return nil }
            rank = try number("RANK", in: 0...size - 1)
            port = try number("MASTER_PORT", in: 1...65535)
            guard let address = environment["MASTER_ADDR"], !address.isEmpty else {
                throw Self.error("MASTER_ADDR is not set; expected the machine of rank 0")
            }
            host = address
            interface = environment["GLOO_SOCKET_IFNAME"].flatMap { $0.isEmpty ? nil : $0 }
            isServed = environment["TORCHELASTIC_USE_AGENT_STORE"] == "True"
            attempt = environment["TORCHELASTIC_RESTART_COUNT"].flatMap(Int.init) ?? 0
        }

        private static func error(_ reason: String) -> TensorError {
            TensorError("ProcessGroup", cause: .place, reason: reason)
        }

        /// The address of this machine on the way to rank 0's: the others are there, too. Nil where that is this machine by a
        /// name of its own, by which no other one knows it.
        var ownAddress: String? {
            var hints = addrinfo()
            hints.ai_socktype = Int32(SOCK_DGRAM.rawValue)
            var list: UnsafeMutablePointer<addrinfo>?
            guard getaddrinfo(host, "\(port)", &hints, &list) == 0, let found = list?.pointee else { return nil }
            defer { freeaddrinfo(list) }
            let probe = socket(found.ai_family, found.ai_socktype, 0)
            guard probe >= 0 else { return nil }
            defer { close(probe) }
            // No packet is sent.
            guard connect(probe, found.ai_addr, found.ai_addrlen) == 0 else { return nil }
            var (address, length) = (sockaddr_storage(), socklen_t(MemoryLayout<sockaddr_storage>.size))
            var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
            let isNamed = withUnsafeMutablePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    getsockname(probe, $0, &length) == 0
                        && getnameinfo($0, length, &text, socklen_t(text.count), nil, 0, NI_NUMERICHOST) == 0
                }
            }
            guard isNamed else { return nil }
            let own = String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
            return own.hasPrefix("127.") || own == "::1" ? nil : own
        }

        var serves: Bool { rank == 0 && !isServed }
        var name: String { "rank \(rank) of \(size)" }
        var address: String { "\(host):\(port)" }
        /// Who serves as the place to meet.
        var server: String { isServed ? "the place to meet at \(address)" : "rank 0, where the others meet," }

        /// Why nobody could be met there, in a sentence: looks whether anybody listens.
        func trouble(waited seconds: Double) -> String {
            if serves {
                return "port \(port) (MASTER_PORT) cannot be listened at; another process may have it, maybe one that "
                    + "says it is rank 0, too"
            }
            var hints = addrinfo()
            hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
            var list: UnsafeMutablePointer<addrinfo>?
            guard getaddrinfo(host, "\(port)", &hints, &list) == 0 else {
                return "there is no machine by the name \"\(host)\" (MASTER_ADDR)"
            }
            defer { freeaddrinfo(list) }
            var (next, listens) = (list, false)
            while let address = next, !listens {
                listens = Self.answers(address)
                next = address.pointee.ai_next
            }
            return listens
                ? "what listens at \(address) is not rank 0 of a group; name its machine and port with MASTER_ADDR and "
                    + "MASTER_PORT"
                : "rank 0 does not listen at \(address) (MASTER_ADDR, MASTER_PORT); \(seconds.plain) s were waited for it"
        }

        /// Whether somebody listens at an address, within two seconds.
        private static func answers(_ address: UnsafeMutablePointer<addrinfo>) -> Bool {
            let it = address.pointee
            let probe = socket(it.ai_family, it.ai_socktype, it.ai_protocol)
            guard probe >= 0 else { return false }
            defer { close(probe) }
            _ = fcntl(probe, F_SETFL, O_NONBLOCK)
            if connect(probe, it.ai_addr, it.ai_addrlen) == 0 { return true }
            var wait = pollfd(fd: probe, events: Int16(POLLOUT), revents: 0)
            guard errno == EINPROGRESS, poll(&wait, 1, 2000) == 1 else { return false }
            var (trouble, length) = (Int32(0), socklen_t(MemoryLayout<Int32>.size))
            return getsockopt(probe, SOL_SOCKET, SO_ERROR, &trouble, &length) == 0 && trouble == 0
        }
    }
}

extension Double {
    /// `30`, and `0.5`.
    var plain: String { self == rounded() && abs(self) < 1e9 ? "\(Int(self))" : "\(self)" }
}
