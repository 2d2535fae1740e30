import Foundation
import SutureKit
import SutureServer
import Testing

@Suite("The server writes", .serialized)
struct WritingTests {
    @Test("the tokens of suture generate, most likely or drawn, to a stop string or a limit")
    func equality() async throws {
        try await Place.with { place in
            try await place.serving { client in
                for prompt in ["abc", "Once upon", "é\u{1F642}"] {
                    #expect(try await client.text(prompt) == place.written(prompt, tokens: 12))
                }
                let drawn = try place.written(
                    "abc", tokens: 20, sampling: Sampling(temperature: 0.9, topK: 40, topP: 0.95, seed: 7))
                let settings: [String: Any] = ["temperature": 0.9, "top_k": 40, "top_p": 0.95, "seed": 7]
                #expect(try await client.text("abc", tokens: 20, settings) == drawn)
                #expect(try await client.text("abc", tokens: 20, ["temperature": 0.9, "seed": 8]) != drawn)

                let whole = try place.written("abc", tokens: 12)
                let stop = String(whole.dropFirst(3).prefix(2))
                let stopped = try await client.text("abc", ["stop": [stop, "never there"]])
                #expect(stopped == (try place.written("abc", tokens: 12, stop: [stop])) && stopped.count < whole.count)
            }
        }
    }

    @Test("answers of concurrent requests, streamed or not, are those of each alone")
    func concurrency() async throws {
        try await Place.with { place in
            try await place.serving { client in
                let prompts = (0..<12).map { "prompt \($0) " + String(repeating: "x", count: $0 * 3) }
                let answers = try await withThrowingTaskGroup { group in
                    for (index, prompt) in prompts.enumerated() {
                        group.addTask {
                            let answer = try await client.post(
                                "/v1/completions",
                                [
                                    "prompt": prompt, "max_tokens": 10 + index, "temperature": 0,
                                    "stream": index % 2 == 0
                                ])
                            guard index % 2 == 0 else {
                                return (
                                    index, (answer.json["choices"] as? [[String: Any]])?[0]["text"] as? String ?? ""
                                )
                            }
                            #expect(answer.text.hasSuffix("data: [DONE]\n\n"))
                            return (
                                index,
                                answer.events.compactMap {
                                    ($0["choices"] as? [[String: Any]])?.first?["text"] as? String
                                }.joined()
                            )
                        }
                    }
                    var answers: [Int: String] = [:]
                    for try await (index, text) in group { answers[index] = text }
                    return answers
                }
                for (index, prompt) in prompts.enumerated() {
                    #expect(answers[index] == (try place.written(prompt, tokens: 10 + index)), "\(prompt)")
                }
                // Passes were shared.
                let metrics = try await client.get("/metrics").text
                func value(_ name: String) throws -> Double {
                    let line = try #require(metrics.split(separator: "\n").first { $0.hasPrefix(name + " ") })
                    return try #require(Double(line.split(separator: " ")[1]))
                }
                #expect(try value("suture_pass_rows_total") > value("suture_passes_total"))
                #expect(try value("suture_tokens_total") == Double((0..<12).reduce(0) { $0 + 10 + $1 }))
                #expect(try value("suture_active") == 0 && value("suture_waiting") == 0)
            }
        }
    }

    @Test("log probabilities are those of the model's scores, also of an echoed prompt")
    func logProbabilities() async throws {
        try await Place.with { place in
            let checkpoint = try Checkpoint(place.model)
            let model = try LanguageModel.load(checkpoint)
            try await place.serving { client in
                let answer = try await client.post(
                    "/v1/completions",
                    ["prompt": "abcd", "max_tokens": 3, "temperature": 0, "logprobs": 2, "echo": true])
                let choice = try #require((answer.json["choices"] as? [[String: Any]])?.first)
                let text = try #require(choice["text"] as? String)
                #expect(text.hasPrefix("abcd"))
                let logs = try #require(choice["logprobs"] as? [String: Any])
                let tokens = try #require(logs["tokens"] as? [String])
                let found = try #require(logs["token_logprobs"] as? [Any])
                let tops = try #require(logs["top_logprobs"] as? [Any])
                #expect(tokens.count == 7 && found.count == 7 && tops.count == 7 && found[0] is NSNull)
                let ids =
                    Array("abcd".utf8).map(Int.init)
                    + (try LanguageModel.load(checkpoint).generate(
                        Array("abcd".utf8).map(Int.init), limit: 3))
                let scores = try model.run([ids], logits: .all).logits.selected(0, 0)
                for place in 1..<7 {
                    let row = try scores.selected(0, place - 1).floats().map(Double.init)
                    let expected = row[ids[place]] - log(row.reduce(0) { $0 + exp($1) })
                    #expect(abs(try #require(found[place] as? Double) - expected) < 1e-4)
                    let top = try #require(tops[place] as? [String: Double])
                    #expect(
                        abs(try #require(top.values.max()) - ((row.max() ?? 0) - row[ids[place]] + expected)) < 1e-4)
                }
                #expect(
                    answer.json["usage"] as? [String: Int] == [
                        "prompt_tokens": 4, "completion_tokens": 3, "total_tokens": 7
                    ])
                // As lm-eval asks: tokens, and only the prompt is scored.
                let scored = try await client.post(
                    "/v1/completions", ["prompt": [ids], "max_tokens": 0, "logprobs": 1, "echo": true])
                let list = try #require(
                    ((scored.json["choices"] as? [[String: Any]])?[0]["logprobs"] as? [String: Any])?["token_logprobs"]
                        as? [Any])
                #expect(list.count == 7)
                for (a, b) in zip(list.dropFirst(), found.dropFirst()) {
                    #expect(abs(try #require(a as? Double) - (b as? Double ?? 0)) < 1e-4)
                }
            }
        }
    }

    @Test("a conversation is asked in the model's own format")
    func chat() async throws {
        try await Place.with { place in
            try await place.serving { client in
                let messages = [["role": "user", "content": "abc"]]
                let request: [String: Any] = [
                    "messages": messages, "max_tokens": 6, "temperature": 0, "logprobs": true, "top_logprobs": 3
                ]
                let answer = try await client.post("/v1/chat/completions", request)
                let choice = try #require((answer.json["choices"] as? [[String: Any]])?.first)
                let text = (choice["message"] as? [String: Any])?["content"] as? String
                #expect(text == (try place.written("[user]abc!>", tokens: 6)))
                let logs = try #require((choice["logprobs"] as? [String: Any])?["content"] as? [[String: Any]])
                #expect(logs.allSatisfy { ($0["top_logprobs"] as? [Any])?.count == 3 })
                #expect(logs.compactMap { $0["bytes"] as? [Int] }.flatMap(\.self).count <= 6)

                let streamed = try await client.post(
                    "/v1/chat/completions",
                    request.merging(["stream": true, "stream_options": ["include_usage": true]]) { $1 })
                let deltas = streamed.events.compactMap {
                    ($0["choices"] as? [[String: Any]])?.first?["delta"] as? [String: Any]
                }
                #expect(deltas.first?["role"] as? String == "assistant")
                #expect(deltas.compactMap { $0["content"] as? String }.joined() == text)
                let usage = try #require(streamed.events.last?["usage"] as? [String: Int])
                #expect(usage["prompt_tokens"] == "[user]abc!>".utf8.count)
                let reasons = streamed.events.compactMap {
                    ($0["choices"] as? [[String: Any]])?.first?["finish_reason"] as? String
                }
                #expect(reasons.count == 1)
            }
        }
    }

    @Test("several prompts and answers come in their order; the same seed draws the same")
    func several() async throws {
        try await Place.with { place in
            try await place.serving { client in
                func choices(_ more: [String: Any]) async throws -> [String] {
                    let request: [String: Any] = ["max_tokens": 5, "temperature": 1, "seed": 3]
                    let answer = try await client.post("/v1/completions", request.merging(more) { $1 })
                    return (answer.json["choices"] as? [[String: Any]] ?? []).compactMap { $0["text"] as? String }
                }
                let all = try await choices(["prompt": ["abc", "xyz"], "n": 2])
                #expect(all.count == 4 && all[0] != all[1])
                for (index, prompt) in ["abc", "abc", "xyz", "xyz"].enumerated() {
                    let sampling = try Sampling(seed: UInt64(3 + index % 2))
                    #expect(all[index] == (try place.written(prompt, tokens: 5, sampling: sampling)))
                }
                #expect(try await choices(["prompt": ["abc", "xyz"], "n": 2]) == all)
            }
        }
    }

    @Test("the server ends when it is told, after what runs is finished; a listener that leaves frees its place")
    func ending() async throws {
        try await Place.with { place in
            let server = try await Server(Checkpoint(place.model), folder: place.folder, address: .anyPort)
            let started = AsyncStream<URL>.makeStream()
            let running = Task { try await server.run { started.continuation.yield($0) } }
            var places = started.stream.makeAsyncIterator()
            let client = Client(port: try #require(await places.next()?.port))
            let request = ["prompt": "abc", "max_tokens": 200, "temperature": 0, "stream": true] as [String: Any]
            async let answer = client.post("/v1/completions", request)
            while try await !client.get("/metrics").text.contains("suture_active 1") { await Task.yield() }
            server.stop()
            try await running.value
            #expect(try await answer.text.hasSuffix("data: [DONE]\n\n"))
            await #expect(throws: POSIXError.self) { try await client.get("/health") }
        }
    }
}
