import Foundation

/// What a piece of work reads and writes, held against each other before any of it is done.
///
/// An output may not be an input, lie in one, or be a folder that is replaced and holds one; nor may two outputs meet.
/// Files are told apart by device and number, not by name: links, hard links and `..` make no difference.
public struct FilePlan: Sendable {
    /// How an output comes to be.
    public enum Form: Sendable {
        /// A file that is written as a whole.
        case file
        /// A file that grows; what is in it is checked when it is opened.
        case log
        /// A folder that is written as a whole; one that is there is replaced if it is of this kind.
        case folder(FolderKind?)
        /// A folder to which files are added.
        case collection
    }

    /// Something that is written.
    public struct Output: Sendable {
        let url: URL
        let form: Form
        let isForced: Bool

        /// What is there already may be replaced where `isForced` says so and it is of that form.
        public init(_ url: URL, _ form: Form = .file, isForced: Bool = false) {
            (self.url, self.form, self.isForced) = (url, form, isForced)
        }
    }

    private let inputs: [URL]
    private let outputs: [Output]

    /// What is read, files and folders, and what is written.
    public init(reading inputs: [URL], writing outputs: [Output]) {
        (self.inputs, self.outputs) = (inputs, outputs)
    }

    /// - Throws: ``FormatError`` with code `inTheWay` for an output that meets an input or another output, `alreadyExists`
    ///   for one that would replace what it may not, `badPlace` or `cannotWrite` where nothing can be written.
    public func check() throws {
        let places = try outputs.map { try $0.place() }
        try checkOutputs(places)
        try checkInputs(places)
        for (output, place) in zip(outputs, places) { try output.check(place) }
        for (output, place) in zip(outputs, places) { Interruption.plan(output.url.relativePath, at: place.path) }
    }

    private func checkOutputs(_ places: [FilePlace]) throws {
        for (index, place) in places.enumerated() {
            for (other, output) in zip(places, outputs).prefix(index)
            where place.isSame(as: other) || place.lies(in: other) || other.lies(in: place) {
                throw Self.inTheWay(outputs[index].url, "this is where another result goes", output.url)
            }
        }
    }

    private func checkInputs(_ places: [FilePlace]) throws {
        // Only what is there already can be a part of what is read, or be replaced.
        let isAnyThere = places.contains(where: \.exists)
        var seen: Set<String> = []
        var rest = inputs
        while let url = rest.popLast() {
            // Where the link to it lies, too: a name that is replaced is lost.
            guard let input = try? FilePlace(url, for: .reading), input.exists,
                let named = try? FilePlace(url.deletingLastPathComponent(), for: .reading),
                seen.insert(named.path + "/" + url.lastPathComponent).inserted
            else { continue }
            for (output, place) in zip(outputs, places) {
                if place.isSame(as: input) {
                    throw Self.inTheWay(output.url, "this is what is read, and would be replaced", url)
                }
                if place.lies(in: input) { throw Self.inTheWay(output.url, "this lies in what is read", url) }
                guard case .folder = output.form, place.isFolder else { continue }
                if input.lies(in: place) || named.isSame(as: place) || named.lies(in: place) {
                    throw Self.inTheWay(output.url, "what is read lies in this folder, which would be replaced", url)
                }
            }
            if isAnyThere, input.isFolder { rest += Self.parts(of: input, named: url) }
        }
    }

    /// The files of a folder; what links in it lead to may be anywhere.
    private static func parts(of folder: FilePlace, named url: URL) -> [URL] {
        let paths = (try? FileManager.default.files(below: URL(filePath: folder.path))) ?? []
        return paths.map { url.appending(path: $0) }
    }

    private static func inTheWay(_ url: URL, _ problem: String, _ other: URL) -> FormatError {
        FormatError(
            .inTheWay, problem, subject: url.relativePath,
            found: other.relativePath == url.relativePath ? nil : other.relativePath, hint: "choose another place")
    }
}

extension FilePlan.Output {
    fileprivate func place() throws -> FilePlace {
        try FilePlace(url, for: .writing)
    }

    /// Whether what is there, if anything is, may be replaced, and whether anything can be written.
    fileprivate func check(_ place: FilePlace) throws {
        switch form {
        case .file where place.exists:
            guard place.isRegular else {
                throw exists(place.isFolder ? "directory" : "device or the like", "name a file")
            }
            guard isForced else { throw exists("file", "--force writes over it") }
        case .log where place.exists:
            guard place.isRegular else {
                throw FormatError(.notARegularFile, "not a regular file", subject: url.relativePath)
            }
            guard access(place.path, W_OK) == 0 else {
                throw FormatError.system(.writing, "cannot be written", url.relativePath)
            }
            return
        case .folder(let kind) where place.exists:
            guard isForced, let kind else {
                throw exists(
                    place.isFolder ? "directory" : "file", kind == nil ? "name a new one" : "--force replaces it")
            }
            try kind.check(URL(filePath: place.path), name: url.relativePath)
        case .collection where place.exists:
            guard place.isFolder else { throw exists("file", "name a folder") }
            return
        default: break
        }
        // The system says in its own words what is the matter with the folder it would go into.
        guard access(place.parent + "/.", W_OK | X_OK) == 0 else {
            throw FormatError.system(.writing, "cannot be written", url.relativePath)
        }
    }

    private func exists(_ what: String, _ hint: String) -> FormatError {
        FormatError(.alreadyExists, "this \(what) is there already", subject: url.relativePath, hint: hint)
    }
}
