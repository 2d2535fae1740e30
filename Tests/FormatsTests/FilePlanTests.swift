import Foundation
import SutureTestSupport
import Testing

@testable import SutureFormats

@Suite("What is read and written, held against each other")
struct FilePlanTests {
    /// A directory with a model, a patch, and other names of both.
    private func withPlace(_ body: (URL) throws -> Void) throws {
        try withQuickDirectory { place in
            let files = FileManager.default
            for (path, text) in [
                ("model/config.json", "{}"), ("model/model.safetensors", "w"), ("fix", "f"), ("other/note.txt", "n"),
                ("old/config.json", "{}"), ("old/model-00001-of-00002.safetensors", "w"), ("old/README.md", "r")
            ] {
                let url = place.appending(path: path)
                try files.makeDirectory(url.deletingLastPathComponent())
                try Data(text.utf8).write(to: url)
            }
            for (link, target) in [
                ("model-link", "model"), ("fix-link", "fix"), ("nowhere", "other/new"), ("loop", "loop"),
                ("model/shard", "../fix"), ("old-link", "old")
            ] {
                try files.createSymbolicLink(atPath: place.path + "/" + link, withDestinationPath: target)
            }
            try files.linkItem(at: place.appending(path: "fix"), to: place.appending(path: "fix-hard"))
            try body(place)
        }
    }

    /// What is said of a plan; nil for one that passes.
    private func code(
        _ place: URL, reading inputs: [String], _ outputs: [(String, FilePlan.Form)], force: Bool = false
    ) -> FormatError.Code? {
        do {
            try FilePlan(
                reading: inputs.map { place.appending(path: $0) },
                writing: outputs.map { .init(place.appending(path: $0), $1, isForced: force) }
            ).check()
            return nil
        } catch let error as FormatError {
            return error.code
        } catch {
            return .systemFailed
        }
    }

    @Test("an output may not be an input, whatever it is called", arguments: [false, true])
    func same(force: Bool) throws {
        try withPlace { place in
            for name in ["fix", "fix-link", "fix-hard", "model/../fix", "model-link/shard"] {
                #expect(code(place, reading: ["fix"], [(name, .file)], force: force) == .inTheWay, "\(name)")
                #expect(code(place, reading: [name], [("fix", .file)], force: force) == .inTheWay, "\(name)")
                #expect(code(place, reading: [name], [("fix", .log)], force: force) == .inTheWay, "\(name)")
            }
            for name in ["model", "model-link", "other/../model"] {
                #expect(code(place, reading: ["model"], [(name, .folder(.model()))], force: force) == .inTheWay)
            }
        }
    }

    @Test("nor lie in one, nor be a folder that holds one and would be replaced")
    func folders() throws {
        try withPlace { place in
            for name in ["model/new", "model/config.json", "model-link/new", "model/shard", "fix"] {
                #expect(code(place, reading: ["model"], [(name, .file)], force: true) == .inTheWay, "\(name)")
            }
            #expect(
                code(place, reading: ["model/config.json"], [("model", .folder(.model()))], force: true) == .inTheWay)
            // A link that lies there, and a file there that a link elsewhere leads to.
            #expect(code(place, reading: ["model/shard"], [("model", .folder(.model()))], force: true) == .inTheWay)
            try FileManager.default.createSymbolicLink(
                atPath: place.path + "/other/weights", withDestinationPath: "../old/model-00001-of-00002.safetensors")
            #expect(code(place, reading: ["other"], [("old", .folder(.model()))], force: true) == .inTheWay)
            #expect(code(place, reading: ["old/config.json"], [("old", .collection)]) == nil)
            #expect(code(place, reading: ["model", "fix"], [("old", .folder(.model()))], force: true) == nil)
        }
    }

    @Test("two outputs may not meet")
    func outputs() throws {
        try withPlace { place in
            #expect(code(place, reading: [], [("new", .file), ("new", .log)]) == .inTheWay)
            #expect(code(place, reading: [], [("other/new", .file), ("nowhere", .log)]) == .inTheWay)
            #expect(code(place, reading: [], [("fix", .file), ("fix-hard", .file)], force: true) == .inTheWay)
            #expect(code(place, reading: [], [("other", .collection), ("other/new", .file)]) == .inTheWay)
            #expect(code(place, reading: [], [("other/one", .file), ("other/two", .file)]) == nil)
        }
    }

    @Test("only regular files are replaced, and only by force")
    func files() throws {
        try withPlace { place in
            let pipe = place.appending(path: "pipe")
            #expect(mkfifo(pipe.path, 0o600) == 0)
            for force in [false, true] {
                for name in ["pipe", "other", "../../../../../../../../dev/null"] {
                    #expect(code(place, reading: [], [(name, .file)], force: force) == .alreadyExists, "\(name)")
                }
                #expect(throws: FormatError.self) { try AtomicFile.write([1], to: pipe, overwriting: force) }
                #expect(throws: FormatError.self) {
                    try AtomicFile.write([1], to: URL(filePath: "/dev/null"), overwriting: force)
                }
                #expect(code(place, reading: [], [("loop", .file)], force: force) == .badPlace)
                #expect(code(place, reading: [], [("none/new", .file)], force: force) == .badPlace)
                #expect(code(place, reading: [], [("fix/new", .file)], force: force) == .badPlace)
                #expect(code(place, reading: [], [("pipe", .log)], force: force) == .notARegularFile)
                #expect(code(place, reading: [], [("fix", .collection)], force: force) == .alreadyExists)
            }
            #expect(code(place, reading: [], [("fix", .file)]) == .alreadyExists)
            #expect(code(place, reading: [], [("fix", .file)], force: true) == nil)
            #expect(code(place, reading: [], [("fix", .log)]) == nil)
        }
    }

    @Test("a folder is replaced if it holds a model and nothing else")
    func models() throws {
        try withPlace { place in
            let old = place.appending(path: "old")
            func refusal(from source: URL? = nil) -> FormatError? {
                let plan = FilePlan(reading: [], writing: [.init(old, .folder(.model(from: source)), isForced: true)])
                do { try plan.check() } catch { return error as? FormatError }
                return nil
            }
            #expect(code(place, reading: [], [("old", .folder(.model()))]) == .alreadyExists)
            #expect(code(place, reading: [], [("old", .folder(nil))], force: true) == .alreadyExists)
            #expect(code(place, reading: [], [("other", .folder(.model()))], force: true) == .alreadyExists)
            #expect(code(place, reading: [], [("fix", .folder(.model()))], force: true) == .alreadyExists)
            #expect(refusal() == nil)
            for name in ["notes.txt", "my.safetensors", "model-fix.safetensors", "suture/mine.safetensors", ".git/HEAD"]
            {
                let url = old.appending(path: name)
                try FileManager.default.makeDirectory(url.deletingLastPathComponent())
                try Data("mine".utf8).write(to: url)
                #expect(refusal()?.found == name)
                // What comes from the model it was made from is not lost.
                let copy = place.appending(path: "model/" + name)
                try FileManager.default.makeDirectory(copy.deletingLastPathComponent())
                try Data("mine".utf8).write(to: copy)
                #expect(refusal(from: place.appending(path: "model")) == nil)
                try Data("more".utf8).write(to: copy)
                #expect(refusal(from: place.appending(path: "model"))?.found == name)
                try FileManager.default.removeItem(at: url)
            }
        }
    }

    @Test("what is put into a folder while its successor is made is not lost")
    func meanwhile() throws {
        try withPlace { place in
            let note = place.appending(path: "old/note.txt")
            let error = #expect(throws: FormatError.self) {
                try AtomicDirectory.write(to: place.appending(path: "old"), replacing: .model()) { _ in
                    try Data("mine".utf8).write(to: note)
                }
            }
            #expect(error?.code == .alreadyExists)
            let kept = try Data(contentsOf: note)
            #expect(kept == Data("mine".utf8))
        }
    }
}
