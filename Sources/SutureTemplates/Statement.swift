/// A piece of a template: text, an output, or a block.
final class Statement: Sendable {
    /// What an assignment writes to.
    indirect enum Target: Sendable {
        case name(String)
        case attribute(String, String)
        case tuple([Target])
    }

    struct Loop: Sendable {
        let target: Target
        let items: Expression
        let condition: Expression?
        let body: [Statement]
        let otherwise: [Statement]
    }

    struct Branch: Sendable {
        let condition: Expression
        let body: [Statement]
    }

    /// The parameters and the body of a macro, or of what a call block hands over.
    struct Routine: Sendable {
        let name: String
        let parameters: [(name: String, standard: Expression?)]
        let body: [Statement]
        /// Whether the body reads `varargs`, `kwargs` or `caller`: only then may a call give them.
        let reads: Set<String>
    }

    enum Kind: Sendable {
        case text(String)
        case output(Expression)
        case loop(Loop)
        case branches([Branch], otherwise: [Statement])
        case set(Target, Expression)
        case setBlock(Target, filter: Expression, body: [Statement])
        case macro(Routine)
        case call(Expression, Routine)
        case filter(Expression, body: [Statement])
        case with([(target: Target, value: Expression)], body: [Statement])
        /// A `generation` block: rendered as it is, its assignments stay inside.
        case generation([Statement])
        case leaveLoop
        case nextItem
    }

    let kind: Kind
    let line: Int

    init(_ kind: Kind, line: Int) {
        self.kind = kind
        self.line = line
    }
}
