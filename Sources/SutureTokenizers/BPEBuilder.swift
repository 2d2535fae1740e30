import SutureFormats

/// Puts a ``BPE`` together from the tokens and merges of a file, in the alphabet of the file.
struct BPEBuilder {
    let isByteLevel: Bool
    private var tokens: TokenTable
    private var merges: MergeTable
    /// Where tokens are put together; one for all of them.
    private var scratch: [UInt8] = []

    init(isByteLevel: Bool, capacity: Int) {
        self.isByteLevel = isByteLevel
        tokens = TokenTable(capacity: capacity)
        merges = MergeTable(capacity: capacity)
    }

    /// Adds a token; false if the id is taken.
    mutating func insert(_ token: [UInt8], id: Int) -> Bool {
        scratch.removeAll(keepingCapacity: true)
        // What is not in the alphabet of bytes can only be found as an added token.
        let isSearchable = token.withUnsafeBufferPointer { appendBytes(of: $0) }
        return tokens.insert(isSearchable ? scratch : token, id: id, searchable: isSearchable)
    }

    /// Appends to `scratch` what a token stands for.
    private mutating func appendBytes(of token: UTF8Bytes) -> Bool {
        if isByteLevel { return ByteAlphabet.decode(token, into: &scratch) }
        scratch.append(contentsOf: token)
        return true
    }

    /// The id of a token as the file spells it.
    func id(of token: [UInt8]) -> Int? {
        guard isByteLevel else { return tokens.id(of: token) }
        var bytes: [UInt8] = []
        guard token.withUnsafeBufferPointer({ ByteAlphabet.decode($0, into: &bytes) }) else { return nil }
        return tokens.id(of: bytes)
    }

    /// A token as the file spells it.
    func name(of id: Int) -> ByteString? {
        guard let token = tokens.token(id) else { return nil }
        // A token with these bytes that is not searchable is spelled as it is.
        let isSpelled = isByteLevel && tokens.id(of: Array(token)) == id
        return ByteString(isSpelled ? ByteAlphabet.encode(token) : Array(token))
    }

    /// Adds a merge; returns the token that the vocabulary lacks for it, if there is one.
    mutating func insertMerge(_ left: ArraySlice<UInt8>, _ right: ArraySlice<UInt8>, rank: Int) -> ByteString? {
        scratch.removeAll(keepingCapacity: true)
        guard left.withUnsafeBufferPointer({ appendBytes(of: $0) }) else { return ByteString(Array(left)) }
        let middle = scratch.count
        guard right.withUnsafeBufferPointer({ appendBytes(of: $0) }) else { return ByteString(Array(right)) }
        let ids = scratch.withUnsafeBufferPointer { bytes in
            (
                left: tokens.id(of: UTF8Bytes(rebasing: bytes[..<middle])),
                right: tokens.id(of: UTF8Bytes(rebasing: bytes[middle...])), both: tokens.id(of: bytes)
            )
        }
        guard let leftID = ids.left else { return ByteString(Array(left)) }
        guard let rightID = ids.right else { return ByteString(Array(right)) }
        guard let bothID = ids.both else { return ByteString(Array(left) + Array(right)) }
        merges[Int32(leftID), Int32(rightID)] = Merge(rank: UInt32(rank), id: Int32(bothID))
        return nil
    }

    /// Adds all pairs of tokens that make a token, ranked by the score of that: the merges of SentencePiece.
    ///
    /// - Parameter scores: the score of each id; `nil` for tokens that do not come of merges.
    mutating func insertMerges(byScore scores: [Float?]) {
        let ranked = scores.indices.filter { scores[$0] != nil }.sorted { (scores[$0] ?? 0) > (scores[$1] ?? 0) }
        let reversed = reversedTokens()
        var rank: UInt32 = 0
        var lastScore: Float?
        for id in ranked {
            // Tokens with the same score are merged from the left, whichever they are.
            if let lastScore, lastScore != scores[id] { rank += 1 }
            lastScore = scores[id]
            guard let token = tokens.token(id).map(Array.init) else { continue }
            let lefts = token.withUnsafeBufferPointer(tokens.idsOfBeginnings)
            // The end behind a middle is, in reverse, the beginning of the length that is left.
            let rights = Array(token.reversed()).withUnsafeBufferPointer(reversed.idsOfBeginnings)
            for middle in 1..<max(1, token.count) where !isContinuation(token[middle]) {
                let (left, right) = (lefts[middle], rights[token.count - middle])
                guard left >= 0, right >= 0, scores[Int(left)] != nil, scores[Int(right)] != nil else { continue }
                merges[left, right] = Merge(rank: rank, id: Int32(id))
            }
        }
    }

    /// The tokens that are found by their bytes, under these in reverse.
    private func reversedTokens() -> TokenTable {
        var reversed = TokenTable(capacity: tokens.idCount)
        for id in 0..<tokens.idCount {
            guard let token = tokens.token(id).map(Array.init), tokens.id(of: token) == id else { continue }
            _ = reversed.insert(token.reversed(), id: id)
        }
        return reversed
    }

    func model(
        unknown: Int32?, fuseUnknown: Bool, byteFallback: Bool, ignoresMerges: Bool, subject: String
    ) throws -> BPE {
        let symbols: BPE.Symbols
        if isByteLevel {
            let ids = (0...255).map { tokens.id(of: [UInt8($0)]).map(Int32.init) }
            if ids.contains(nil), byteFallback || fuseUnknown && unknown != nil {
                throw TokenizerError(
                    .unsupported,
                    "byte fallback or fused unknown tokens with a byte-level vocabulary are not supported",
                    subject: subject)
            }
            symbols = .bytes(ids.map { $0 ?? unknown ?? -1 })
        } else {
            symbols = .scalars(
                byteTokens: byteFallback ? try byteTokens(subject: subject) : nil, unknown: unknown,
                fuseUnknown: fuseUnknown)
        }
        return BPE(tokens: tokens, merges: merges, symbols: symbols, ignoresMerges: ignoresMerges)
    }

    private func byteTokens(subject: String) throws -> [Int32] {
        try (0...255).map { byte in
            let digits = String(byte, radix: 16, uppercase: true)
            let name = "<0x\(byte < 16 ? "0" : "")\(digits)>"
            guard let id = tokens.id(of: Array(name.utf8)) else {
                throw TokenizerError(
                    .unknownToken, "byte fallback needs a token for each byte", subject: subject,
                    expected: "the token \"\(name)\"")
            }
            return Int32(id)
        }
    }
}
