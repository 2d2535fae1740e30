import CTorch

/// Where a tensor lives and where its operators run.
public struct Device: Hashable, Sendable, CustomStringConvertible {
    enum Kind: String, Sendable {
        case cpu, cuda, mps

        var code: Int32 {
            switch self {
            case .cpu: Int32(CT_CPU)
            case .cuda: Int32(CT_CUDA)
            case .mps: Int32(CT_MPS)
            }
        }
    }

    let kind: Kind
    let index: Int32

    /// The processor, where every libtorch can compute.
    public static let cpu = Device(kind: .cpu, index: -1)

    /// Reads `cpu`, `cuda`, `cuda:1` or `mps`; nil for anything else.
    public init?(_ text: String) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard let kind = Kind(rawValue: String(parts[0])), parts.count <= 2 else { return nil }
        guard parts.count == 2 else {
            self.init(kind: kind, index: kind == .cpu ? -1 : 0)
            return
        }
        guard kind == .cuda, let index = Int32(parts[1]), (0..<128).contains(index), String(index) == parts[1] else {
            return nil
        }
        self.init(kind: kind, index: index)
    }

    init(kind: Kind, index: Int32) {
        self.kind = kind
        self.index = index
    }

    /// Whether the libtorch that is loaded can compute there. CUDA needs a CUDA build in `TORCH_HOME`.
    public var isAvailable: Bool { torch.device_available(kind.code) }

    /// Waits for the work that was queued there; does nothing on the CPU. For timings.
    public func synchronize() { _ = torch.synchronize(kind.code) }

    /// What ``init(_:)`` reads: `cpu`, `cuda:0`, `mps`.
    public var description: String { index < 0 || kind == .mps ? kind.rawValue : "\(kind.rawValue):\(index)" }
}
