/// Two sums over many numbers in float64, eight numbers at a time.
///
/// The number `i` is added in the lane `i mod 8`, and the lanes from first to last: so processors add several at once,
/// and all come to the same bits.
enum LaneSums {
    @inline(__always)
    static func add(count: Int, _ terms: (Int) -> (Double, Double)) -> (Double, Double) {
        var (first, second) = (SIMD8<Double>(), SIMD8<Double>())
        let whole = count & ~7
        for start in stride(from: 0, to: whole, by: 8) {
            var (a, b) = (SIMD8<Double>(), SIMD8<Double>())
            for lane in 0..<8 { (a[lane], b[lane]) = terms(start &+ lane) }
            first += a
            second += b
        }
        for index in whole..<count {
            let (a, b) = terms(index)
            first[index & 7] += a
            second[index & 7] += b
        }
        return (0..<8).reduce((0, 0)) { ($0.0 + first[$1], $0.1 + second[$1]) }
    }
}
