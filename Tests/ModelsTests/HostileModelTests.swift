import Foundation
import SutureTestSupport
import SutureVariants
import Testing

@Suite("Models with something wrong in them")
struct HostileModelTests {
    private static let seeds = Result { try Variant.Seeds() }

    @Test("each ends right or with one clear line", arguments: 0..<4)
    func variants(group: UInt64) throws {
        let seeds = try Self.seeds.get()
        var random = SplitMix64(state: group)
        var refused = 0
        for round in 0..<50 {
            let variant = try #require(Variant(of: seeds, &random))
            do {
                try withQuickDirectory { try variant.use(in: $0) }
            } catch {
                refused += 1
                if let fault = Variant.fault(in: error) { Issue.record("\(round), \(variant.description): \(fault)") }
            }
        }
        #expect((5..<50).contains(refused))
    }
}
