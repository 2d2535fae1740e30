import ArgumentParser
import SutureKit

extension MethodName: ExpressibleByArgument {}

extension Budget: ExpressibleByArgument {
    /// `neurons=20,norm=0.05,divergence=0.001`, or some of these.
    public init?(argument: String) {
        guard let limits = CommaList<NamedNumber>(argument: argument) else { return nil }
        self.init()
        for limit in limits.elements {
            guard limit.value >= 0 else { return nil }
            switch limit.name {
            case "neurons":
                guard let count = Int(exactly: limit.value) else { return nil }
                neurons = count
            case "norm": norm = limit.value
            case "divergence": divergence = limit.value
            default: return nil
            }
        }
    }
}
