import Hummingbird
import SutureFormats

/// `/api/images` and `/api/classify`.
struct PictureRoutes: Sendable {
    let bench: PictureBench

    func add(to router: Router<ServerContext>) {
        router.get("/api/images") { _, _ in Response.json(["images": .array(bench.desk.listed)]) }
        router.post("/api/classify") { request, _ in
            var limits = bench.limits
            limits.body = limits.picture
            let asked = try PictureRequest(await request.json(limits), bench)
            let patches = try await bench.patches.resolved(asked.stack)
            return Response.json(try await bench.desk.answer(asked, patches))
        }
    }
}
