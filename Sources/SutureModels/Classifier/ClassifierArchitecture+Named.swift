extension ClassifierArchitecture {
    /// What a network is laid out for.
    public enum Form: String, Sendable, CaseIterable {
        /// Images of about 32x32: a stem that keeps the size, and one linear layer at the end.
        case cifar
        /// Images of about 224x224: as in torchvision.
        case imagenet
    }

    /// The names that ``named(_:form:width:channels:classes:)`` knows.
    public static let names =
        ["cnn"] + vggDepths.flatMap { [$0.name, $0.name + "_bn"] } + resnetDepths.map(\.name)
        + CIFARResNet.publishedDepths.map { "resnet\($0)" }

    private static let vggDepths = [
        (name: "vgg11", depths: [1, 1, 2, 2, 2]), (name: "vgg13", depths: [2, 2, 2, 2, 2]),
        (name: "vgg16", depths: [2, 2, 3, 3, 3]), (name: "vgg19", depths: [2, 2, 4, 4, 4])
    ]

    private static let resnetDepths: [(name: String, block: ResNet.Block, depths: [Int])] = [
        ("resnet18", .basic, [2, 2, 2, 2]), ("resnet34", .basic, [3, 4, 6, 3]),
        ("resnet50", .bottleneck, [3, 4, 6, 3]), ("resnet101", .bottleneck, [3, 4, 23, 3]),
        ("resnet152", .bottleneck, [3, 8, 36, 3])
    ]

    /// A network by the name that torchvision has for it; `resnet20` to `resnet110`, the networks for CIFAR of He et al.
    /// (``CIFARResNet``); or `cnn`: a VGG with eight narrow convolutions and batch norm, 0.3 million parameters, quick on
    /// two cores.
    ///
    /// - Parameters:
    ///   - name: one of ``names``.
    ///   - form: what size of images it is laid out for; `cnn` and ``CIFARResNet`` have one form.
    ///   - width: a factor for all numbers of channels.
    ///   - channels: 1 for grey images, 3 for colour.
    ///   - classes: the names of the classes.
    /// - Throws: ``ModelError`` with code `unsupported` for another name, or for a factor that leaves nothing.
    public static func named(
        _ name: String, form: Form = .cifar, width: Double = 1, channels: Int, classes: [String]
    ) throws -> ClassifierArchitecture {
        guard width > 0, width <= 16 else {
            throw ModelError(
                .unsupported, "this width factor is out of range", expected: "above 0, at most 16", found: "\(width)")
        }
        func scaled(_ count: Int) -> Int { max(1, Int((Double(count) * width).rounded())) }
        func vgg(_ depths: [Int], from first: Int, hasBatchNorm: Bool, hidden: [Int]) -> Network {
            let stages = depths.enumerated().map { stage, depth in
                Array(repeating: scaled(first << min(stage, 3)), count: depth)
            }
            return .vgg(
                VGG(stages: stages, hasBatchNorm: hasBatchNorm, pool: hidden.isEmpty ? 1 : 7, hidden: hidden))
        }
        let network: Network
        let plain = name.hasSuffix("_bn") ? String(name.dropLast(3)) : name
        if name == "cnn" {
            network = vgg([2, 2, 2, 2], from: 16, hasBatchNorm: true, hidden: [])
        } else if let (_, depths) = vggDepths.first(where: { $0.name == plain }) {
            let hidden = form == .imagenet ? [scaled(4096), scaled(4096)] : []
            network = vgg(depths, from: 64, hasBatchNorm: plain != name, hidden: hidden)
        } else if let (_, block, depths) = resnetDepths.first(where: { $0.name == name }) {
            network = .resnet(
                ResNet(block: block, depths: depths, width: scaled(64), stem: form == .cifar ? .cifar : .imagenet))
        } else if let depth = CIFARResNet.publishedDepths.first(where: { name == "resnet\($0)" }) {
            network = .cifarResNet(CIFARResNet(blocks: (depth - 2) / 6, width: scaled(16)))
        } else {
            throw ModelError(
                .unsupported, "there is no architecture of this name", expected: names.joined(separator: ", "),
                found: name)
        }
        return ClassifierArchitecture(network, channels: channels, classes: classes)
    }
}
