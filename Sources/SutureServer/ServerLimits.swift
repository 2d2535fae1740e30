/// How much the server takes on.
public struct ServerLimits: Sendable {
    /// The largest body of a request for text, in bytes.
    public var body = 4 << 20
    /// The largest patch that is taken up, in bytes.
    public var patch = 1 << 30
    /// The largest body of a request with a picture, in bytes.
    public var picture = 32 << 20
    /// How long a body may take to come, in seconds; a patch may take ten times as long.
    public var bodySeconds = 30.0
    /// How long a connection may say nothing, in seconds.
    public var idleSeconds = 60
    /// How many connections there are at once.
    public var connections = 512
    /// How many requests may wait for the model.
    public var queue = 256
    /// How many texts grow at once.
    public var batch = 16
    /// How many tokens the texts that grow at once may come to, with their prompts; fewer where ``cache`` holds fewer.
    public var tokens = 1 << 16
    /// How much room the keys and values of these tokens may take, in bytes.
    public var cache = 4 << 30
    /// How long a request may take in all, in seconds.
    public var seconds = 600.0
    /// How many jobs may wait.
    public var jobs = 64
    /// How long running requests have to end when the server is asked to, in seconds.
    public var shutdownSeconds = 20

    /// The limits that the server has unless told otherwise.
    public init() {}

    /// The limits for a model whose tokens take so much room each, in bytes.
    func fitted(toBytesOfToken bytes: Int) -> ServerLimits {
        var fitted = self
        fitted.tokens = max(1, min(tokens, cache / max(1, bytes)))
        return fitted
    }
}
