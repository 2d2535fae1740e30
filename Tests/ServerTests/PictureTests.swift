import Foundation
import SutureFormats
import SutureKit
import Testing

@testable import SutureServer

@Suite("A served classifier", .serialized)
struct PictureTests {
    @Test("a picture of the set is corrupted and seen with and without patches as the command line sees it")
    func set() async throws {
        try await Gallery.with { gallery in
            try await gallery.serving { client in
                let model = try await client.get("/api/model").json
                #expect(model["kind"] as? String == "classifier" && model["images"] as? Int == 6)
                #expect(model["classes"] as? [String] == Gallery.classes)
                let images = try #require(try await client.get("/api/images").json["images"] as? [[String: Any]])
                #expect(images.map { $0["label"] as? String } == ["above", "below", "above", "below", "above", "below"])
                let asked: [String: Any] = ["image": 3, "corruption": "fog", "severity": 4, "seed": 7]
                let answer = try await client.post(
                    "/api/classify", asked.merging(["patches": ["fog@0.5"]]) { $1 })
                #expect(answer.status == 200 && answer.json["label"] as? String == "below", "\(answer.text)")
                // The same by the libraries that the commands are made of.
                let set = try gallery.images.subset([3])
                let foggy = try set.replacing(pixels: Corruption(.fog, severity: 4)(set.pixels, seed: 7))
                let patched = try ImageClassifier.load(
                    Checkpoint(gallery.standard),
                    patches: [AppliedPatch(Patch(contentsOf: gallery.signature), scale: 0.5)])
                let base = try ImageClassifier.load(gallery.standard)
                for (side, images) in [("clean", set), ("corrupted", foggy)] {
                    let view = try #require(answer.json[side] as? [String: Any])
                    #expect(try floats(view["before"]) == base.probabilities(of: images)[0].map(Float.init))
                    #expect(try floats(view["after"]) == patched.probabilities(of: images)[0].map(Float.init))
                    let png = try #require(Data(base64Encoded: view["png"] as? String ?? ""))
                    let picture = try png.withUnsafeBytes { try Picture(decoding: $0, name: side) }
                    #expect(picture == (try images.picture(0)))
                }
                #expect(try base.probabilities(of: foggy) != patched.probabilities(of: foggy))
                // What is switched on counts where nothing is named; the base has never changed.
                let plain = try await client.post("/api/classify", asked.merging(["patches": [String]()]) { $1 })
                let view = try #require(plain.json["corrupted"] as? [String: Any])
                #expect(view["before"] as? [Double] == view["after"] as? [Double])
                let switched = try await client.post(
                    "/api/patches/fog", ["enabled": true, "scale": 0.5], method: "PATCH")
                #expect(switched.status == 200, "\(switched.text)")
                #expect(
                    try await client.post("/api/classify", asked).json["corrupted"] as? NSDictionary
                        == answer.json["corrupted"] as? NSDictionary)
            }
        }
    }

    /// The numbers of an answer, as the classifier computed them.
    private func floats(_ numbers: Any?) throws -> [Float] { try #require(numbers as? [Double]).map(Float.init) }

    @Test("a picture that is sent is prepared as the classifier's own were")
    func sent() async throws {
        try await Gallery.with { gallery in
            try await gallery.serving { client in
                let picture = Picture(
                    pixels: [UInt8](repeating: 200, count: 24 * 16), channels: 1, height: 24, width: 16)
                let answer = try await client.post(
                    "/api/classify", ["picture": Data(picture.png()).base64EncodedString()])
                #expect(answer.status == 200 && answer.json["label"] is NSNull, "\(answer.text)")
                let view = try #require(answer.json["clean"] as? [String: Any])
                let set = try ImageSet(picture, for: gallery.architecture)
                #expect(set.pixels.shape == [1, 1, 8, 8])
                let own = try ImageClassifier.load(gallery.standard).probabilities(of: set)[0]
                #expect(try floats(view["before"]) == own.map(Float.init))
                #expect(answer.json["corrupted"] is NSNull)
            }
        }
    }

    @Test(
        "what makes no sense is refused with one line",
        arguments: [
            (#"{}"#, "image"), (#"{"image": 6}"#, "out of range"),
            (#"{"image": 0, "picture": "AA=="}"#, "not supported"),
            (#"{"picture": "?"}"#, "base64"), (#"{"picture": "AAAA"}"#, "neither a PNG nor a JPEG"),
            (#"{"image": 0, "corruption": "rain"}"#, "no such corruption"),
            (#"{"image": 0, "corruption": "fog", "severity": 6}"#, "out of range"),
            (#"{"image": 0, "severity": 2}"#, "not supported"), (#"{"image": 0, "colour": 1}"#, "not supported"),
            (#"{"image": 0, "patches": ["rain"]}"#, "no such patch"), (#"{"image": 0, "model": "x"}"#, "no such model")
        ])
    func refused(_ body: String, _ words: String) async throws {
        try await Gallery.with { gallery in
            try await gallery.serving { client in
                let answer = try await client.send(
                    "POST", "/api/classify", headers: ["Content-Type": "application/json"], body: Data(body.utf8))
                #expect((400..<500).contains(answer.status), "\(answer.text)")
                #expect(answer.message?.contains(words) == true, "\(answer.text)")
            }
        }
    }

    @Test("routes of the other kind of model are refused with one line, and all that is served is described")
    func otherRoutes() async throws {
        let object = try JSONSerialization.jsonObject(with: Data(PackageResources.openapi_json))
        let paths = try #require((object as? [String: Any])?["paths"] as? [String: [String: Any]])
        let described = Set(paths.flatMap { path, methods in methods.keys.map { "\($0.uppercased()) \(path)" } })
        try await Gallery.with { gallery in
            let server = try await gallery.server(in: "other")
            #expect(
                Set(server.routes.filter { route in !PageRoutes.paths.contains { route == "GET \($0)" } }) == described)
            try await gallery.serving { client in
                for path in ["/v1/completions", "/v1/chat/completions", "/api/jobs", "/api/lens", "/api/cases"] {
                    let answer = try await client.post(path, ["prompt": "a"])
                    #expect(
                        answer.status == 404 && answer.message?.contains("a classifier of images is served") == true)
                }
                #expect(try await client.get("/api/jobs").status == 404)
                let page = try await client.get("/").text
                #expect(page.contains("/pictures.js") && page.firstMatch(of: /style=|onclick=|<script>|<style>/) == nil)
                #expect(try await client.get("/pictures.js").status == 200)
            }
        }
        try await Place.with { place in
            try await place.serving { client in
                for answer in [
                    try await client.get("/api/images"), try await client.post("/api/classify", ["image": 0])
                ] {
                    #expect(answer.status == 404 && answer.message?.contains("a language model is served") == true)
                }
                #expect(try await client.get("/api/model").json["kind"] as? String == "language")
            }
        }
    }

    @Test("a patch of another classifier is refused, and a signature that is sent is kept for the next server")
    func signatures() async throws {
        try await Gallery.with { gallery in
            try await gallery.serving(patches: []) { client in
                #expect(try await client.upload(gallery.signature, as: "fog").status == 201)
                #expect(try await client.upload(gallery.other, as: "other").status == 409)
                let none = try await client.post("/api/classify", ["image": 0, "patches": ["other"]])
                #expect(none.status == 404)
            }
            try await gallery.serving(patches: []) { client in
                let patches = try await client.get("/api/patches").json["patches"] as? [[String: Any]]
                #expect(patches?.map { $0["name"] as? String } == ["fog"] && patches?.first?["fits"] as? Bool == true)
            }
        }
    }
}

/// A folder with small classifiers, images and signatures, and servers of them.
private struct Gallery: Sendable {
    static let classes = ["above", "below"]
    let url: URL
    let images: ImageSet

    var standard: URL { url.appending(path: "standard") }
    var signature: URL { url.appending(path: "fog.safetensors") }
    /// A signature of another classifier.
    var other: URL { url.appending(path: "other.safetensors") }
    let architecture: ClassifierArchitecture

    static func with(_ body: (Gallery) async throws -> Void) async throws {
        let url = FileManager.default.temporaryDirectory.appending(path: "suture-gallery-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: url) }
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        try await body(Gallery(url))
    }

    private init(_ url: URL) throws {
        self.url = url
        let vgg = VGG(stages: [[4]], hasBatchNorm: true, pool: 2, hidden: [8], dropout: 0)
        var architecture = ClassifierArchitecture(.vgg(vgg), channels: 1, classes: Self.classes)
        architecture.fit = .resized(8)
        self.architecture = architecture
        let names = ["pretrained", "standard", "robust", "stranger"]
        for (seed, name) in names.enumerated() {
            try ImageClassifier.initial(architecture, seed: UInt64(seed + 1)).write(to: url.appending(path: name))
        }
        func signature(of standard: String) throws -> Patch {
            try SignatureExtraction().extract(
                pretrained: Checkpoint(url.appending(path: "pretrained")),
                standard: Checkpoint(url.appending(path: standard)),
                robust: Checkpoint(url.appending(path: "robust"))
            ).patch
        }
        var pixels: [UInt8] = []
        for image in 0..<6 {
            for place in 0..<64 {
                let isBright = (place < 32) == (image % 2 == 0)
                pixels.append(UInt8((image * 64 + place) * 37 % 90 + (isBright ? 150 : 0)))
            }
        }
        images = ImageSet(
            pixels: try Tensor(pixels, shape: [6, 1, 8, 8]), labels: [0, 1, 0, 1, 0, 1], classes: Self.classes)
        try signature(of: "standard").write(to: self.signature, overwriting: true)
        try signature(of: "stranger").write(to: other, overwriting: true)
    }

    func server(in folder: String, patches: [URL] = []) async throws -> Server {
        try await Server(
            classifier: Checkpoint(standard), images: images, patches: patches, folder: url.appending(path: folder),
            address: .anyPort)
    }

    func serving(patches: [URL]? = nil, _ body: (Client) async throws -> Void) async throws {
        let server = try await server(in: "kept", patches: patches ?? [signature])
        try await Place.serving(server, body)
    }
}
