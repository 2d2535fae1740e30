/// Which of some patches make a model answer as it does, found by halving, as `git bisect` finds a commit.
public enum Culprits {
    /// The places of patches without which `isFree` holds; with any one of them back it does not. Empty where it holds with
    /// all patches; nil where it holds neither without any, nor with the first few of them, nor with all but one: then the
    /// model itself answers so.
    ///
    /// For one culprit among n patches about log2(n) + 3 models are asked; up to 2n where it does not hold without any.
    ///
    /// - Parameters:
    ///   - count: how many patches there are.
    ///   - isFree: whether the answer is free of the fault with the patches at these places and no others.
    public static func find(among count: Int, isFree: (_ kept: [Int]) throws -> Bool) rethrows -> [Int]? {
        let all = Array(0..<count)
        var kept = all
        if try isFree(all) { return [] }
        // An answer that patches brought about is free with these only.
        guard let first = try isFree([]) ? 0 : all.dropFirst().last(where: { try isFree(Array(all[..<$0])) }) else {
            return try all.first { left in try isFree(all.filter { $0 != left }) }.map { [$0] }
        }
        var found: [Int] = []
        repeat {
            // The first patch of those left that brings the fault with those before it.
            let faulty = try shortest(between: first, and: kept.count) { try isFree(Array(kept[..<$0])) }
            found.append(kept.remove(at: faulty - 1))
        } while try !isFree(kept)
        // One that was found early may be harmless without the later ones.
        var isSettled = found.count == 1
        while !isSettled {
            isSettled = true
            for place in found {
                let rest = found.filter { $0 != place }
                guard try isFree(all.filter { !rest.contains($0) }) else { continue }
                (found, isSettled) = (rest, false)
                break
            }
        }
        return found.sorted()
    }

    /// A length with which a beginning has the fault, and with one patch less has not, by halving: `free` has it not, `faulty`
    /// has it.
    static func shortest(
        between free: Int, and faulty: Int, isFree: (_ length: Int) throws -> Bool
    ) rethrows -> Int {
        var (free, faulty) = (free, faulty)
        while faulty - free > 1 {
            let middle = (free + faulty) / 2
            if try isFree(middle) { free = middle } else { faulty = middle }
        }
        return faulty
    }
}
