import Foundation
import SutureTensor

/// The memory in which the weights of a model are float32: how much of them may be held, and what is used again.
///
/// Writing to memory that is new to the process costs eight times as much as widening into memory that it has (1.6 against
/// 13 GB a second for bfloat16 on one core of an EPYC 7003), as the system has to find and clear each page. So memory of
/// widened weights is used again as soon as nothing refers to it.
final class WeightMemory: Sendable {
    /// How many bytes of widened weights may be held.
    let limit: Int

    /// How many bytes are kept to be used again.
    private let spareLimit: Int

    private let lock = NSLock()
    // Both are guarded by the lock.
    nonisolated(unsafe) private var held = 0
    nonisolated(unsafe) private var spare: [UnsafeMutableRawBufferPointer] = []

    init(limit: Int, spare: Int = 0) {
        self.limit = limit
        spareLimit = spare
    }

    deinit { for memory in spare { memory.deallocate() } }

    /// How many bytes of widened weights are held.
    var heldBytes: Int { lock.withLock { held } }

    /// Whether so many bytes more may be held; they then are, until ``release(_:)``.
    func hold(_ bytes: Int) -> Bool {
        lock.withLock {
            guard held + bytes <= limit else { return false }
            held += bytes
            return true
        }
    }

    /// So many bytes are not held any more.
    func release(_ bytes: Int) { lock.withLock { held -= bytes } }

    /// Memory that comes back by itself when nothing refers to it any more. What is kept for long gets no more than it needs.
    func scratch(_ byteCount: Int, isKept: Bool = false) -> Scratch {
        let found =
            isKept
            ? nil
            : lock.withLock { () -> UnsafeMutableRawBufferPointer? in
                let fitting = spare.indices.filter { spare[$0].count >= byteCount }
                return fitting.min { spare[$0].count < spare[$1].count }.map { spare.remove(at: $0) }
            }
        return Scratch(found ?? .allocate(byteCount: byteCount, alignment: 64), using: byteCount, of: self)
    }

    fileprivate func take(back memory: UnsafeMutableRawBufferPointer) {
        let superfluous = lock.withLock { () -> [UnsafeMutableRawBufferPointer] in
            spare.append(memory)
            spare.sort { $0.count > $1.count }
            var (kept, rest) = (0, [UnsafeMutableRawBufferPointer]())
            // The large ones are dear.
            spare.removeAll { memory in
                guard kept + memory.count > spareLimit else {
                    kept += memory.count
                    return false
                }
                rest.append(memory)
                return true
            }
            return rest
        }
        for memory in superfluous { memory.deallocate() }
    }

    /// A piece of memory in use.
    final class Scratch {
        /// As many bytes as were asked for.
        let bytes: UnsafeMutableRawBufferPointer
        private let whole: UnsafeMutableRawBufferPointer
        private let memory: WeightMemory

        fileprivate init(_ whole: UnsafeMutableRawBufferPointer, using count: Int, of memory: WeightMemory) {
            self.whole = whole
            self.memory = memory
            bytes = UnsafeMutableRawBufferPointer(rebasing: whole[..<count])
        }

        deinit { memory.take(back: whole) }
    }
}
