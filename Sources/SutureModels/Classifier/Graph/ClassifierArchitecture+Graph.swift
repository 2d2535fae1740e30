import SutureFormats

extension ClassifierArchitecture.Network {
    /// The network that steps seem to be, by their kinds and widths; ``GraphMatch`` says whether they are.
    ///
    /// Throws ``ModelError`` with code `unsupported` for steps that are no family of networks.
    init(of steps: [GraphStep], scores: Int, names: Set<String>) throws {
        let used = Self.used(steps, scores).map { steps[$0] }
        func refusal(_ expected: String) -> ModelError {
            ModelError(
                .unsupported, "this graph is no network that is imported", subject: steps[scores].subject,
                expected: expected)
        }
        let convolutions = used.filter { if case .convolution = $0.kind { true } else { false } }
        guard let stem = convolutions.first, case .convolution(_, let weight, _, _, _) = stem.kind else {
            throw refusal("a VGG, a ResNet or a vision transformer, which begin with a convolution")
        }
        // Exporters leave a norm here and there when they fold the others.
        let hasNorms =
            used.count { if case .batchNorm = $0.kind { true } else { false } } == convolutions.count
        let sums = used.filter { if case .sum = $0.kind { true } else { false } }
        let attentions = used.compactMap { if case .attention(_, let heads) = $0.kind { heads } else { nil } }
        if let heads = attentions.first {
            let hidden = used.first { if case .pointwise = $0.kind { $0.shape.count == 3 } else { false } }
            guard weight.shape.count == 4, steps[0].shape[2] == steps[0].shape[3], let hidden else {
                throw refusal("a vision transformer, with square images and GELU")
            }
            self = .vit(
                ViT(
                    names: names.contains { $0.hasPrefix("blocks.") } ? .timm : .torchvision, image: steps[0].shape[2],
                    patch: weight.shape[2], width: weight.shape[0], depth: attentions.count, heads: heads,
                    hidden: hidden.shape[2]))
        } else if sums.isEmpty {
            guard let vgg = Self.vgg(used, hasNorms) else {
                throw refusal("a VGG, whose stages end with a max pool each")
            }
            self = .vgg(vgg)
        } else {
            let widths = sums.map { $0.shape.count == 4 ? $0.shape[1] : 0 }
            let depths = widths.chunked()
            let width = weight.shape[0]
            let isCIFAR = used.contains { if case .subsample = $0.kind { true } else { false } }
            if isCIFAR {
                self = .cifarResNet(CIFARResNet(blocks: depths[0], width: width, hasBatchNorm: hasNorms))
            } else {
                let isLarge = weight.shape[2] == 7
                let large = convolutions.dropFirst(isLarge ? 0 : 1).count { step in
                    if case .convolution(_, let weight, _, _, _) = step.kind { weight.shape[2] == 3 } else { false }
                }
                self = .resnet(
                    ResNet(
                        block: large == 2 * sums.count ? .basic : .bottleneck, depths: depths, width: width,
                        stem: isLarge ? .imagenet : .cifar, hasBatchNorm: hasNorms))
            }
        }
    }

    /// The steps that the scores depend on, in the order of the graph.
    private static func used(_ steps: [GraphStep], _ scores: Int) -> [Int] {
        var wanted: Set = [scores]
        for index in steps.indices.reversed() where wanted.contains(index) {
            wanted.formUnion(steps[index].kind.inputs)
        }
        return wanted.sorted()
    }

    private static func vgg(_ used: [GraphStep], _ hasNorms: Bool) -> VGG? {
        var stages: [[Int]] = [[]]
        var (last, widths): (GraphStep?, [Int]) = (nil, [])
        for step in used {
            switch step.kind {
            case .convolution: stages[stages.count - 1].append(step.shape[1])
            case .maxPool: stages.append([])
            case .linear(_, let weight, let isTransposed, _):
                let (inputs, outputs) = isTransposed ? (0, 1) : (1, 0)
                if widths.isEmpty { widths.append(weight.shape[inputs]) }
                widths.append(weight.shape[outputs])
            default: break
            }
            if step.shape.count == 4 { last = step }
        }
        guard stages.popLast() == [], !stages.isEmpty, let channels = stages.last?.last, let last, widths.count >= 2,
            last.shape.count == 4, widths[0] % channels == 0, !stages.contains([])
        else { return nil }
        let pool = (1...64).first { $0 * $0 == widths[0] / channels }
        return pool.map {
            VGG(stages: stages, hasBatchNorm: hasNorms, pool: $0, hidden: Array(widths[1...].dropLast()))
        }
    }
}

extension Array where Element == Int {
    /// How many equal numbers there are one after the other.
    fileprivate func chunked() -> [Int] {
        var counts: [Int] = []
        for index in indices {
            if index > 0, self[index] == self[index - 1] { counts[counts.count - 1] += 1 } else { counts.append(1) }
        }
        return counts
    }
}

extension GraphStep.Kind {
    /// The steps that it reads.
    var inputs: [Int] {
        switch self {
        case .image: []
        case .convolution(let base, _, _, _, _), .batchNorm(let base, _), .relu(let base), .maxPool(let base, _, _, _),
            .averagePool(let base), .subsample(let base, _, _), .linear(let base, _, _, _), .afterFirst(let base, _),
            .tokens(let base, _, _), .layerNorm(let base, _, _), .firstToken(let base), .pointwise(let base, _, _),
            .rowMean(let base), .centred(let base), .rowVariance(let base), .normalised(let base), .gained(let base, _):
            [base]
        case .sum(let first, let second): [first, second]
        case .attention(let inputs, _): inputs
        case .scores(let queries, let keys, _, _, _), .softmax(let queries, let keys, _): [queries, keys]
        }
    }
}
