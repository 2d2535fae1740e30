import Foundation

/// Files behind the end of another one, where its own readers do not look: a record that goes wherever it goes.
///
/// Behind the content come the files, one after another; a JSON object with their names and lengths, and with the length of
/// the content; the length of that object, 8 bytes, little endian; and `SUTURE.1`.
package struct AppendedFiles: Sendable {
    private static let mark = Array("SUTURE.1".utf8)
    private static let schema = "suture.appended/1"

    private let file: MappedFile
    /// Where the content ends.
    package let end: Int
    private let files: [(name: String, range: Range<Int>)]

    /// What is behind the end of a file; nil if nothing is.
    ///
    /// - Throws: ``FormatError`` with `malformedHeader` for what ends as such a record and is none.
    package init?(of file: MappedFile) throws {
        let bytes = file.bytes
        defer { withExtendedLifetime(file) {} }
        let tail = Self.mark.count + 8
        guard bytes.count >= tail, bytes.suffix(Self.mark.count).elementsEqual(Self.mark) else { return nil }
        let place = "\(file.name), appended record"
        func malformed(_ expected: String? = nil, _ found: String? = nil) -> FormatError {
            FormatError(
                .malformedHeader, "what is appended to the file is broken", subject: place, expected: expected,
                found: found, hint: "start again from the unpatched model")
        }
        let length = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: bytes.count - tail, as: UInt64.self))
        guard length <= UInt64(bytes.count - tail), length <= UInt64(SafetensorsFile.maximumHeaderLength) else {
            throw malformed("at most \(bytes.count - tail) bytes of JSON", "\(length)")
        }
        let start = bytes.count - tail - Int(length)
        let json = UnsafeRawBufferPointer(rebasing: bytes[start..<start + Int(length)])
        let index = JSONField(try JSON.parse(json, source: place), source: place)
        let found = try index.require("schema").string
        guard found == Self.schema else {
            throw FormatError(
                .unsupportedVersion, "appended records of this version cannot be read", subject: place,
                expected: Self.schema, found: "\"\(found.prefix(80))\"", hint: "a newer version of suture may read it")
        }
        end = try index.require("end").int
        guard 0...start ~= end else { throw malformed("an end of at most \(start)", "\(end)") }
        var (position, names): (Int, Set<String>) = (end, [])
        files = try index.require("files").array.map { entry in
            let (name, count) = (try entry.require("name").string, try entry.require("bytes").int)
            guard name.wholeMatch(of: /([a-z0-9]+\/)*[a-z0-9]+(\.[a-z0-9]+)+/) != nil, names.insert(name).inserted
            else {
                throw malformed("names of files, each once", Visible.quoted(String(name.prefix(80))))
            }
            guard 0...start - position ~= count else { throw malformed("files that end at \(start)", "\(count) bytes") }
            defer { position += count }
            return (name, position..<position + count)
        }
        guard position == start else { throw malformed("files that end at \(start)", "\(position)") }
        self.file = file
    }

    /// Writes the files into a directory.
    package func extract(to directory: URL) throws {
        for (name, range) in files {
            let url = directory.appending(path: name)
            try FileManager.default.makeDirectory(url.deletingLastPathComponent())
            try AtomicFile.write(to: url) { try $0.append(TensorBytes(file.open, range)) }
        }
    }

    /// Puts all files of a directory behind the content of another one that is being written.
    package static func put(_ directory: URL, behind end: Int, of output: AtomicFile) throws {
        var position = end
        let entries = try FileManager.default.files(below: directory).sorted().map { name -> JSON in
            let file = try MappedFile(directory.appending(path: name))
            try output.put(file, 0..<file.bytes.count, at: position)
            position += file.bytes.count
            return ["name": JSON(name), "bytes": JSON(file.bytes.count)]
        }
        let index: JSON = ["schema": JSON(schema), "end": JSON(end), "files": .array(entries)]
        let json = index.serialized()
        let length = withUnsafeBytes(of: UInt64(json.count).littleEndian) { Array($0) }
        try (json + length + mark).withUnsafeBytes { try output.put($0, at: position) }
    }
}
