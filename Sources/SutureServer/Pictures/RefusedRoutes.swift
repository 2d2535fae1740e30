import Hummingbird

/// The routes of the other kind of model: who asks for them is told that it is the wrong model, not the wrong path.
struct RefusedRoutes: Sendable {
    let problem: String
    let hint: String
    let routes: [(method: HTTPRequest.Method, path: RouterPath)]

    /// Those of a language model, at a classifier.
    static let ofTexts = RefusedRoutes(
        problem: "a classifier of images is served here, which reads and writes no text",
        hint: "ask for POST /api/classify, or serve a language model",
        routes: [
            (.post, "/v1/completions"), (.post, "/v1/chat/completions"), (.post, "/api/lens"),
            (.post, "/api/attention"),
            (.post, "/api/swap"), (.post, "/api/blame"), (.get, "/api/jobs"), (.post, "/api/jobs"),
            (.get, "/api/jobs/:id"), (.delete, "/api/jobs/:id"), (.get, "/api/jobs/:id/events"), (.get, "/api/cases"),
            (.post, "/api/cases"), (.delete, "/api/cases/:id")
        ])

    /// Those of a classifier, at a language model.
    static let ofPictures = RefusedRoutes(
        problem: "a language model is served here, which sees no pictures",
        hint: "ask for POST /v1/completions, or serve a classifier of images",
        routes: [(.get, "/api/images"), (.post, "/api/classify")])

    func add(to router: Router<ServerContext>) {
        for (method, path) in routes {
            router.on(path, method: method) { _, _ -> Response in
                throw ServerError(.notFound, problem, subject: "\(path)", hint: hint)
            }
        }
    }
}
