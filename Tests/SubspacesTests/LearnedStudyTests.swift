import SutureSubspaces
import Testing

@Suite("Illusions that DAS learns, whose truth is known")
struct LearnedStudyTests {
    @Test("assembled and trained networks are what they say, and the evidence ranks the questions of a trained one")
    func learned() throws {
        let study = try LearnedStudy(count: 2, seed: 1, families: [.assembled, .trained])
        #expect(study.directions.count == 12)
        #expect(study.kinds(.assembled).count == 4)
        for direction in study.directions where direction.family == .assembled {
            // Without used channels nothing passes there; where the MLP cannot see the feature, nothing controls it.
            if direction.kind.hasPrefix("around") { #expect(abs(direction.usedShare ?? 1) < 1e-6) }
            if direction.isIllusory == nil {
                #expect(abs(direction.effect) < 0.3)
            } else {
                #expect(direction.effect > 0.5)
            }
        }
        let trained = study.judged(.trained)
        let illusory = try #require(trained.first { $0.isIllusory == true })
        let faithful = try #require(trained.first { $0.isIllusory == false })
        #expect(illusory.score.value > faithful.score.value)
        #expect(study.auc(.trained) { $0.score.value }?.value == 1)
    }
}
