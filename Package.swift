// swift-tools-version: 6.2
import PackageDescription

// libtorch: TORCH_HOME if the user brings their own (a directory with include/ and lib/),
// else the copy that `Scripts/setup` links at .deps/torch. With that copy the binary finds its
// libraries relative to itself, so a built tree can be moved.
let torchHome = Context.environment["TORCH_HOME"]
let torch = torchHome ?? Context.packageDirectory + "/.deps/torch"
let torchLibraryPaths =
    torchHome.map { ["\($0)/lib"] } ?? ["$ORIGIN/../../../.deps/torch/lib", "$ORIGIN/../lib/suture"]

let linkTorch: [LinkerSetting] = [
    .unsafeFlags(["-L\(torch)/lib"] + torchLibraryPaths.flatMap { ["-Xlinker", "-rpath", "-Xlinker", $0] }),
    .linkedLibrary("torch_cpu"), .linkedLibrary("c10")
]

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(
        name: name, dependencies: dependencies + ["CTorchEngine", "SutureTestSupport"], path: "Tests/\(name)")
}

// Parsers, digests and exact sums are optimized in debug builds too: without, tests take twice as long.
let optimized: [SwiftSetting] = [.unsafeFlags(["-O"], .when(configuration: .debug))]

// A target names every module that reaches it, not only the nearest: a build compiles a target anew when a module that it
// names has changed, and would else link objects that no longer fit.
let core: [Target.Dependency] = ["SutureCore"]
let engine: [Target.Dependency] = core + ["SutureTensor", "SutureFormats", "SutureTokenizers"]
let base: [Target.Dependency] = engine + ["SutureModels", "SuturePatches"]
let repair: [Target.Dependency] = base + ["SutureTasks"]
let pillars: [Target.Dependency] = [
    "SutureVision", "SutureTasks", "SutureRepair", "SutureSignatures", "SutureSubspaces"
]
let libraries = base + pillars + ["SutureReports", "SutureTemplates"]

let package = Package(
    name: "suture",
    platforms: [.macOS(.v14)],
    products: [
        .library(name: "SutureKit", targets: ["SutureKit", "CTorchEngine"]),
        .library(name: "SutureTorch", type: .dynamic, targets: ["CTorchEngine"]),
        .executable(name: "suture", targets: ["suture"])
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0", traits: []),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1", traits: []),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/swiftlang/swift-docc-plugin", from: "1.5.0")
    ],
    targets: [
        .target(
            name: "CTorch",
            linkerSettings: [
                .unsafeFlags([
                    "-Xlinker", "-rpath", "-Xlinker", "$ORIGIN", "-Xlinker", "-rpath", "-Xlinker",
                    "$ORIGIN/../lib/suture"
                ])
            ]),
        .target(
            name: "CTorchEngine", publicHeadersPath: ".",
            cxxSettings: [
                .headerSearchPath("../CTorch/include"), .headerSearchPath("names"),
                .unsafeFlags([
                    "-isystem", "\(torch)/include", "-isystem", "\(torch)/include/torch/csrc/api/include"
                ])
            ],
            linkerSettings: linkTorch),
        .target(name: "CFiles"),
        .target(name: "SutureCore", dependencies: ["CFiles"], swiftSettings: optimized),
        .target(name: "SutureTensor", dependencies: core + ["CTorch"]),
        .target(name: "CImages", linkerSettings: [.linkedLibrary("jpeg"), .linkedLibrary("png"), .linkedLibrary("z")]),
        .target(
            name: "SutureFormats",
            dependencies: core + [
                "CFiles", .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "SwiftProtobuf", package: "swift-protobuf")
            ],
            exclude: ["ONNX/onnx.proto"], swiftSettings: optimized),
        .target(name: "SutureTokenizers", dependencies: core + ["SutureFormats"], swiftSettings: optimized),
        .target(name: "SutureTemplates"),
        .target(name: "SutureModels", dependencies: engine),
        .target(
            name: "SuturePatches", dependencies: core + ["SutureFormats", "SutureTensor"], swiftSettings: optimized),
        .target(name: "SutureTasks", dependencies: engine + ["SutureTemplates"]),
        .target(name: "SutureRepair", dependencies: repair, resources: [.embedInCode("Resources")]),
        .target(name: "SutureSubspaces", dependencies: base),
        .target(
            name: "SutureVision", dependencies: engine + ["SutureModels", "CImages"], swiftSettings: optimized),
        .target(name: "SutureSignatures", dependencies: base + ["SutureVision"]),
        .target(name: "SutureReports", dependencies: base + pillars),
        .target(
            name: "SutureServer",
            dependencies: libraries + [
                .product(name: "GRDB", package: "GRDB.swift"), .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "HummingbirdCore", package: "hummingbird"),
                .product(name: "HummingbirdTLS", package: "hummingbird"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "Logging", package: "swift-log"), .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
            ],
            resources: [.embedInCode("Resources")]),
        .target(name: "SutureKit", dependencies: libraries),
        .executableTarget(
            name: "suture",
            dependencies: libraries + [
                "SutureKit", "SutureServer", .product(name: "ArgumentParser", package: "swift-argument-parser")
            ]),
        .executableTarget(
            name: "suture-bench",
            dependencies: libraries + [
                "CTorchEngine", "SutureKit", .product(name: "ArgumentParser", package: "swift-argument-parser")
            ],
            path: "Benchmarks/Sources"),
        .executableTarget(
            name: "RepairExample", dependencies: libraries + ["CTorchEngine", "SutureKit"], path: "Examples/Repair"),

        .executableTarget(
            name: "suture-fuzz",
            dependencies: base + ["CTorchEngine", "SutureVision", "SutureTestSupport", "SutureVariants"],
            path: "Tests/Fuzz", exclude: ["Corpus", "coverage"]),
        .executableTarget(
            name: "suture-tokens", dependencies: ["SutureFormats", "SutureTokenizers"], path: "Tests/Interop/Tokens"),
        .target(
            name: "SutureVariants", dependencies: engine + ["SutureModels", "SutureTestSupport"], path: "Tests/Variants"
        ),
        .target(
            name: "SutureTestSupport", dependencies: core + ["SutureFormats"], path: "Tests/SutureTestSupport"),
        tests("CoreTests", core),
        tests("TensorTests", core + ["SutureTensor"]),
        tests("FormatsTests", core + ["SutureFormats"]),
        tests("TokenizersTests", core + ["SutureFormats", "SutureTokenizers"]),
        tests("TemplatesTests", ["SutureTemplates"]),
        tests("ModelsTests", engine + ["SutureModels", "SutureVariants"]),
        tests("PatchesTests", core + ["SutureFormats", "SutureTensor", "SuturePatches", "SutureVariants"]),
        tests("TasksTests", engine + ["SutureTasks"]),
        tests("RepairTests", repair + ["SutureRepair", "SutureVariants"]),
        tests("VisionTests", engine + ["SutureModels", "SutureVision"]),
        tests("SignaturesTests", base + ["SutureVision", "SutureSignatures"]),
        tests("SubspacesTests", base + ["SutureSubspaces"]),
        tests("ReportsTests", libraries),
        tests("ServerTests", libraries + ["SutureServer"]),
        tests("CommandTests", libraries + ["SutureKit", "SutureVariants", "suture"])
    ],
    cxxLanguageStandard: .cxx20
)
