import Foundation
import Hummingbird
import SutureFormats
import SuturePatches

/// `/api/patches`, and `/lora-adapters` as llama.cpp's server has it.
struct PatchRoutes: Sendable {
    let bench: any Bench

    private var store: PatchStore { bench.patches }

    func add(to router: Router<ServerContext>) {
        router.get("/api/patches") { _, _ in
            Response.json(["patches": .array(await store.list().map(\.json))])
        }
        router.get("/api/patches/:name") { _, context in Response.json(try await store.find(name(context)).json) }
        router.get("/api/patches/:name/file") { _, context in try await file(name(context)) }
        router.put("/api/patches/:name") { request, context in try await upload(request, name(context)) }
        router.patch("/api/patches/:name") { request, context in
            let body = try await request.json(bench.limits)
            try body.allow(["enabled", "scale"])
            let scale = try body.double("scale", in: -100...100)
            let set = try await store.set(name(context), isEnabled: body.optional("enabled")?.bool, scale: scale)
            await bench.prepare()
            return Response.json(set.json)
        }
        router.delete("/api/patches/:name") { _, context in
            try await store.remove(name(context))
            await bench.prepare()
            return Response(status: .noContent)
        }
        router.get("/lora-adapters") { _, _ in Response.json(try await adapters()) }
        router.post("/lora-adapters") { request, _ in try await setAdapters(request) }
    }

    private func name(_ context: ServerContext) throws -> String {
        try context.parameters.require("name").removingPercentEncoding ?? ""
    }

    private func file(_ name: String) async throws -> Response {
        let patch = try await store.find(name)
        let bytes = try MappedFile(store.file(of: patch)).copy()
        return Response(
            status: .ok,
            headers: [
                .contentType: "application/octet-stream",
                .contentDisposition: "attachment; filename=\"\(patch.name).safetensors\""
            ], body: .init(byteBuffer: ByteBuffer(bytes: bytes)))
    }

    private func upload(_ request: Request, _ name: String) async throws -> Response {
        try PatchStore.check(name: name)
        guard request.headers[.contentType]?.lowercased() == "application/octet-stream" else {
            throw ServerError(
                .wrongType, "the body is not declared as a file", subject: "Content-Type",
                expected: "application/octet-stream", found: request.headers[.contentType].map { "\"\($0)\"" } ?? "none"
            )
        }
        let url = store.temporaryFile()
        defer { try? FileManager.default.removeItem(at: url) }
        try Data().write(to: url)
        let file = try FileHandle(forWritingTo: url)
        defer { try? file.close() }
        let limits = bench.limits
        _ = try await request.read(upTo: limits.patch, within: 10 * limits.bodySeconds, into: file) { file, bytes in
            try file.write(contentsOf: Data(bytes))
        }
        do {
            let added = try await store.add(Patch(contentsOf: url), name: name)
            return .json(added.json, status: .created)
        } catch {
            // The place of the upload says nothing to whom sent it.
            throw ServerError(telling: error).replacing(url.relativePath, by: name)
        }
    }

    private func adapters() async throws -> JSON {
        .array(
            await store.list().enumerated().map { index, patch in
                ["id": JSON(index), "path": JSON(patch.name), "scale": JSON(patch.row.isEnabled ? patch.row.scale : 0)]
            })
    }

    /// As llama.cpp has it: who is not named is switched off.
    private func setAdapters(_ request: Request) async throws -> Response {
        let body = try await request.json(bench.limits)
        let patches = await store.list()
        var scales: [String: Double] = [:]
        for entry in try body.array {
            try entry.allow(["id", "scale"])
            guard let id = try entry.int("id", in: 0...max(0, patches.count - 1)), id < patches.count else {
                throw ServerError(.notFound, "there is no such adapter", subject: entry.path)
            }
            scales[patches[id].name] = try entry.double("scale", in: -100...100) ?? 1
        }
        for patch in patches {
            let scale = scales[patch.name] ?? 0
            _ = try await store.set(patch.name, isEnabled: scale != 0, scale: scale != 0 ? scale : nil)
        }
        await bench.prepare()
        return .json(try await adapters())
    }
}
