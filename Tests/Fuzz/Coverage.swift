#if LIBFUZZER
    import Foundation
    import SutureFormats
    import SutureTokenizers
    import SutureVariants

    /// Lets libFuzzer look for inputs that reach code which none has reached (`make fuzz-coverage`).
    ///
    ///     suture-fuzz coverage gguf -max_total_time=60 CORPUS
    ///
    /// For `variants` the bytes of an input are the choices that make a variant, so that what is found keeps its structure.
    enum Coverage {
        nonisolated(unsafe) private static var work: (UnsafeRawBufferPointer) throws -> Void = { _ in }

        static func run(_ what: String, _ arguments: [String]) throws -> Int32 {
            let memory = URL(filePath: "/dev/shm/suture-coverage-\(getpid())")
            try FileManager.default.createDirectory(at: memory, withIntermediateDirectories: true)
            defer { try? FileManager.default.removeItem(at: memory) }
            if what == "variants" {
                let seeds = try Variant.Seeds()
                work = { bytes in
                    var choices = Choices(bytes: Array(bytes))
                    let place = memory.appending(path: "variant")
                    try? FileManager.default.removeItem(at: place)
                    try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
                    try Variant(of: seeds, &choices)?.use(in: place)
                }
            } else if what == "tokenizer" {
                work = { bytes in
                    let file = memory.appending(path: "tokenizer.json")
                    try Data(bytes).write(to: file)
                    _ = try Tokenizer(tokenizerJSON: file).encode("Hello world, 12 é\n")
                }
            } else if let reader = Reader(rawValue: "input.\(what)") {
                try Reader.prepare(memory, corpus: Fuzz.root.appending(path: "Tests/Fuzz/Corpus"))
                work = { bytes in
                    let file = memory.appending(path: "0/\(reader.rawValue)")
                    try Data(bytes).write(to: file)
                    try reader.read(file)
                }
            } else {
                print("there is no reader of this name: \(what)")
                return 2
            }
            let all = ["suture-fuzz", "-timeout=10", "-rss_limit_mb=1500"] + arguments
            var pointers = all.map { strdup($0) }
            var count = Int32(pointers.count)
            return pointers.withUnsafeMutableBufferPointer { buffer in
                var start = buffer.baseAddress
                return libFuzzer(&count, &start) { bytes, count in
                    do {
                        try Coverage.work(UnsafeRawBufferPointer(start: bytes, count: count))
                    } catch {
                        if let fault = Variant.fault(in: error) {
                            print(fault)
                            abort()
                        }
                    }
                    return 0
                }
            }
        }

        /// Random numbers that follow from bytes, two for each; behind their end from a count.
        private struct Choices: RandomNumberGenerator {
            let bytes: [UInt8]
            var position = 0
            var rest = Random(state: 1)

            mutating func next() -> UInt64 {
                defer { position += 2 }
                let low = rest.next() >> 16
                guard position + 1 < bytes.count else { return rest.next() }
                return UInt64(bytes[position]) << 56 | UInt64(bytes[position + 1]) << 48 | low
            }
        }
    }

    @_silgen_name("LLVMFuzzerRunDriver")
    private func libFuzzer(
        _ count: UnsafeMutablePointer<Int32>,
        _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?>,
        _ callback: @convention(c) (UnsafePointer<UInt8>?, Int) -> Int32
    ) -> Int32
#endif
