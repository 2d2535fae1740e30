/// How pictures come to one size before a classifier sees them.
public enum ImageFit: Sendable, Equatable {
    /// They have it already.
    case none
    /// Each becomes a square of so many pixels a side.
    case resized(Int)
    /// Each is laid in the middle of a black square of so many pixels a side.
    case padded(Int)
    /// The shorter side becomes so long, and the middle is kept, a square of `crop` pixels a side: what torchvision and
    /// timm do with pictures of ImageNet.
    case cropped(shorter: Int, crop: Int, filter: Filter = .bilinear)

    /// How a pixel is made of those around its place, both antialiased as in Pillow.
    public enum Filter: String, Sendable, CaseIterable {
        case bilinear, bicubic
    }

    /// As torchvision prepares for most of its classifiers of ImageNet.
    public static let imageNet = ImageFit.cropped(shorter: 256, crop: 224)

    /// The side of the squares that the pictures become; nil where they stay as they are.
    public var side: Int? {
        switch self {
        case .none: nil
        case .resized(let side), .padded(let side), .cropped(_, let side, _): side
        }
    }

    /// Whether pictures of the right size are changed, too.
    package var isCrop: Bool { if case .cropped = self { true } else { false } }
}

extension ImageFit: CustomStringConvertible {
    public var description: String {
        switch self {
        case .none: "images as they are"
        case .resized(let size): "images resized to \(size)x\(size)"
        case .padded(let size): "images padded to \(size)x\(size)"
        case .cropped(let shorter, let crop, let filter):
            "images whose shorter side is resized to \(shorter) (\(filter.rawValue)), cropped to \(crop)x\(crop)"
        }
    }
}
