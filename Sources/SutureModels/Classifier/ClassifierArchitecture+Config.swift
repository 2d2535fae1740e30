import SutureFormats

// The configuration of a classifier's snapshot, `config.json`:
//
//     {
//       "model_type": "vgg",                 or "resnet", "cifar_resnet", "vit"
//       "stages": [[64, 64], [128, 128]],    vgg: channels after each convolution
//       "batch_norm": true,                  vgg; of resnet and cifar_resnet it may be left out, or say false
//       "pool": 1, "hidden": [],             vgg: 7 and [4096, 4096] in torchvision
//       "dropout": 0.5,                      vgg, may be left out
//       "block": "basic",                    resnet: or "bottleneck"
//       "depths": [2, 2, 2, 2],              resnet: blocks in each stage
//       "width": 64, "stem": "cifar",        resnet: or "imagenet"
//       "depth": 20, "width": 16,            cifar_resnet: layers with weights, 6n + 2
//       "names": "timm",                     vit: or "torchvision"
//       "image": 224, "patch": 16,           vit: sides in pixels
//       "width": 192, "depth": 12,           vit
//       "heads": 3, "hidden": 768,           vit
//       "channels": 3,                       1 for grey images
//       "classes": ["plane", "car"],
//       "mean": [0.49, 0.48, 0.45],          of pixels in 0...1
//       "std": [0.25, 0.24, 0.26],
//       "preparation": {"pad": 32}           or {"resize": 224}, {"resize": 256, "crop": 224, "filter": "bicubic"},
//                                            or {}; may be left out
//     }
extension ClassifierArchitecture {
    /// Reads the description from a checkpoint's configuration.
    ///
    /// Throws ``ModelError`` with code `unsupported` for a family that is not there and for numbers out of range, and a
    /// `FormatError` for a field that is missing or of the wrong type.
    public init(config: JSON, source: String = "config.json") throws {
        let config = JSONField(config, source: source)
        try config.requireConfiguration()
        let family = try config.require("model_type")
        switch try family.string {
        case "vgg": network = .vgg(try VGG(config))
        case "resnet": network = .resnet(try ResNet(config))
        case "cifar_resnet": network = .cifarResNet(try CIFARResNet(config))
        case "vit": network = .vit(try ViT(config))
        case let other:
            throw ModelError(
                .unsupported, "this is not an image classifier of a supported family", subject: family.path,
                expected: "vgg, resnet, cifar_resnet or vit", found: other)
        }
        channels = try config.require("channels").int(in: 1...3)
        classes = try config.require("classes").array.map { try $0.string }
        mean = try config.require("mean").array.map { try $0.double }
        deviation = try config.require("std").array.map { try $0.double }
        fit = try config.optional("preparation").map { try ImageFit($0) }
        guard channels != 2 else {
            throw ModelError(.unsupported, "images are grey or coloured", subject: source, expected: "1 or 3 channels")
        }
        guard (1...65_536).contains(classes.count) else {
            throw ModelError(
                .unsupported, "the number of classes is out of range", subject: source, expected: "1...65536",
                found: "\(classes.count)")
        }
        guard mean.count == channels, deviation.count == channels, deviation.allSatisfy({ $0 > 0 }) else {
            throw ModelError(
                .unsupported, "the normalisation does not fit", subject: source,
                expected: "mean and std with \(channels) numbers, std above 0", found: "\(mean) and \(deviation)")
        }
    }

    /// Whether a checkpoint's configuration is that of an image classifier.
    public static func describes(_ checkpoint: Checkpoint) -> Bool {
        ["vgg", "resnet", "cifar_resnet", "vit"].contains(checkpoint.config.value["model_type"]?.stringValue)
    }

    /// What ``init(config:source:)`` reads.
    public var config: JSON {
        var members: JSONObject =
            switch network {
            case .vgg(let vgg):
                [
                    "model_type": "vgg", "stages": .array(vgg.stages.map { .array($0.map { JSON($0) }) }),
                    "batch_norm": JSON(vgg.hasBatchNorm), "pool": JSON(vgg.pool),
                    "hidden": .array(vgg.hidden.map { JSON($0) }), "dropout": JSON(vgg.dropout)
                ]
            case .resnet(let resnet):
                [
                    "model_type": "resnet", "block": JSON(resnet.block.rawValue),
                    "depths": .array(resnet.depths.map { JSON($0) }), "width": JSON(resnet.width),
                    "stem": JSON(resnet.stem.rawValue)
                ]
            case .cifarResNet(let resnet):
                ["model_type": "cifar_resnet", "depth": JSON(resnet.depth), "width": JSON(resnet.width)]
            case .vit(let vit):
                [
                    "model_type": "vit", "names": JSON(vit.names.rawValue), "image": JSON(vit.image),
                    "patch": JSON(vit.patch), "width": JSON(vit.width), "depth": JSON(vit.depth),
                    "heads": JSON(vit.heads), "hidden": JSON(vit.hidden)
                ]
            }
        if !hasNormsOfItsFamily { members["batch_norm"] = false }
        members["channels"] = JSON(channels)
        members["classes"] = .array(classes.map { JSON($0) })
        members["mean"] = .array(mean.map { JSON($0) })
        members["std"] = .array(deviation.map { JSON($0) })
        if let fit { members["preparation"] = fit.config }
        return .object(members)
    }
}

extension ClassifierArchitecture {
    /// False for a ResNet whose norms are folded into its convolutions.
    private var hasNormsOfItsFamily: Bool {
        switch network {
        case .resnet(let resnet): resnet.hasBatchNorm
        case .cifarResNet(let resnet): resnet.hasBatchNorm
        case .vgg, .vit: true
        }
    }
}

extension ImageFit {
    /// Reads what ``config`` is; throws ``ModelError`` with code `unsupported` for what makes no sense.
    package init(_ config: JSONField) throws {
        func side(_ key: ByteString) throws -> Int? { try config.optional(key).map { try $0.int(in: 1...4096) } }
        let filter: Filter = try config.optional("filter").map { try $0.choice() } ?? .bilinear
        switch (try side("pad"), try side("resize"), try side("crop")) {
        case (nil, nil, nil): self = .none
        case (let pad?, nil, nil): self = .padded(pad)
        case (nil, let resize?, nil): self = .resized(resize)
        case (nil, let resize?, let crop?) where crop <= resize:
            self = .cropped(shorter: resize, crop: crop, filter: filter)
        default:
            throw ModelError(
                .unsupported, "images cannot be prepared so", subject: config.path,
                expected: "pad; or resize; or resize and crop, which is not larger")
        }
    }

    /// As a configuration says it.
    package var config: JSON {
        switch self {
        case .none: [:]
        case .padded(let size): ["pad": JSON(size)]
        case .resized(let size): ["resize": JSON(size)]
        case .cropped(let shorter, let crop, let filter):
            ["resize": JSON(shorter), "crop": JSON(crop), "filter": JSON(filter.rawValue)]
        }
    }
}

extension VGG {
    fileprivate init(_ config: JSONField) throws {
        stages = try config.require("stages").list(ofAtMost: 16) { stage in
            try stage.list(ofAtMost: 64) { try $0.int(in: 1...(1 << 16)) }
        }
        hasBatchNorm = try config.require("batch_norm").bool
        pool = try config.require("pool").int(in: 1...64)
        hidden = try config.require("hidden").list(ofAtMost: 8, mayBeEmpty: true) { try $0.int(in: 1...(1 << 20)) }
        let rate = try config.double("dropout", default: 0.5)
        guard (0..<1).contains(rate) else {
            throw ModelError(
                .unsupported, "the dropout is out of range", subject: config.path, expected: "0..<1", found: "\(rate)")
        }
        dropout = rate
    }
}

extension ResNet {
    fileprivate init(_ config: JSONField) throws {
        block = try config.require("block").choice()
        depths = try config.require("depths").list(ofAtMost: 8) { try $0.int(in: 1...256) }
        width = try config.require("width").int(in: 1...(1 << 14))
        stem = try config.require("stem").choice()
        hasBatchNorm = try config.optional("batch_norm").map { try $0.bool } ?? true
    }
}

extension CIFARResNet {
    fileprivate init(_ config: JSONField) throws {
        let field = try config.require("depth")
        let depth = try field.int(in: 8...1202)
        guard depth % 6 == 2 else {
            throw ModelError(
                .unsupported, "there is no network of this depth", subject: field.path,
                expected: "6n + 2: 8, 14, 20 and so on", found: "\(depth)")
        }
        self.init(
            blocks: (depth - 2) / 6, width: try config.require("width").int(in: 1...(1 << 14)),
            hasBatchNorm: try config.optional("batch_norm").map { try $0.bool } ?? true)
    }
}

extension ViT {
    fileprivate init(_ config: JSONField) throws {
        names = try config.require("names").choice()
        image = try config.require("image").int(in: 1...4096)
        patch = try config.require("patch").int(in: 1...4096)
        width = try config.require("width").int(in: 1...(1 << 14))
        depth = try config.require("depth").int(in: 1...256)
        heads = try config.require("heads").int(in: 1...(1 << 10))
        hidden = try config.require("hidden").int(in: 1...(1 << 16))
        guard image % patch == 0, width % heads == 0 else {
            throw ModelError(
                .unsupported, "these sizes do not divide", subject: config.path,
                expected: "image by patch, width by heads",
                found: "\(image) by \(patch), \(width) by \(heads)")
        }
    }
}

extension JSONField {
    fileprivate func int(in range: ClosedRange<Int>) throws -> Int {
        let value = try int
        guard range.contains(value) else {
            throw ModelError(
                .unsupported, "this number is out of range", subject: path,
                expected: "\(range.lowerBound)...\(range.upperBound)", found: "\(value)")
        }
        return value
    }

    fileprivate func list<Element>(
        ofAtMost limit: Int, mayBeEmpty: Bool = false, _ element: (JSONField) throws -> Element
    ) throws -> [Element] {
        let elements = try array
        guard elements.count <= limit, mayBeEmpty || !elements.isEmpty else {
            throw ModelError(
                .unsupported, "this list is too long or too short", subject: path,
                expected: "\(mayBeEmpty ? 0 : 1)...\(limit) elements", found: "\(elements.count)")
        }
        return try elements.map(element)
    }

    fileprivate func choice<Value: RawRepresentable & CaseIterable>() throws -> Value where Value.RawValue == String {
        let text = try string
        guard let value = Value(rawValue: text) else {
            throw ModelError(
                .unsupported, "this value is not known", subject: path,
                expected: Value.allCases.map(\.rawValue).joined(separator: " or "), found: text)
        }
        return value
    }
}
