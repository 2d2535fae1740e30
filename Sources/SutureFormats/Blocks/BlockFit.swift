/// The scale and the minimum with which the levels of a form come nearest to some values, by the sum of squares.
struct BlockFit {
    var scale = 0.0
    var minimum = 0.0
    private var error = Double.infinity

    /// Tries a range of scales; each fixes the values' levels, and these a better scale and minimum by least squares.
    init(_ values: UnsafeBufferPointer<Float>, _ form: BlockForm) {
        self.init()
        let (low, high) = (Double(values.min() ?? 0), Double(values.max() ?? 0))
        if let minimum = form.minimum {
            // A minimum that is subtracted is never negative.
            let bottom = minimum.isSubtracted ? min(0, low) : low
            guard high > bottom else {
                self.minimum = -bottom
                return
            }
            let steps = Double(form.levels.count - 1)
            for tenth in -10...15 {
                let scale = (high - bottom) / (steps + Double(tenth) / 10)
                take(values, form, scale, minimum: -bottom)
            }
        } else {
            let extreme = high > -low ? high : low
            guard extreme != 0, let first = form.levels.first, let last = form.levels.last else { return }
            for end in [Double(first), Double(last)] {
                for percent in stride(from: 70.0, through: 106, by: 4) {
                    take(values, form, extreme / end * percent / 100, minimum: 0)
                }
            }
            // What comes from such a block has its extreme at one of the outer levels.
            for level in form.levels.map(Double.init) where level.magnitude >= 0.7 * Double(last) {
                take(values, form, extreme / level, minimum: 0)
            }
        }
    }

    private init() {}

    /// Keeps a scale and a minimum if they, or what least squares make of them, come nearer than what there is.
    private mutating func take(
        _ values: UnsafeBufferPointer<Float>, _ form: BlockForm, _ scale: Double, minimum: Double
    ) {
        var candidate = (scale: scale, minimum: minimum)
        for _ in 0..<2 {
            var (levels, squares, products, sum, error) = (0.0, 0.0, 0.0, 0.0, 0.0)
            for value in values {
                let value = Double(value)
                let level = form.value(at: form.level(of: value, candidate.scale, candidate.minimum))
                let distance = candidate.scale * level - candidate.minimum - value
                error += distance * distance
                levels += level
                squares += level * level
                products += level * value
                sum += value
            }
            if error < self.error {
                (self.scale, self.minimum, self.error) = (candidate.scale, candidate.minimum, error)
            }
            candidate = form.leastSquares(Double(values.count), levels, squares, products, sum)
            guard candidate.scale != 0, candidate.scale.isFinite, candidate.minimum.isFinite else { return }
        }
    }
}

extension BlockForm {
    func value(at level: Int) -> Double { Double(levels[level]) }

    /// The level that comes nearest to a value.
    func level(of value: Double, _ scale: Double, _ minimum: Double) -> Int {
        guard scale != 0 else { return zero }
        let wanted = (value + minimum) / scale
        guard wanted.isFinite else { return zero }
        let (first, last) = (Double(levels[0]), Double(levels[levels.count - 1]))
        if wanted <= first { return 0 }
        if wanted >= last { return levels.count - 1 }
        if last - first == Double(levels.count - 1) { return Int((wanted - first).rounded()) }
        let above = levels.firstIndex { Double($0) >= wanted } ?? levels.count - 1
        return wanted - Double(levels[above - 1]) < Double(levels[above]) - wanted ? above - 1 : above
    }

    /// The level nearest to nothing.
    private var zero: Int { levels.indices.min { levels[$0].magnitude < levels[$1].magnitude } ?? 0 }

    /// The best scale and minimum for values whose levels are given, by the sums over them.
    fileprivate func leastSquares(
        _ count: Double, _ levels: Double, _ squares: Double, _ products: Double, _ sum: Double
    ) -> (scale: Double, minimum: Double) {
        let alone = (scale: squares > 0 ? products / squares : 0, minimum: 0.0)
        guard let minimum else { return alone }
        let determinant = count * squares - levels * levels
        guard determinant > 0 else { return (0, 0) }
        let scale = (count * products - levels * sum) / determinant
        let least = (scale * levels - sum) / count
        if minimum.isSubtracted, least < 0 { return alone }
        return scale > 0 ? (scale, least) : (0, 0)
    }
}
