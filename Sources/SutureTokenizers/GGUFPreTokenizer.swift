/// What the name of a pre-tokenizer in a GGUF file stands for: the regular expressions that the `tokenizer.json` of the
/// models has which it names, or those of llama.cpp where there is no such model.
struct GGUFPreTokenizer {
    var normalizers: [Normalizer] = []
    let preTokenizers: [PreTokenizer]
    var ignoresMerges = false
    var addsBeginning = false

    /// - Parameter name: nil where the file has none.
    init(named name: String?, subject: String) throws {
        func split(_ expressions: String...) throws -> [PreTokenizer] {
            try expressions.map {
                .pattern(.expression(try SplitExpressionParser.expression($0, subject: subject)))
            }
        }
        switch name {
        case nil, "default":
            preTokenizers =
                try split(#"[\p{P}\$\+<=>\^~\|]+"#) + [.pattern(.gpt2)] + split(#"\p{N}+"#, "[0-9][0-9][0-9]")
        case "gpt-2", "phi-2", "mpt", "olmo", "jais", "exaone4", "mellum", "granite-docling", "trillion":
            preTokenizers = [.pattern(.gpt2)]
        case "smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b", "mellum2":
            preTokenizers = [.digits(individually: true), .pattern(.gpt2)]
        case "falcon":
            preTokenizers = try split(#"[\p{P}\$\+<=>\^~\|`]+"#) + [.pattern(.gpt2)] + split("[0-9][0-9][0-9]")
        case "llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "lfm2":
            preTokenizers = [.pattern(.llama3(digits: 3))]
            ignoresMerges = true
            addsBeginning = true
        case "dbrx", "smaug-bpe":
            preTokenizers = [.pattern(.llama3(digits: 3))]
        case "qwen2", "deepseek-r1-qwen":
            normalizers = [.compose]
            preTokenizers = [.pattern(.llama3(digits: 1))]
        case "stablelm2", "hunyuan", "megrez":
            preTokenizers = [.pattern(.llama3(digits: 1))]
        case "qwen35":
            normalizers = [.compose]
            preTokenizers = try split(
                Self.contractions + #"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|"#
                    + Self.spaces)
        case "deepseek-llm":
            preTokenizers = try split(
                #"[\r\n]"#, #"\s?["# + Self.letters + "]+", #"\s?"# + Self.signs + "+", #"\s+$"#, Self.ideographs,
                #"\p{N}+"#)
        case "deepseek-coder":
            preTokenizers = try split(#"[\r\n]"#, #"\s?\p{L}+"#, #"\s?\p{P}+"#, Self.ideographs, #"\p{N}"#)
        case "deepseek-v3":
            preTokenizers = try split(
                #"\p{N}{1,3}"#, "[\u{4E00}-\u{9FA5}\u{3040}-\u{309F}\u{30A0}-\u{30FF}]+",
                ##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+|"##
                    + #" ?[\p{P}\p{S}]+[\r\n]*|"# + Self.spaces)
        case "gpt-4o", "llama4", "kanana2":
            let end = Self.contractions + "?|"
            preTokenizers = try split(
                Self.cased("*", "+") + end + Self.cased("+", "*") + end
                    + #"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|"# + Self.spaces)
        case "tekken":
            preTokenizers = try split(
                Self.cased("*", "+") + "|" + Self.cased("+", "*") + #"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|"#
                    + Self.spaces)
            ignoresMerges = true
            addsBeginning = true
        case let name?:
            throw TokenizerError(
                .unsupported, "the pre-tokenizer \"\(name)\" is not supported", subject: subject,
                expected: "one such as gpt-2, smollm, llama-bpe, qwen2, deepseek-coder, gpt-4o or default",
                hint: "a snapshot of the same model has a tokenizer.json that says how it cuts text")
        }
    }

    private static let contractions = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
    private static let spaces = #"\s*[\r\n]+|\s+(?!\S)|\s+"#
    /// A word by its capital letters and its small ones, with how many of each there may be.
    private static func cased(_ capitals: String, _ small: String) -> String {
        #"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"# + capitals + #"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"# + small
    }

    // The classes of DeepSeek LLM, as its tokenizer.json has them.
    private static let ideographs = "[\u{4E00}-\u{9FA5}\u{800}-\u{4E00}\u{AC00}-\u{D7FF}]+"
    private static let signs =
        "[!-/:-~\u{FF01}-\u{FF0F}\u{FF1A}-\u{FF5E}\u{2018}-\u{201F}\u{3000}-\u{3002}]"
    private static let letters =
        "A-Za-z\u{B5}\u{C0}-\u{D6}\u{D8}-\u{F6}\u{F8}-\u{1BA}\u{1BC}-\u{1BF}\u{1C4}-\u{293}\u{295}-\u{2AF}"
        + "\u{370}-\u{373}\u{376}\u{377}\u{37B}-\u{37D}\u{37F}\u{386}\u{388}-\u{38A}\u{38C}\u{38E}-\u{3A1}"
        + "\u{3A3}-\u{3F5}\u{3F7}-\u{481}\u{48A}-\u{52F}\u{531}-\u{556}\u{10A0}-\u{10C5}\u{13A0}-\u{13F5}"
        + "\u{13F8}-\u{13FD}\u{1C90}-\u{1CBA}\u{1CBD}-\u{1CBF}\u{1D00}-\u{1D2B}\u{1D6B}-\u{1D77}\u{1D79}-"
        + "\u{1D9A}\u{1E00}-\u{1F15}\u{1F18}-\u{1F1D}\u{1F20}-\u{1F45}\u{1F48}-\u{1F4D}\u{1F50}-\u{1F57}"
        + "\u{1F59}\u{1F5B}\u{1F5D}\u{1F5F}-\u{1F7D}\u{1F80}-\u{1FB4}\u{1FB6}-\u{1FBC}\u{1FBE}\u{1FC2}-\u{1FC4}"
        + "\u{1FC6}-\u{1FCC}\u{1FD0}-\u{1FD3}\u{1FD6}-\u{1FDB}\u{1FE0}-\u{1FEC}\u{1FF2}-\u{1FF4}\u{1FF6}-"
        + "\u{1FFC}\u{2102}\u{2107}\u{210A}-\u{2113}\u{2115}\u{2119}-\u{211D}\u{2124}\u{2126}\u{2128}\u{212A}-"
        + "\u{212D}\u{212F}-\u{2134}\u{2139}\u{213C}-\u{213F}\u{2145}-\u{2149}\u{214E}\u{2183}\u{2184}\u{2C00}-"
        + "\u{2C7B}\u{2C7E}-\u{2CE4}\u{2CEB}-\u{2CEE}\u{2CF2}\u{2CF3}\u{A640}-\u{A66D}\u{A680}-\u{A69B}\u{A722}"
        + "-\u{A76F}\u{A771}-\u{A787}\u{A78B}-\u{A78E}\u{AB70}-\u{ABBF}\u{FB00}-\u{FB06}\u{FB13}-\u{FB17}"
        + "\u{FF21}-\u{FF3A}\u{FF41}-\u{FF5A}\u{10400}-\u{1044F}\u{104B0}-\u{104D3}\u{104D8}-\u{104FB}\u{10C80}"
        + "-\u{10CB2}\u{10CC0}-\u{10CF2}\u{118A0}-\u{118DF}\u{1E900}-\u{1E943}"
}
