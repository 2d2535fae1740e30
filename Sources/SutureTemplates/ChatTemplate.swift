/// A chat template of a Hugging Face model: the Jinja of `tokenizer_config.json`, rendered as transformers does.
///
/// The environment is transformers': jinja2's immutable sandbox with `trim_blocks` and `lstrip_blocks`, `break` and
/// `continue`, `generation` blocks, `raise_exception`, `strftime_now`, and `tojson` without HTML escapes.
public struct ChatTemplate: Sendable {
    private let body: [Statement]
    private let limits: TemplateLimits

    /// Reads a template.
    /// - Throws: `TemplateError` if the text is no template, uses what this interpreter does not know, or is too deep.
    public init(_ source: String) throws(TemplateError) {
        try self.init(source, limits: .standard)
    }

    /// Reads a template that is held to bounds of your own.
    /// - Throws: `TemplateError` as `init(_:)` does.
    public init(_ source: String, limits: TemplateLimits) throws(TemplateError) {
        body = try DeepStack.run {
            do throws(TemplateError) {
                var lexer = try Lexer(source, limits: limits)
                var parser = Parser(try lexer.tokens(), limits: limits)
                return .success(try parser.template())
            } catch {
                return .failure(error)
            }
        }
        self.limits = limits
    }

    /// Renders the template with these variables, and no others.
    /// - Throws: `TemplateError` if the template raises, meets values that do not fit, or reaches a bound.
    public func render(_ variables: [String: TemplateValue]) throws(TemplateError) -> String {
        try render(variables, time: nil)
    }

    /// Renders the template at a given time, which `strftime_now` tells it; without one, at the current time.
    /// - Throws: `TemplateError` as `render(_:)` does.
    public func render(
        _ variables: [String: TemplateValue], time: TemplateTime?
    ) throws(TemplateError) -> String {
        let (body, limits) = (body, limits)
        return try DeepStack.run {
            let evaluator = Evaluator(limits: limits, time: time)
            defer { evaluator.release() }
            do throws(TemplateError) {
                return .success(try evaluator.render(body, variables))
            } catch {
                return .failure(error)
            }
        }
    }

    /// Renders a conversation with the variables that transformers gives: `messages`, `tools` (or none),
    /// `documents` (none), `add_generation_prompt`, and `extra` such as `bos_token` or `enable_thinking`.
    /// - Throws: `TemplateError` as `render(_:)` does.
    public func render(
        messages: [TemplateValue], tools: [TemplateValue]? = nil, addGenerationPrompt: Bool = false,
        extra: [String: TemplateValue] = [:], time: TemplateTime? = nil
    ) throws(TemplateError) -> String {
        var variables: [String: TemplateValue] = [
            "messages": .array(messages.map(Self.withReasoningNames)),
            "tools": tools.map { .array($0) } ?? .null,
            "documents": .null,
            "add_generation_prompt": .bool(addGenerationPrompt)
        ]
        variables.merge(extra) { $1 }
        return try render(variables, time: time)
    }

    /// Templates read a message's reasoning under different names; transformers gives it under two of them.
    private static func withReasoningNames(_ message: TemplateValue) -> TemplateValue {
        guard case .object(var entries) = message else { return message }
        var reasoning: TemplateValue?
        for name in ["reasoning_content", "thinking", "reasoning"] where reasoning == nil {
            guard let value = entries.last(where: { $0.key == name })?.value else { continue }
            if case .null = value { continue }
            reasoning = value
        }
        guard let reasoning else { return message }
        if !entries.contains(where: { $0.key == "thinking" }) {
            entries.insert((key: "thinking", value: reasoning), at: 0)
        }
        entries.append((key: "reasoning_content", value: reasoning))
        return .object(entries)
    }
}
