/// One image while it is changed: a plane for each channel, in 0...255.
struct FloatImage {
    var planes: [Plane]

    /// - Parameter shape: `[channels, height, width]`
    init(_ bytes: ArraySlice<UInt8>, shape: [Int]) {
        let (height, width) = (shape[1], shape[2])
        planes = bytes.withUnsafeBufferPointer { bytes in
            (0..<shape[0]).map { channel in
                let start = channel * height * width
                let values = [Float](unsafeUninitializedCapacity: height * width) { values, initialized in
                    for index in 0..<height * width { values[index] = Float(bytes[start + index]) }
                    initialized = height * width
                }
                return Plane(height: height, width: width, values: values)
            }
        }
    }

    init(_ planes: [Plane]) { self.planes = planes }

    var height: Int { planes[0].height }
    var width: Int { planes[0].width }
    var isGrey: Bool { planes.count == 1 }

    /// Every plane changed alike.
    mutating func update(_ change: (inout Plane) -> Void) {
        for channel in planes.indices { change(&planes[channel]) }
    }

    /// Every pixel of an image in colour changed by itself.
    @inline(__always)
    mutating func updateColours(_ change: (_ red: Float, _ green: Float, _ blue: Float) -> (Float, Float, Float)) {
        let (height, width) = (height, width)
        var (red, green, blue) = (planes[0].values, planes[1].values, planes[2].values)
        // The arrays are not shared any more, so that they are not copied.
        planes = []
        red.withUnsafeMutableBufferPointer { red in
            green.withUnsafeMutableBufferPointer { green in
                blue.withUnsafeMutableBufferPointer { blue in
                    for index in 0..<red.count {
                        (red[index], green[index], blue[index]) = change(red[index], green[index], blue[index])
                    }
                }
            }
        }
        planes = [red, green, blue].map { Plane(height: height, width: width, values: $0) }
    }

    /// Adds so much of a cloud, and scales back so that the brightest value stays.
    mutating func addFog(_ cloud: Plane, amount: Float) {
        let cloud = cloud.cropped(height: height, width: width)
        let brightest = planes.reduce(0) { max($0, $1.values.max() ?? 0) }
        let factor = brightest / (brightest + 255 * amount)
        update { $0.update(with: cloud) { ($0 + 255 * amount * $1) * factor } }
    }

    /// A part of the image, and of each pixel where it is darker a light grey in its brightness: 1.5 · luma + 0.5.
    mutating func whiten(keeping kept: Float) {
        if isGrey {
            update { $0.update { kept * $0 + (1 - kept) * max($0, 1.5 * $0 + 127.5) } }
        } else {
            updateColours { red, green, blue in
                let white = 1.5 * (0.299 * red + 0.587 * green + 0.114 * blue) + 127.5
                return (
                    kept * red + (1 - kept) * max(red, white), kept * green + (1 - kept) * max(green, white),
                    kept * blue + (1 - kept) * max(blue, white)
                )
            }
        }
    }

    /// Adds the image as bytes, channel after channel.
    func appendBytes(to bytes: inout [UInt8]) {
        for plane in planes { bytes.append(contentsOf: plane.bytes) }
    }
}

extension Plane {
    /// The values as they are once they were bytes.
    var wholeNumbers: Plane { Plane(height: height, width: width, values: bytes.map(Float.init)) }

    /// The values cut to 0...255 and rounded down, as the scripts of the data sets do; what is below a whole number by a
    /// rounding error only counts as that number.
    var bytes: [UInt8] {
        // A float of 2^23 and more has whole numbers only, and the low bits are those of the number.
        let (whole, slack) = (Float(1 << 23), Float(1) / 4096 - 0.5)
        return [UInt8](unsafeUninitializedCapacity: count) { bytes, initialized in
            values.withUnsafeBufferPointer { values in
                for index in 0..<values.count {
                    let value = min(max(values[index], 0), 255) + slack
                    bytes[index] = UInt8(truncatingIfNeeded: (max(value, 0) + whole).bitPattern)
                }
            }
            initialized = count
        }
    }
}
