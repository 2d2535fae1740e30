import Foundation
import SutureFormats
import SutureModels
import SutureTensor
import SutureTestSupport
import SutureVision
import Testing

/// Small sets of every form.
private struct Files: Sendable {
    let root: URL

    func write(_ bytes: [UInt8], to path: String) throws {
        let url = root.appending(path: path)
        try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(bytes).write(to: url)
    }

    func write(_ text: String, to path: String) throws { try write(Array(text.utf8), to: path) }

    func write(base64 text: String, to path: String) throws {
        try write(Array(try #require(Data(base64Encoded: text))), to: path)
    }

    /// One colour (or grey), in a PNG or JPEG file by the name's end.
    func picture(_ path: String, _ colour: [UInt8], size: Int = 4) throws {
        let pixels = colour.flatMap { [UInt8](repeating: $0, count: size * size) }
        let picture = Picture(pixels: pixels, channels: colour.count, height: size, width: size)
        try write(path.lowercased().hasSuffix(".png") ? picture.png() : picture.jpeg(quality: 100), to: path)
    }

    func mnist() throws {
        // Two images of 2 x 2 with the bytes 0...7, classes 1 and 0.
        for part in ["train", "t10k"] {
            try write(
                base64: "H4sIAAAAAAACA2Ng4GBmYGBggmNGJmYWVjZ2AD/UghYYAAAA", to: "mnist/\(part)-images-idx3-ubyte.gz")
            try write(base64: "H4sIAAAAAAACA2Ng4GBkYGBgYmQAAFidh4wKAAAA", to: "mnist/\(part)-labels-idx1-ubyte.gz")
        }
    }

    func cifar10() throws {
        for batch in 1...5 {
            try write(row([UInt8(batch)], batch) + row([0], batch + 100), to: "cifar10/data_batch_\(batch).bin")
        }
        try write(row([9], 7), to: "cifar10/test_batch.bin")
        try write((0..<10).map { "class \($0)\n" }.joined() + "\n", to: "cifar10/batches.meta.txt")
    }

    func cifar100() throws {
        try write(row([3, 99], 1) + row([4, 42], 2), to: "cifar100/train.bin")
        try write(row([5, 0], 3), to: "cifar100/test.bin")
        try write((0..<100).map { "class \($0)\n" }.joined(), to: "cifar100/fine_label_names.txt")
    }

    /// Red is `value`, green 1 and blue 2 more; the first byte of red is 255.
    private func row(_ labels: [UInt8], _ value: Int) -> [UInt8] {
        var planes = (0..<3).flatMap { [UInt8](repeating: UInt8(value + $0), count: 1024) }
        planes[0] = 255
        return labels + planes
    }

    /// What NumPy saved: `arange(10 * 2 * 1 * 3)` as bytes in the shape (10, 2, 1, 3), and `arange(10) % 3` as int64.
    func array() throws {
        try write(
            base64: "k05VTVBZAQB2AHsnZGVzY3InOiAnfHUxJywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDEwLCAyLC"
                + "AxLCAzKSwgfSAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAQIDBAUG"
                + "BwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyAhIiMkJSYnKCkqKywtLi8wMTIzNDU2Nzg5Ojs=",
            to: "array/fog.npy")
        try write(
            base64: "k05VTVBZAQB2AHsnZGVzY3InOiAnPGk4JywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDEwLCksIH"
                + "0gICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAAAAAAA"
                + "AAEAAAAAAAAAAgAAAAAAAAAAAAAAAAAAAAEAAAAAAAAAAgAAAAAAAAAAAAAAAAAAAAEAAAAAAAAAAgAAAAAAAAAAAA"
                + "AAAAAAAA==",
            to: "array/labels.npy")
    }

    func folders() throws {
        try picture("folders/train/cat/2.png", [7])
        try picture("folders/train/cat/10.png", [5, 6, 7])
        try picture("folders/train/dog/1.PNG", [1, 2, 3])
        try picture("folders/val/dog/1.jpg", [200])
        try write("what this is", to: "folders/README")
        try write("", to: "folders/train/cat/.hidden")
    }

    func tinyImageNet() throws {
        try write("n2\nn1\n", to: "tiny/wnids.txt")
        try picture("tiny/train/n1/images/n1_0.png", [10, 20, 30])
        try picture("tiny/train/n2/images/n2_0.jpeg", [40])
        try write("box", to: "tiny/train/n2/n2_boxes.txt")
        try picture("tiny/val/images/val_0.png", [50, 60, 70])
        try picture("tiny/val/images/val_1.png", [80])
        try write("val_0.png\tn2\t0\t0\t62\t62\nval_1.png\tn1\t0\t0\t62\t62\n", to: "tiny/val/val_annotations.txt")
    }

    func read(_ path: String, _ split: ImageSet.Split = .train, fit: ImageFit = .none, severity: Int? = nil) throws
        -> ImageSet
    {
        try ImageSet(contentsOf: root.appending(path: path), split: split, fit: fit, severity: severity)
    }
}

private func bytes(_ images: ImageSet) throws -> [UInt8] { try images.pixels.elements() }

@Suite("Sets of images are read in the form that they have")
struct ReadingTests {
    private func with(_ body: (Files) throws -> Void) throws {
        try withTemporaryDirectory { try body(Files(root: $0)) }
    }

    @Test("MNIST, packed and plain")
    func mnist() throws {
        try with { files in
            try files.mnist()
            let packed = try files.read("mnist", .test)
            #expect(packed.pixels.shape == [2, 1, 2, 2] && packed.labels == [1, 0] && packed.classes == ["0", "1"])
            #expect(try bytes(packed) == Array(0..<8))
            // A plain file goes before a packed one.
            try files.write([0, 0, 8, 1, 0, 0, 0, 2, 1, 1], to: "mnist/train-labels-idx1-ubyte")
            #expect(try files.read("mnist", .train).labels == [1, 1])
        }
    }

    @Test("CIFAR-10: five batches, planes of colours, names")
    func cifar10() throws {
        try with { files in
            try files.cifar10()
            let train = try files.read("cifar10")
            #expect(train.labels == [1, 0, 2, 0, 3, 0, 4, 0, 5, 0] && train.classes[9] == "class 9")
            #expect(train.pixels.shape == [10, 3, 32, 32])
            let pixels = try bytes(train)
            #expect(pixels[3072 + 1] == 101 && pixels[3072 + 1024] == 102 && pixels[2 * 3072] == 255)
            #expect(try files.read("cifar10", .test).labels == [9])
        }
    }

    @Test("CIFAR-100: the fine classes")
    func cifar100() throws {
        try with { files in
            try files.cifar100()
            let train = try files.read("cifar100")
            #expect(train.labels == [99, 42] && train.classes.count == 100 && train.classes[42] == "class 42")
            #expect(try bytes(train)[3072 + 1024] == 3)
            #expect(try files.read("cifar100", .test).labels == [0])
        }
    }

    @Test("CIFAR-C: an array of NumPy, all of it and one severity")
    func array() throws {
        try with { files in
            try files.array()
            let all = try files.read("array/fog.npy")
            #expect(all.pixels.shape == [10, 3, 2, 1] && all.labels == (0..<10).map { $0 % 3 })
            #expect(all.classes == ["0", "1", "2"])
            #expect(try bytes(all)[..<6].elementsEqual([0, 3, 1, 4, 2, 5]))
            let second = try files.read("array/fog.npy", severity: 2)
            #expect(second.labels == [2, 0])
            #expect(try bytes(second) == [12, 15, 13, 16, 14, 17, 18, 21, 19, 22, 20, 23])
            try files.write("a\nb\nc\nd\n", to: "array/classes.txt")
            #expect(try files.read("array/fog.npy").classes == ["a", "b", "c", "d"])
        }
    }

    @Test("folders of classes; grey pictures become colours beside colours")
    func folders() throws {
        try with { files in
            try files.folders()
            let train = try files.read("folders")
            #expect(train.classes == ["cat", "dog"] && train.labels == [0, 0, 1])
            #expect(train.pixels.shape == [3, 3, 4, 4])
            #expect(try bytes(train) == [5, 6, 7, 7, 7, 7, 1, 2, 3].flatMap { [UInt8](repeating: $0, count: 16) })
            let test = try files.read("folders", .test)
            #expect(test.classes == ["cat", "dog"] && test.labels == [1] && test.pixels.shape == [1, 1, 4, 4])
            #expect(try bytes(test)[0] == 200)
            // Grey first, then colour.
            try files.picture("folders/train/cat/0.png", [9])
            #expect(
                try bytes(files.read("folders"))[..<64]
                    == [9, 9, 9, 5].flatMap { [UInt8](repeating: $0, count: 16) }[...])
            #expect(try files.read("folders/train", .test).labels == [0, 0, 0, 1])
            #expect(try files.read("folders/train/dog").classes == ["dog"])
            try files.write("dog\ncat\n", to: "folders/classes.txt")
            #expect(try files.read("folders").labels == [1, 1, 1, 0])
        }
    }

    @Test("Tiny-ImageNet")
    func tinyImageNet() throws {
        try with { files in
            try files.tinyImageNet()
            let train = try files.read("tiny")
            #expect(train.classes == ["n1", "n2"] && train.labels == [0, 1] && train.pixels.shape == [2, 3, 4, 4])
            let test = try files.read("tiny", .test)
            #expect(test.labels == [1, 0])
            #expect(try bytes(test)[0] == 50)
        }
    }

    @Test("pictures are resized or padded")
    func fit() throws {
        try with { files in
            try files.mnist()
            let padded = try files.read("mnist", fit: .padded(4))
            #expect(padded.pixels.shape == [2, 1, 4, 4] && padded.labels == [1, 0])
            #expect(try bytes(padded)[16...] == [0, 0, 0, 0, 0, 4, 5, 0, 0, 6, 7, 0, 0, 0, 0, 0])
            #expect(try files.read("mnist", fit: .resized(3)).pixels.shape == [2, 1, 3, 3])
            try files.folders()
            try files.picture("folders/train/dog/2.png", [1, 2, 3], size: 9)
            #expect(throws: VisionError.self) { try files.read("folders") }
            #expect(try files.read("folders", fit: .resized(6)).pixels.shape == [4, 3, 6, 6])
            let error = #expect(throws: VisionError.self) { try files.read("folders", fit: .padded(8)) }
            #expect(error?.subject?.hasSuffix("folders/train/dog/2.png") == true)
            let cropped = try files.read("folders", fit: .cropped(shorter: 6, crop: 5))
            #expect(cropped.pixels.shape == [4, 3, 5, 5])
            // What has the size of the crop is resized all the same, as torchvision does.
            #expect(try files.read("mnist", fit: .cropped(shorter: 4, crop: 2)).pixels.elements() != Array(0..<8))
        }
    }

    @Test("pictures keep the names of their files, and a limit takes some of every class")
    func limit() throws {
        try with { files in
            for (folder, colour) in [("a", 1), ("b", 2), ("c", 3)] {
                for number in 0..<4 { try files.picture("set/\(folder)/p\(number).png", [UInt8(colour)]) }
            }
            #expect(try files.read("set").files == (0..<3).flatMap { _ in (0..<4).map { "p\($0).png" } })
            let some = try ImageSet(contentsOf: files.root.appending(path: "set"), split: .test, limit: 6)
            #expect(
                some.labels == [0, 0, 1, 1, 2, 2]
                    && some.files == ["p0.png", "p2.png", "p0.png", "p2.png", "p0.png", "p2.png"])
            #expect(try bytes(some).count == 6 * 16)
            try files.mnist()
            #expect(
                try ImageSet(contentsOf: files.root.appending(path: "mnist"), split: .train, limit: 1).labels == [1])
            #expect(try files.read("mnist").files == nil)
        }
    }

    @Test("images come in the classes of a classifier that knows theirs, and in colour for one that sees colours")
    func matching() throws {
        func set(_ classes: [String], _ labels: [Int]) throws -> ImageSet {
            ImageSet(
                pixels: try Tensor(labels.map { UInt8($0) }, shape: [labels.count, 1, 1, 1]), labels: labels,
                classes: classes)
        }
        func network(_ classes: [String], channels: Int = 1) throws -> ClassifierArchitecture {
            try .named("cnn", channels: channels, classes: classes)
        }
        let pets = try network(["cat", "dog", "frog"])
        #expect(try set(["frog", "cat"], [0, 1, 0]).matched(to: pets).labels == [2, 0, 2])
        #expect(try set(["frog", "cow"], [0, 1]).matched(to: pets).classes == ["frog", "cow"])
        let imageNet = try network(ImageNetClasses.names, channels: 3)
        let byNumber = try set(["n01443537", "n15075141"], [0, 1]).matched(to: imageNet)
        #expect(byNumber.labels == [1, 999] && byNumber.classes[999] == "toilet tissue")
        #expect(try byNumber.pixels.elements() == [0, 0, 0, 1, 1, 1] as [UInt8])
        #expect(try set(["photos"], [0]).isUnlabelled(for: pets) && !set(["cat"], [0]).isUnlabelled(for: pets))
    }
}

@Suite("Sets of images that are not what they should be")
struct BrokenSetTests {
    /// A change of a good set, and what its one line of error has to say.
    fileprivate struct Case: Sendable, CustomTestStringConvertible {
        let path: String
        let says: String
        var split = ImageSet.Split.train
        var severity: Int?
        let change: @Sendable (Files) throws -> Void
        var testDescription: String { "\(path): \(says)" }
    }

    private static func cut(_ path: String, by count: Int = 1) -> @Sendable (Files) throws -> Void {
        { files in try files.write(Array(Data(contentsOf: files.root.appending(path: path)).dropLast(count)), to: path)
        }
    }

    private static func set(_ path: String, _ offset: Int, _ byte: UInt8) -> @Sendable (Files) throws -> Void {
        { files in
            var bytes = Array(try Data(contentsOf: files.root.appending(path: path)))
            bytes[offset < 0 ? bytes.count + offset : offset] = byte
            try files.write(bytes, to: path)
        }
    }

    private static func remove(_ path: String) -> @Sendable (Files) throws -> Void {
        { try FileManager.default.removeItem(at: $0.root.appending(path: path)) }
    }

    private static let cases: [Case] = [
        Case(path: "nowhere", says: "there is no such file or directory") { _ in },
        Case(path: "empty", says: "there are no images here") { try $0.write("text", to: "empty/notes.txt") },
        Case(path: "mnist", says: "cannot be unpacked", change: cut("mnist/train-images-idx3-ubyte.gz")),
        Case(path: "mnist", says: "cannot be unpacked", change: set("mnist/train-images-idx3-ubyte.gz", 20, 0xFF)),
        Case(path: "mnist", says: "cannot be unpacked", change: set("mnist/train-images-idx3-ubyte.gz", 0, 0)),
        Case(path: "mnist", says: "1929379864 bytes in 36", change: set("mnist/train-images-idx3-ubyte.gz", -1, 0x73)),
        Case(
            path: "mnist", says: "incorrect length check", change: set("mnist/train-images-idx3-ubyte.gz", -4, 25)),
        Case(path: "mnist", says: "found 2 bytes") { try $0.write("gz", to: "mnist/train-labels-idx1-ubyte.gz") },
        Case(path: "mnist", says: "t10k-images-idx3-ubyte: there is no such file", split: .test) {
            try remove("mnist/t10k-images-idx3-ubyte.gz")($0)
        },
        Case(path: "mnist", says: "does not have the size") {
            try $0.write(
                [0, 0, 8, 3] + [UInt8](repeating: 255, count: 12) + [1, 2], to: "mnist/train-images-idx3-ubyte")
        },
        Case(
            path: "cifar10", says: "data_batch_3.bin: this is no file of CIFAR", change: cut("cifar10/data_batch_3.bin")
        ),
        Case(
            path: "cifar10", says: "data_batch_5.bin: there is no such file", change: remove("cifar10/data_batch_5.bin")
        ),
        Case(path: "cifar10", says: "a label names no class", change: set("cifar10/data_batch_1.bin", 0, 10)),
        Case(path: "cifar10", says: "one name for each class") {
            try $0.write("a\nb\n", to: "cifar10/batches.meta.txt")
        },
        Case(path: "cifar10", says: "not UTF-8") { try $0.write([0xFF, 0xFE], to: "cifar10/batches.meta.txt") },
        Case(path: "cifar100", says: "a label names no class", change: set("cifar100/train.bin", 1, 100)),
        Case(path: "cifar100", says: "found 0 bytes", split: .test) { try $0.write("", to: "cifar100/test.bin") },
        Case(path: "cifar100", says: "only a .npy file has", severity: 1) { _ in },
        Case(path: "array", says: "name one of its .npy files") { _ in },
        Case(path: "array/fog.npy", says: "does not have the size", change: cut("array/fog.npy")),
        Case(path: "array/fog.npy", says: "this is no .npy file", change: set("array/fog.npy", 0, 0)),
        Case(path: "array/fog.npy", says: "longer than the file", change: set("array/fog.npy", 9, 0xFF)),
        Case(
            path: "array/fog.npy", says: "such arrays are not read", change: set("array/fog.npy", 21, UInt8(ascii: ">"))
        ),
        Case(path: "array/fog.npy", says: "header is not understood", change: set("array/fog.npy", 12, 0x30)),
        Case(path: "array/labels.npy", says: "no array of images") { _ in },
        Case(path: "array/fog.npy", says: "no such severity", severity: 6) { _ in },
        Case(path: "array/fog.npy", says: "labels.npy: there is no such file", change: remove("array/labels.npy")),
        Case(path: "array/fog.npy", says: "a label names no class", change: set("array/labels.npy", -1, 0x80)),
        Case(path: "array/fog.npy", says: "a label names no class") { try $0.write("a\nb\n", to: "array/classes.txt") },
        Case(
            path: "folders", says: "cat/10.png: this PNG file cannot be read",
            change: cut("folders/train/cat/10.png", by: 20)),
        Case(path: "folders", says: "neither a PNG nor a JPEG") {
            try $0.write("GIF89a", to: "folders/train/cat/a.png")
        },
        Case(path: "folders", says: "cat/a.gif: this is no picture") {
            try $0.write("GIF", to: "folders/train/cat/a.gif")
        },
        Case(path: "folders", says: "cat/more: this is no picture") {
            try $0.picture("folders/train/cat/more/a.png", [1])
        },
        Case(path: "folders", says: "beside the folders") { try $0.picture("folders/train/a.png", [1]) },
        Case(path: "folders", says: "none of the classes") { try $0.write("cat\n", to: "folders/classes.txt") },
        Case(path: "folders", says: "a.png: pictures have different sizes (expected 4 x 4, found 5 x 5)") {
            try $0.picture("folders/train/dog/a.png", [1], size: 5)
        },
        Case(path: "tiny", says: "train/n1/images: there is no such directory", change: remove("tiny/train/n1")),
        Case(path: "tiny", says: "val_annotations.txt, line 1", split: .test) {
            try $0.write("val_0.png n1\n", to: "tiny/val/val_annotations.txt")
        },
        Case(path: "tiny", says: "this is no name of a file", split: .test) {
            try $0.write("../../x.png\tn1\n", to: "tiny/val/val_annotations.txt")
        },
        Case(path: "tiny", says: "this is no name of a file") { try $0.write("..\n", to: "tiny/wnids.txt") },
        Case(path: "tiny", says: "no such file", split: .test) {
            try $0.write("val_9.png\tn1\n", to: "tiny/val/val_annotations.txt")
        }
    ]

    @Test("more images than memory holds, by as many names of one file")
    func memory() throws {
        try withTemporaryDirectory { root in
            try Files(root: root).picture("large.png", [0], size: 4096)
            let classes = root.appending(path: "set/a")
            try FileManager.default.createDirectory(at: classes, withIntermediateDirectories: true)
            for number in 0...Int(ProcessInfo.processInfo.physicalMemory >> 25) {
                try FileManager.default.createSymbolicLink(
                    atPath: classes.appending(path: "\(number).png").path, withDestinationPath: "../../large.png")
            }
            do {
                _ = try ImageSet(contentsOf: root.appending(path: "set"), split: .train)
                Issue.record("it was read")
            } catch { #expect("\(error)".contains("there is not enough memory to hold"), "\(error)") }
        }
    }

    @Test("one clear line", arguments: cases.indices)
    func refusal(index: Int) throws {
        let given = Self.cases[index]
        try withTemporaryDirectory { root in
            let files = Files(root: root)
            try files.mnist()
            try files.cifar10()
            try files.cifar100()
            try files.array()
            try files.folders()
            try files.tinyImageNet()
            try given.change(files)
            do {
                _ = try files.read(given.path, given.split, severity: given.severity)
                Issue.record("\(given.testDescription): it was read")
            } catch let error as any Diagnostic {
                #expect(error.description.contains(given.says), "\(error)")
                #expect(error.kind == .badInput || given.severity != nil, "\(error)")
            }
        }
    }
}
