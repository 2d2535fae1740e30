import Foundation
import Testing

@Suite("The server's page", .serialized)
struct PageTests {
    @Test("the page and all that it loads come from the server, under a policy that lets nothing else in")
    func assets() async throws {
        try await Place.with { place in
            try await place.serving { client in
                let page = try await client.get("/")
                #expect(page.status == 200 && page.headers["content-type"] == "text/html; charset=utf-8")
                let policy = try #require(page.headers["content-security-policy"])
                #expect(policy.contains("default-src 'none'") && !policy.contains("unsafe"))
                var waiting = [page.text]
                var seen: Set<String> = []
                while let text = waiting.popLast() {
                    let local = text.matches(of: /(?:href|src|from|import)\s*[=(]?\s*"(\.?\/[a-z.\-]+)"/).map {
                        String($0.1)
                    }
                    for path in local.map({ $0.hasPrefix("./") ? String($0.dropFirst()) : $0 })
                    where seen.insert(path).inserted {
                        let file = try await client.get(path)
                        #expect(file.status == 200, "\(path)")
                        #expect(!file.text.contains("http://") || file.text.contains("www.w3.org"), "\(path)")
                        waiting.append(file.text)
                    }
                }
                #expect(seen.contains("/page.css") && seen.contains("/app.js"))
                // Nothing that the policy would not let through.
                #expect(page.text.firstMatch(of: /style=|onclick=|<script>|<style>/) == nil)
            }
        }
    }
}
