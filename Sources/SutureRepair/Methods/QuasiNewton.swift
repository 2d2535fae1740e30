import SutureTensor

/// Minimizes a smooth function by L-BFGS (Nocedal & Wright, Numerical Optimization, 2006, algorithm 7.4) with a line
/// search that halves and doubles.
struct QuasiNewton {
    /// How many steps are taken at most, and of how many the curvature is remembered.
    var steps = 15
    var memory = 10
    /// An approximation of the inverse Hessian, up to a factor, by which gradients are multiplied.
    var inverse: (Tensor) throws -> Tensor = { $0 }

    /// Where the function has become small, from `start` on; what it throws ends the search.
    ///
    /// - Parameters:
    ///   - start: where to begin, of any shape.
    ///   - function: its value and its gradient, of the shape of `start`.
    func minimum(
        from start: Tensor, _ function: (Tensor) throws -> (value: Double, gradient: Tensor)
    ) throws -> Tensor {
        var (place, history) = (start, [(step: Tensor, change: Tensor, curvature: Double)]())
        var (value, gradient) = try function(place)
        for _ in 0..<steps where value > 0 {
            var direction = try -self.direction(gradient, history)
            var slope = try (direction * gradient).sum().item()
            if !(slope < 0) {
                history = []
                direction = try -inverse(gradient)
                slope = try (direction * gradient).sum().item()
                guard slope < 0 else { break }
            }
            guard
                let next = try search(place, value, direction, slope, isFirst: history.isEmpty, function)
            else { break }
            let (step, change) = (try next.place - place, try next.gradient - gradient)
            let curvature = try (step * change).sum().item()
            if curvature > 0 { history = history.suffix(memory - 1) + [(step, change, curvature)] }
            (place, value, gradient) = next
        }
        return place
    }

    /// The inverse Hessian times the gradient, by what is remembered (two-loop recursion).
    private func direction(
        _ gradient: Tensor, _ history: [(step: Tensor, change: Tensor, curvature: Double)]
    ) throws -> Tensor {
        var (vector, weights) = (gradient, [Double]())
        for (step, change, curvature) in history.reversed() {
            let weight = try (step * vector).sum().item() / curvature
            weights.append(weight)
            vector = try vector - change * weight
        }
        vector = try inverse(vector)
        if let last = history.last {
            vector = try vector * (last.curvature / (last.change * inverse(last.change)).sum().item())
        }
        for ((step, change, curvature), weight) in zip(history, weights.reversed()) {
            vector = try vector + step * (weight - (change * vector).sum().item() / curvature)
        }
        return vector
    }

    private typealias Point = (place: Tensor, value: Double, gradient: Tensor)

    /// A point along a direction of descent that lies low enough (Armijo's condition); the first step, of which nothing is
    /// known, is made longer as long as that helps.
    private func search(
        _ start: Tensor, _ value: Double, _ direction: Tensor, _ slope: Double, isFirst: Bool,
        _ function: (Tensor) throws -> (value: Double, gradient: Tensor)
    ) throws -> Point? {
        func point(_ size: Double) throws -> Point {
            let place = try start + direction * size
            let found = try function(place)
            return (place, found.value, found.gradient)
        }
        // For a sum of squares the minimum lies near where the linear model reaches zero.
        var size = isFirst ? -2 * value / slope : 1
        var best: Point?
        for _ in 0..<12 {
            let next = try point(size)
            if next.value.isFinite, next.value <= value + 1e-4 * size * slope {
                if !isFirst { return next }
                if let best, best.value <= next.value { return best }
                best = next
                size *= 2
            } else {
                if let best { return best }
                size /= isFirst ? 4 : 2
            }
        }
        return best
    }
}
