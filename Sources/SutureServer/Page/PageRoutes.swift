import Hummingbird

/// The page in the browser: files that are part of the program.
struct PageRoutes: Sendable {
    private static let files: [(path: String, type: String, bytes: @Sendable () -> [UInt8])] = [
        ("/", "text/html", { PackageResources.index_html }),
        ("/page.css", "text/css", { PackageResources.page_css }),
        ("/app.js", "text/javascript", { PackageResources.app_js })
    ]

    func add(to router: Router<ServerContext>) {
        for file in Self.files {
            router.get(RouterPath(file.path)) { _, _ in
                Response(
                    status: .ok, headers: [.contentType: "\(file.type); charset=utf-8"],
                    body: .init(byteBuffer: ByteBuffer(bytes: file.bytes())))
            }
        }
    }
}
