import Foundation
import Hummingbird
import SutureFormats
import SutureModels
import SutureSubspaces
import SutureTensor

/// Views into the model at a place in an answer: `/api/lens`, `/api/attention`, `/api/swap` and `/api/blame`.
struct InsideRoutes: Sendable {
    let workbench: Workbench
    private let viewer: Viewer

    /// How many tokens a text has at most that is looked into.
    static let limit = 512

    init(workbench: Workbench) {
        self.workbench = workbench
        viewer = Viewer(workbench.tokenizers, workbench.name)
    }

    func add(to router: Router<ServerContext>) {
        router.post("/api/lens") { request, _ in
            let body = try await request.json(workbench.limits)
            try body.allow(Passage.keys)
            let (passage, model) = try await place(body)
            return Response.json(try await viewer.lens(passage, model))
        }
        router.post("/api/attention") { request, _ in
            let body = try await request.json(workbench.limits)
            try body.allow(Passage.keys.union(["layer"]))
            let last = workbench.stacks.base.architecture.layers - 1
            let layer = try body.int("layer", in: 0...last) ?? last
            let (passage, model) = try await place(body)
            return Response.json(try await viewer.attention(passage, model, layer: layer))
        }
        router.post("/api/swap") { request, _ in
            let body = try await request.json(workbench.limits)
            try body.allow(SwapPassage.keys.union(["layer", "position"]))
            let pair = try SwapPassage(body, workbench)
            _ = (try body.require("layer"), try body.require("position"))
            let layer = try body.int("layer", in: 0...workbench.stacks.base.architecture.layers - 1) ?? 0
            let tokens = workbench.tokenizers.tokens(of: pair.source, isChat: pair.passage.isChat)
            let position = try body.int("position", in: 0...tokens.count - 1) ?? 0
            let model = try await workbench.model(pair.passage.stack).model
            return Response.json(try await viewer.swap(pair, model, layer: layer, position: position))
        }
        router.post("/api/blame") { request, _ in
            let body = try await request.json(workbench.limits)
            try body.allow(Passage.keys)
            return Response.json(try await blame(place(body).0))
        }
    }

    /// The patches to which the token behind a passage is due.
    private func blame(_ passage: Passage) async throws -> JSON {
        let patches = try await workbench.patches.resolved(passage.stack)
        let names = await workbench.patches.names(of: patches)
        let tokenizer = workbench.tokenizers.of(isChat: passage.isChat)
        let found = try await workbench.stacks.culprits(
            patches, behind: workbench.tokenizers.tokens(of: passage.text, isChat: passage.isChat))
        func text(_ token: Int) -> JSON { JSON(tokenizer.decode([token])) }
        return [
            "token": text(found.token), "instead": found.instead.map(text) ?? .null,
            "patches": .array((found.places ?? []).map { JSON(names[$0]) })
        ]
    }

    private func place(_ body: JSONField) async throws -> (Passage, LanguageModel) {
        let passage = try Passage(body, workbench)
        let count = workbench.tokenizers.tokens(of: passage.text, isChat: passage.isChat).count
        guard count <= Self.limit else {
            throw ServerError(
                .badRequest, "the text is too long to be looked into", subject: body.path,
                expected: "\(Self.limit) tokens at most", found: "\(count)")
        }
        return (passage, try await workbench.model(passage.stack).model)
    }
}

/// Runs single prompts to be looked into, on a thread of its own.
private actor Viewer {
    private let executor = EngineExecutor("suture.views")
    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    private let tokenizers: Tokenizers
    private let name: String

    init(_ tokenizers: Tokenizers, _ name: String) { (self.tokenizers, self.name) = (tokenizers, name) }

    /// What the model would say after each layer, and what each part writes toward it.
    func lens(_ passage: Passage, _ model: LanguageModel) throws -> JSON {
        let tokenizer = tokenizers.of(isChat: passage.isChat)
        return try JSON(encoding: Lens(model, Prompt(passage.text), tokenizer, modelName: name))
    }

    /// How much the last token attends to each, by each head of a layer.
    func attention(_ passage: Passage, _ model: LanguageModel, layer: Int) throws -> JSON {
        let heads = (0..<model.architecture.heads).map { Head(layer: layer, index: $0) }
        let tokenizer = tokenizers.of(isChat: passage.isChat)
        let view = try AttentionView(model, Prompt(passage.text), heads: heads, tokenizer, modelName: name)
        return [
            "layer": JSON(layer), "tokens": .array(view.tokens.map { JSON($0) }),
            "heads": .array(
                view.patterns.map { .array($0.weights[$0.weights.count - 1].map { JSON($0) }) })
        ]
    }

    /// What the model goes on with, and what it would if the other prompt lent it a part at one place.
    func swap(_ pair: SwapPassage, _ model: LanguageModel, layer: Int, position: Int) throws -> JSON {
        let isChat = pair.passage.isChat
        let tokenizer = tokenizers.of(isChat: isChat)
        let site = pair.component.site(layer)
        return try Tensor.withoutGradients {
            let tokens = tokenizers.tokens(of: pair.passage.text, isChat: isChat)
            let lending = try model.trace([tokenizers.tokens(of: pair.source, isChat: isChat)], capturing: [site])
            let lent = try lending[site].narrowed(1, position..<position + 1)
            let run = try model.trace([tokens])
            func told(_ interventions: [Intervention]) throws -> JSON {
                let logits = try run.replay([Alternative(interventions)]).logits.squeezed(0)
                let top = try logits.softmax().top(min(5, logits.count))
                let writing = TextWriting(tokenizers.plain, ends: tokenizers.ends(isChat: isChat), limit: 12)
                return [
                    "text": JSON(try writing.write(model, behind: tokens, interventions).text),
                    "rivals": .array(
                        zip(try top.indices.ints(), try top.values.elements(as: Double.self)).map {
                            ["text": JSON(tokenizer.decode([$0])), "probability": JSON($1)]
                        })
                ]
            }
            return [
                "before": try told([]),
                "after": try told([Intervention(site, at: .at([position]), .replace(lent))])
            ]
        }
    }
}
