import Foundation

/// Files that tests compare against: `Tests/Goldens`, made by the scripts in `Tests/Goldens/generate`.
public enum Goldens {
    /// The root of the checkout.
    public static let checkout = URL(filePath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// A file below `Tests/Goldens`.
    public static func url(_ path: String) -> URL {
        checkout.appending(path: "Tests/Goldens").appending(path: path)
    }

    /// SmolLM2-135M as `Scripts/setup model` leaves it, or nil where it was not set up.
    public static var smollm2: URL? {
        let url = checkout.appending(path: ".deps/smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")
        return FileManager.default.fileExists(atPath: url.path) ? url : nil
    }
}

/// A directory for one test, removed when the closure returns.
public func withTemporaryDirectory<Result>(_ body: (URL) throws -> Result) throws -> Result {
    let url = FileManager.default.temporaryDirectory.appending(path: "suture-test-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: url) }
    return try body(url)
}

/// The same in memory where the system has such a place: for tests that sync thousands of files.
public func withQuickDirectory<Result>(_ body: (URL) throws -> Result) throws -> Result {
    let memory = URL(filePath: "/dev/shm")
    guard FileManager.default.isWritableFile(atPath: memory.path) else { return try withTemporaryDirectory(body) }
    let url = memory.appending(path: "suture-test-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: url) }
    return try body(url)
}
