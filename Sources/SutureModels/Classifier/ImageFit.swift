/// How pictures come to one size before a classifier sees them.
public enum ImageFit: Sendable, Equatable {
    /// They have it already.
    case none
    /// Each becomes a square of so many pixels a side.
    case resized(Int)
    /// Each is laid in the middle of a black square of so many pixels a side.
    case padded(Int)
}

extension ImageFit: CustomStringConvertible {
    public var description: String {
        switch self {
        case .none: "images as they are"
        case .resized(let size): "images resized to \(size)x\(size)"
        case .padded(let size): "images padded to \(size)x\(size)"
        }
    }
}
