import Foundation

extension GGUFFile {
    /// Opens a model: one file, or all parts of one that was split, whichever of them is named.
    ///
    /// - Throws: ``FormatError`` for a part that is missing or belongs to another model.
    public init(model url: URL) throws {
        let named = try GGUFFile(url)
        guard let count = try named.optionalInt("split.count"), count > 1 else {
            self = named
            return
        }
        let number = try named.int("split.no")
        let urls = try Self.parts(of: url, count: count, number: number, named)
        self = try number == 0 ? named : GGUFFile(urls[0])
        var seen: [(part: Int, tensors: OrderedTable<Tensor>)] = []
        for (index, url) in urls.enumerated() {
            let part = try index == 0 ? self : index == number ? named : GGUFFile(url)
            try part.check("split.no", index)
            try part.check("split.count", count)
            if index > 0 { parts.append(part.file) }
            seen.append((index, part.tensors))
        }
        tensors = try Self.joined(seen, parts)
        if let total = try optionalInt("split.tensors.count"), total != tensors.count {
            throw FormatError(
                .missingTensor, "the parts do not hold all tensors", subject: file.name, expected: "\(total)",
                found: "\(tensors.count)", hint: "fetch them again")
        }
    }

    private static func joined(
        _ seen: [(part: Int, tensors: OrderedTable<Tensor>)], _ files: [MappedFile]
    ) throws -> OrderedTable<Tensor> {
        var all = OrderedTable<Tensor>()
        for (part, tensors) in seen {
            for (name, tensor) in tensors {
                var tensor = tensor
                tensor.part = part
                guard all.append(name, tensor) else {
                    throw FormatError(
                        .duplicateName, "another part has a tensor of this name too",
                        subject: "\(files[part].name): \(name)")
                }
            }
        }
        return all
    }

    /// The places of all parts, by the name of one: `NAME-00002-of-00003.gguf` is the second of three.
    private static func parts(of url: URL, count: Int, number: Int, _ file: GGUFFile) throws -> [URL] {
        func name(_ stem: Substring, _ index: Int) -> String {
            func digits(_ number: Int) -> String {
                String(repeating: "0", count: max(0, 5 - "\(number)".count)) + "\(number)"
            }
            return "\(stem)-\(digits(index + 1))-of-\(digits(count)).gguf"
        }
        let own = url.lastPathComponent
        let stem = own.dropLast(name("", 0).count)
        guard (0..<count).contains(number), count <= 99_999, own == name(stem, number) else {
            throw FormatError(
                .missingFile, "this is a part of a model, and its name does not say where the others are",
                subject: file.file.name, expected: "NAME\(name("", max(0, min(number, 99_998))))",
                found: "part \(number.addingReportingOverflow(1).partialValue) of \(count)",
                hint: "name the parts so, or join them with gguf-split --merge")
        }
        let urls = (0..<count).map { url.deletingLastPathComponent().appending(path: name(stem, $0)) }
        if let missing = urls.first(where: { !FileManager.default.fileExists(atPath: $0.path) }) {
            throw FormatError(
                .missingFile, "a part of the model is missing", subject: file.file.name,
                expected: "\(count) parts beside each other", found: "no \(missing.lastPathComponent)",
                hint: "fetch it too")
        }
        return urls
    }

    private func check(_ key: ByteString, _ expected: Int) throws {
        let found = try int(key)
        guard found != expected else { return }
        throw FormatError(
            .malformedMetadata, "this part belongs to another model, or in another place",
            subject: "\(file.name): \(key)", expected: "\(expected)", found: "\(found)")
    }
}
