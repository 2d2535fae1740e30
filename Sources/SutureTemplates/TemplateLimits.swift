/// Bounds that keep a hostile template from using up the stack, the memory or the time of the process.
public struct TemplateLimits: Hashable, Sendable {
    /// Bytes of a template's source.
    public var source = 4_000_000
    /// Levels of blocks and brackets within each other in a template; a bracket counts twice.
    public var blocks = 60
    /// Levels of chained operators in a template, and of lists in a value.
    public var nesting = 100
    /// Levels of evaluation: expressions within statements within macros.
    public var depth = 160
    /// Expressions and statements evaluated, and items visited.
    public var steps = 20_000_000
    /// Bytes of all values made on the way, those thrown away included.
    public var memory = 512_000_000
    /// Bytes of the rendered text.
    public var output = 32_000_000

    /// The bounds that `ChatTemplate` uses unless told otherwise.
    public static let standard = TemplateLimits()

    /// The standard bounds, to be changed.
    public init() {}
}
