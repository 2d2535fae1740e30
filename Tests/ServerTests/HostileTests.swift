import Foundation
import SutureServer
import SutureTestSupport
import Testing

@Suite("The server refuses", .serialized)
struct HostileTests {
    /// A request as it goes over the wire, and the status of the answer; nil where none is due.
    private struct Attack {
        var name: String
        var bytes: [UInt8]
        var statuses: Set<Int?>
        var later: [(seconds: Double, bytes: [UInt8])] = []

        init(_ name: String, _ text: String, _ statuses: Set<Int?>, later: [(seconds: Double, bytes: [UInt8])] = []) {
            (self.name, bytes, self.statuses, self.later) = (name, Array(text.utf8), statuses, later)
        }
    }

    private func attacks(_ port: Int) -> [Attack] {
        let own = "Host: 127.0.0.1:\(port)\r\nConnection: close\r\n"
        func get(_ name: String, _ path: String, _ headers: String, _ statuses: Set<Int?>) -> Attack {
            Attack(name, "GET \(path) HTTP/1.1\r\nConnection: close\r\n\(headers)\r\n", statuses)
        }
        func head(_ name: String, _ headers: String, _ status: Int) -> Attack {
            get(name, "/v1/models", "Host: 127.0.0.1:\(port)\r\n" + headers, [status])
        }
        func body(_ name: String, _ json: String, _ status: Int, path: String = "/v1/completions") -> Attack {
            Attack(
                name,
                "POST \(path) HTTP/1.1\r\n\(own)Content-Type: application/json\r\nContent-Length: \(json.utf8.count)\r\n\r\n\(json)",
                [status])
        }
        let big = String(repeating: "a", count: 20_000)
        return [
            get("no host", "/health", "", [400]), get("another host", "/health", "Host: evil.example\r\n", [403]),
            get("a name that begins as ours", "/health", "Host: 127.0.0.1.evil.example:\(port)\r\n", [403]),
            get("another port", "/health", "Host: localhost:\(port + 1)\r\n", [403]),
            get("no port", "/health", "Host: localhost\r\n", [403]),
            get("a user in the host", "/health", "Host: localhost:\(port)@evil.example\r\n", [403]),
            get("an address of elsewhere", "/health", "Host: 192.168.0.1:\(port)\r\n", [403]),
            // Browsers send none; its host is not listened to.
            get("an absolute target", "http://evil.example/nothing", "Host: 127.0.0.1:\(port)\r\n", [404]),
            head("another origin", "Origin: http://evil.example\r\n", 403), head("no origin", "Origin: null\r\n", 403),
            head("an origin on another port", "Origin: http://127.0.0.1:\(port + 1)\r\n", 403),
            head("an origin of another scheme", "Origin: https://127.0.0.1:\(port)\r\n", 403),
            head("a script of another site", "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\n", 403),
            head("a script of another port", "Sec-Fetch-Site: same-site\r\nSec-Fetch-Mode: cors\r\n", 403),
            Attack(
                "a form of another site",
                "POST /v1/completions HTTP/1.1\r\n\(own)Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\n"
                    + "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 3\r\n\r\na=b", [403]),
            get("a way up", "/../../etc/passwd", own, [404]),
            get("an escaped way up", "/%2e%2e/%2e%2e/etc/passwd", own, [404]),
            get("a way up to a file", "/api/patches/..%2f..%2fetc%2fpasswd/file", own, [404]),
            get("nothing there", "/nothing", own, [404]),
            get("a zero in the path", "/api/patches/%00/file", own, [404]),
            Attack("a method that is not served", "DELETE /health HTTP/1.1\r\n\(own)\r\n", [404]),
            Attack("no request", "hello\r\n\r\n", [400]), Attack("half a request line", "GET /\r\n\r\n", [400]),
            Attack("another protocol", "\u{16}\u{3}\u{1}\u{0}\u{5}\u{1}\r\n\r\n", [400]),
            Attack("a header without a name", "GET /health HTTP/1.1\r\n\(own)no colon\r\n\r\n", [400]),
            Attack("a long header", "GET /health HTTP/1.1\r\n\(own)X-A: \(big)\r\n\r\n", [400, 431, nil]),
            Attack("a long path", "GET /\(big)\(big) HTTP/1.1\r\n\(own)\r\n", [400, 404, 414, 431, nil]),
            Attack(
                "many headers",
                "GET /health HTTP/1.1\r\n\(own)\((0..<300).map { "X-\($0): a\r\n" }.joined())\r\n", [400, 431, nil]),
            Attack(
                "a negative length",
                "POST /v1/completions HTTP/1.1\r\n\(own)Content-Type: application/json\r\nContent-Length: -5\r\n\r\n{}",
                [400, nil]),
            Attack(
                "two lengths",
                "POST /v1/completions HTTP/1.1\r\n\(own)Content-Type: application/json\r\nContent-Length: 2\r\n"
                    + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", [400, nil]),
            Attack(
                "a body that says it is too large",
                "POST /v1/completions HTTP/1.1\r\n\(own)Content-Type: application/json\r\nContent-Length: 99999999\r\n\r\n{",
                [413]),
            Attack(
                "a body that turns out too large",
                "POST /v1/completions HTTP/1.1\r\n\(own)Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
                    + String(repeating: "4e20\r\n\(big)\r\n", count: 10) + "0\r\n\r\n", [413]),
            Attack(
                "a body of another kind",
                "POST /v1/completions HTTP/1.1\r\n\(own)Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}", [415]),
            Attack("a body of no kind", "POST /v1/completions HTTP/1.1\r\n\(own)Content-Length: 2\r\n\r\n{}", [415]),
            body("no JSON", "{", 400), body("an empty body", "", 400), body("a list", "[]", 400),
            body("JSON that is deep", String(repeating: "[", count: 2000), 400),
            body("a key twice", #"{"prompt": "a", "prompt": "b"}"#, 400), body("no prompt", "{}", 400),
            body("a prompt of another type", #"{"prompt": 5}"#, 400), body("no prompts", #"{"prompt": []}"#, 400),
            body("mixed prompts", #"{"prompt": ["a", 1]}"#, 400),
            body("an empty text", #"{"prompt": ""}"#, 400),
            body("a token that is not there", #"{"prompt": [1, 99999]}"#, 400),
            body("a negative token", #"{"prompt": [-1]}"#, 400),
            body("a fraction of a token", #"{"prompt": [1.5]}"#, 400),
            body("a negative limit", #"{"prompt": "a", "max_tokens": -1}"#, 400),
            body("a limit beyond numbers", #"{"prompt": "a", "max_tokens": 1e300}"#, 400),
            body("a temperature beyond numbers", #"{"prompt": "a", "temperature": 1e999}"#, 400),
            body("a negative temperature", #"{"prompt": "a", "temperature": -1}"#, 400),
            body("no probability left", #"{"prompt": "a", "top_p": 0}"#, 400),
            body("a field that is not known", #"{"prompt": "a", "exec": "ls"}"#, 400),
            body("too many answers", #"{"prompt": "a", "n": 1000}"#, 400),
            body("too many rivals", #"{"prompt": "a", "logprobs": 1000}"#, 400),
            body("a bias", #"{"prompt": "a", "logit_bias": {"1": 5}}"#, 400),
            body("an empty stop string", #"{"prompt": "a", "stop": [""]}"#, 400),
            body("a prompt beyond the context", "{\"prompt\": \"\(String(repeating: "a", count: 1025))\"}", 400),
            body("another model", #"{"prompt": "a", "model": "gpt"}"#, 404),
            body("another patch", #"{"prompt": "a", "model": "tiny+nothing"}"#, 404),
            body("a way up as a patch", #"{"prompt": "a", "model": "tiny+../../etc/passwd"}"#, 404),
            body("a scale that is no number", #"{"prompt": "a", "model": "tiny+x@nan"}"#, 400),
            body("no conversation", #"{"messages": []}"#, 400, path: "/v1/chat/completions"),
            body("a turn without a speaker", #"{"messages": [{"content": "a"}]}"#, 400, path: "/v1/chat/completions"),
            body(
                "a picture",
                #"{"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://a"}}]}]}"#,
                400, path: "/v1/chat/completions"),
            body("a repair without an answer", #"{"prompt": "a"}"#, 400, path: "/api/jobs"),
            body(
                "a job of another kind", #"{"kind": "shell", "prompt": "a", "expected": "b"}"#, 400, path: "/api/jobs"),
            get("a job without a number", "/api/jobs/abc", own, [400]), get("another job", "/api/jobs/999", own, [404]),
            Attack(
                "a patch with a way up for a name",
                "PUT /api/patches/..%2fx HTTP/1.1\r\n\(own)Content-Type: application/octet-stream\r\nContent-Length: 1\r\n\r\na",
                [400]),
            Attack(
                "a file that is no patch",
                "PUT /api/patches/x HTTP/1.1\r\n\(own)Content-Type: application/octet-stream\r\nContent-Length: 9\r\n\r\n\0\0\0\0\0\0\0\0{",
                [400]),
            Attack(
                "an empty file",
                "PUT /api/patches/x HTTP/1.1\r\n\(own)Content-Type: application/octet-stream\r\nContent-Length: 0\r\n\r\n",
                [400]),
            Attack("another patch, to remove", "DELETE /api/patches/x HTTP/1.1\r\n\(own)\r\n", [404])
        ]
    }

    /// Bodies that come slowly, or stop to come.
    private func slow(_ port: Int) -> [Attack] {
        let head =
            "POST /v1/completions HTTP/1.1\r\nHost: 127.0.0.1:\(port)\r\nConnection: close\r\n"
            + "Content-Type: application/json\r\nContent-Length: 50\r\n\r\n"
        return [
            Attack("a body that stops coming", head + "{\"a", [408]),
            // No longer than the server waits behind its answer: what comes then would take the answer away.
            Attack("a body that trickles", head, [408], later: (0..<5).map { _ in (0.25, Array("a".utf8)) })
        ]
    }

    /// The limits leave no doubt which of them comes first, however busy the machine is.
    @Test("a body that is slow is answered as such")
    func slowBodies() async throws {
        try await exchange(bodySeconds: 1, idleSeconds: 600, slow)
    }

    @Test("headers that stop coming are not waited for")
    func slowHeaders() async throws {
        try await exchange(bodySeconds: 600, idleSeconds: 1) { _ in
            [Attack("headers that stop coming", "GET /health HTTP/1.1\r\nHost: 127", [nil, 400])]
        }
    }

    private func exchange(
        bodySeconds: Double, idleSeconds: Int, _ attacks: @escaping @Sendable (_ port: Int) -> [Attack]
    ) async throws {
        try await Place.with { place in
            var limits = ServerLimits()
            (limits.bodySeconds, limits.idleSeconds) = (bodySeconds, idleSeconds)
            try await place.serving(limits) { client in
                try await withThrowingTaskGroup { group in
                    for attack in attacks(client.port) {
                        group.addTask {
                            let answer = try await Wire.exchange(attack.bytes, port: client.port, then: attack.later)
                            #expect(attack.statuses.contains(answer?.status), "\(attack.name): \(answer?.text ?? "")")
                        }
                    }
                    try await group.waitForAll()
                }
                #expect(try await client.get("/health").status == 200)
            }
        }
    }

    @Test("what is hostile or wrong gets its status and one line, and the server goes on")
    func attacks() async throws {
        try await Place.with { place in
            var limits = ServerLimits()
            limits.body = 100_000
            try await place.serving(limits) { client in
                let attacks = attacks(client.port)
                #expect(attacks.count >= 70)
                try await withThrowingTaskGroup { group in
                    for attack in attacks {
                        group.addTask {
                            let answer = try await Wire.exchange(attack.bytes, port: client.port, then: attack.later)
                            #expect(
                                attack.statuses.contains(answer?.status),
                                "\(attack.name): \(answer?.status ?? 0) \(answer?.text ?? "")")
                            // What does not even parse is answered by the parser, without a body.
                            guard let answer, answer.body.count > 0 || answer.status != 400 else { return }
                            #expect(answer.message != nil, "\(attack.name): \(answer.text)")
                            #expect(answer.headers["x-content-type-options"] == "nosniff", "\(attack.name)")
                            #expect(!answer.text.contains(place.url.path), "\(attack.name): \(answer.text)")
                        }
                    }
                    try await group.waitForAll()
                }
                #expect(try await client.get("/health").status == 200)
                #expect(try await client.text("abc") == place.written("abc", tokens: 12))
                let left = try FileManager.default.contentsOfDirectory(
                    atPath: place.folder.appending(path: "patches").path)
                #expect(left.isEmpty)
            }
        }
    }

    @Test("more than may wait is turned away, and what waits is answered")
    func queue() async throws {
        try await Place.with { place in
            var limits = ServerLimits()
            (limits.queue, limits.batch) = (2, 1)
            try await place.serving(limits) { client in
                let long = ["prompt": "abc", "max_tokens": 200, "temperature": 0] as [String: Any]
                async let first = client.post("/v1/completions", long)
                // The engine has taken it in: two others may wait.
                while try await !client.get("/metrics").text.contains("suture_active 1") { await Task.yield() }
                let statuses = try await withThrowingTaskGroup { group in
                    for _ in 0..<12 {
                        group.addTask {
                            let answer = try await client.post("/v1/completions", ["prompt": "abc", "max_tokens": 60])
                            #expect(answer.status == 200 || answer.headers["retry-after"] != nil)
                            return answer.status
                        }
                    }
                    var statuses: [Int] = []
                    for try await status in group { statuses.append(status) }
                    return statuses
                }
                let all = try await statuses + [first.status]
                #expect(Set(all) == [200, 429] && all.count { $0 == 200 } >= 3)
            }
        }
    }

    @Test("a text that takes too long ends with an error")
    func time() async throws {
        try await Place.with { place in
            // A sampled text may end early: one that does not is looked for, so that it is the time that ends it.
            var request = ["prompt": "abc", "max_tokens": 200, "temperature": 0.5] as [String: Any]
            try await place.serving { client in
                for seed in 0..<50 {
                    request["seed"] = seed
                    let choices = try await client.post("/v1/completions", request).json["choices"] as? [[String: Any]]
                    if choices?.first?["finish_reason"] as? String == "length" { return }
                }
                Issue.record("every text ends early")
            }
            request["max_tokens"] = 1000
            var limits = ServerLimits()
            limits.seconds = 0.05
            try await place.serving(limits) { client in
                let answer = try await client.post("/v1/completions", request)
                #expect(answer.status == 408 && answer.message?.contains("longer than") == true)
                let streamed = try await client.post("/v1/completions", request.merging(["stream": true]) { $1 })
                #expect(streamed.events.last?["error"] != nil)
            }
        }
    }
}
