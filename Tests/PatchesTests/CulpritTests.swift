import Foundation
import SutureTensor
import Testing

@testable import SuturePatches

@Suite("Culprits among patches")
struct CulpritTests {
    @Test(
        "one is found in few questions; where nothing is wrong there is none, where the model is wrong it is none of them"
    )
    func one() {
        for count in 1...40 {
            for culprit in 0..<count {
                var asked = 0
                let found = Culprits.find(among: count) { kept in
                    asked += 1
                    return !kept.contains(culprit)
                }
                #expect(found == [culprit])
                #expect(asked <= 3 + Int(log2(Double(count)).rounded(.up)), "\(asked) of \(count)")
            }
        }
        #expect(Culprits.find(among: 5) { _ in true } == [])
        #expect(Culprits.find(among: 5) { _ in false } == nil)
        #expect(Culprits.find(among: 0) { _ in false } == nil)
    }

    @Test("of any fault the patches found are enough, and none of them can be left out")
    func laws() throws {
        var random = SeededGenerator(seed: 3)
        var answered = 0
        for round in 0..<300 {
            let count = 1 + round % 7
            // A fault by chance for each set of patches, often without patches, too.
            let faults = Set((0..<(1 << count)).filter { _ in random.below(3) > 0 })
            func isFree(_ kept: [Int]) -> Bool { !faults.contains(kept.reduce(0) { $0 | (1 << $1) }) }
            let all = Array(0..<count)
            guard let found = Culprits.find(among: count, isFree: isFree) else {
                #expect((0...count).allSatisfy { !isFree(Array(all[..<$0])) })
                #expect(all.allSatisfy { left in !isFree(all.filter { $0 != left }) })
                continue
            }
            answered += 1
            #expect(isFree(all.filter { !found.contains($0) }))
            for place in found { #expect(!isFree(all.filter { $0 == place || !found.contains($0) })) }
            #expect(found.isEmpty == isFree(all))
        }
        #expect((200..<300).contains(answered))
    }

    @Test("two that are harmless alone: one of them is enough; what one patch brought, another can take")
    func pair() {
        #expect(Culprits.find(among: 5) { $0.contains(1) && !$0.contains(3) } == [3])
        #expect(Culprits.find(among: 5) { $0.contains(3) && !$0.contains(1) } == [1])
        #expect(Culprits.find(among: 6) { !($0.contains(1) && $0.contains(4)) } == [4])
    }
}
