import SutureTensor
import SutureVision
import Testing

@Suite("Sets of images")
struct ImageSetTests {
    @Test("parts hold every image once, with its label, and follow their seed")
    func parts() throws {
        let whole = ImageSet(
            pixels: try Tensor((0..<40).map { UInt8($0) }, shape: [10, 1, 2, 2]), labels: Array(0..<10),
            classes: (0..<10).map(String.init))
        let (kept, aside) = try whole.parts(settingAside: 0.3, seed: 1)
        #expect(kept.count == 7 && aside.count == 3)
        #expect((kept.labels + aside.labels).sorted() == whole.labels)
        for part in [kept, aside] {
            #expect(part.labels == part.labels.sorted())
            let pixels: [UInt8] = try part.pixels.elements()
            #expect(pixels == part.labels.flatMap { label in (0..<4).map { UInt8(4 * label + $0) } })
        }
        #expect(try whole.parts(settingAside: 0.3, seed: 1).aside.labels == aside.labels)
        #expect(try whole.parts(settingAside: 0.3, seed: 2).aside.labels != aside.labels)
        #expect(try whole.parts(settingAside: 0, seed: 2).kept.labels == whole.labels)
    }
}
