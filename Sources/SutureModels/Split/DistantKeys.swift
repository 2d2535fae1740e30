import Foundation
import SutureFormats

/// The keys and values of layers that other processes hold, which keep them there: a name for them, and what of them is
/// meant.
struct DistantKeys: Sendable {
    /// Some rows of the first positions; see ``KeyValues/prefix(_:rows:)``.
    struct Cut: Sendable {
        let count: Int
        let rows: [Int]
    }

    let kept: Kept
    /// One after the other.
    var cuts: [Cut] = []

    /// The first `count` positions for some rows.
    func prefix(_ count: Int, rows: [Int]) -> DistantKeys {
        DistantKeys(kept: kept, cuts: cuts + [Cut(count: count, rows: rows)])
    }

    /// What is kept as long as somebody refers to it.
    final class Kept: Sendable {
        let id: Int
        private let ring: LayerRing

        init(_ id: Int, in ring: LayerRing) { (self.id, self.ring) = (id, ring) }

        deinit { ring.release(id) }
    }
}
