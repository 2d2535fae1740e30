import Hummingbird

/// The page in the browser: files that are part of the program.
struct PageRoutes: Sendable {
    /// The page itself, which all other files belong to.
    let page: [UInt8]

    private struct File {
        var path: String
        var type: String
        var bytes: [UInt8]
    }

    private static let files = [
        File(path: "/page.css", type: "text/css; charset=utf-8", bytes: PackageResources.page_css),
        File(path: "/icon.svg", type: "image/svg+xml", bytes: PackageResources.icon_svg),
        script("app", PackageResources.app_js), script("api", PackageResources.api_js),
        script("cases", PackageResources.cases_js), script("dom", PackageResources.dom_js),
        script("inside", PackageResources.inside_js), script("jobs", PackageResources.jobs_js),
        script("outcome", PackageResources.outcome_js),
        script("pictures", PackageResources.pictures_js),
        script("patches", PackageResources.patches_js), script("repairs", PackageResources.repairs_js),
        script("sweep", PackageResources.sweep_js), script("writing", PackageResources.writing_js)
    ]

    /// Where they are.
    static let paths = Set(files.map(\.path) + ["/"])

    private static func script(_ name: String, _ bytes: [UInt8]) -> File {
        File(path: "/\(name).js", type: "text/javascript; charset=utf-8", bytes: bytes)
    }

    func add(to router: Router<ServerContext>) {
        for file in Self.files + [File(path: "/", type: "text/html; charset=utf-8", bytes: page)] {
            let body = ByteBuffer(bytes: file.bytes)
            router.get(RouterPath(file.path)) { _, _ in
                Response(status: .ok, headers: [.contentType: file.type], body: .init(byteBuffer: body))
            }
        }
    }
}
