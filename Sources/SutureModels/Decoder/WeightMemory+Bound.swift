import SutureFormats
import SutureTensor

extension WeightMemory {
    /// The memory of a checkpoint's weights, `without` some of them, within a bound, in bytes; nil for half of what is free, as pages of the file
    /// and other processes need the rest.
    ///
    /// Throws ``ModelError`` with code `tooLarge` where not even one matrix after the other would fit.
    convenience init(
        for checkpoint: Checkpoint, _ architecture: Architecture, _ device: Device,
        without others: Set<String> = [], bound: Int?
    ) throws {
        let needs = try MemoryNeeds(checkpoint, architecture, device, without: others)
        let free = Int(clamping: MachineMemory.free)
        let bound = bound ?? max(free / 2, min(free, needs.least))
        guard needs.least <= bound else {
            throw ModelError(
                .tooLarge, "the model does not fit into memory", subject: checkpoint.url.relativePath,
                expected: "\(Double(needs.least).gigabytes) at least", found: Double(bound).gigabytes,
                hint: "allow more (--memory)")
        }
        self.init(limit: bound - needs.least, spare: needs.scratch)
    }
}

/// How much memory of its own a model needs, besides what the system keeps of its files.
struct MemoryNeeds {
    /// The float32 weights that are no part of a file.
    private(set) var fixed = 0
    /// Memory in which they are widened: of all matrices of a layer, or of one after the other, and of one more.
    private(set) var scratch = 0

    /// What a run takes besides weights: the engine, and the values of a prompt of some hundred tokens.
    static let work = 512 << 20

    /// Where nothing is held.
    var least: Int { fixed + scratch + Self.work }

    init(
        _ checkpoint: Checkpoint, _ architecture: Architecture, _ device: Device, without others: Set<String> = []
    ) throws {
        var (largest, layers) = (0, [Int](repeating: 0, count: architecture.layers))
        let places = (0..<architecture.layers).flatMap { layer in
            architecture.tensors.tensors(ofLayer: layer).map { ($0, layer) }
        }
        let layer = Dictionary(places) { first, _ in first }
        let names = architecture.tensors
        let tables = [names.name(names.embedding), names.head.tensor + ".weight"]
        for tensor in checkpoint.tensors
        where tensor.type.isWeight && !tensor.shape.contains(0) && !others.contains(tensor.name) {
            let bytes = 4 * tensor.shape.reduce(1, *)
            let isConverted = try checkpoint.converted(tensor) != nil
            let isNarrow = isConverted || tensor.type == .bfloat16 || tensor.type == .float16
            if isNarrow, StoredTensor.staysStored(tensor.shape, on: device) {
                let rows = tables.contains(tensor.name) ? OutputHead.blocks(of: tensor.shape)[0].count : tensor.shape[0]
                largest = max(largest, bytes / tensor.shape[0] * rows)
                if let layer = layer[tensor.name] { layers[layer] += bytes }
            } else if tensor.type != .float32 || isConverted || device != .cpu || checkpoint.snapshot == nil {
                fixed += bytes
            }
        }
        scratch = largest + (layers.max() ?? 0)
    }
}
