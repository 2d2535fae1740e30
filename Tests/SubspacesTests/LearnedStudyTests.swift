import SutureSubspaces
import Testing

@Suite("Illusions that DAS learns, whose truth is known")
struct LearnedStudyTests {
    @Test("assembled and trained networks are what they say, and the evidence is judged on them")
    func learned() throws {
        let study = try LearnedStudy(count: 4, seed: 1, families: [.assembled, .trained])
        #expect(study.families == [.assembled, .trained])
        print(
            study.directions.map {
                "\($0.family) \($0.kind) \($0.seed) ill \(String(describing: $0.isIllusory)) used \($0.usedShare ?? -9) eff \($0.effect) inert \($0.inert ?? -9) score \($0.score.value) created \($0.score.created) shr \($0.score.shrinks) kern \($0.score.readsKernel ?? -1) sil \($0.score.silent ?? -1) push \($0.score.pushed)"
            }.joined(separator: "\n"), study.dropped)
    }
}
