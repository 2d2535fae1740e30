//! Corrupts images with fog, and with frost under a picture of one's own.

import Foundation
import SutureKit

let images = try ImageSet(contentsOf: URL(filePath: "fashion-mnist"), split: .test)

// snippet.fog
let foggy = try Corruption(.fog, severity: 3)(images.pixels, seed: 1)
// snippet.end

// snippet.frost
let ice = try Picture(contentsOf: URL(filePath: "ice.jpg"))
let frosty = try Corruption(.frost, severity: 2)(images.pixels, seed: 1, frost: [ice])
// snippet.end

print(foggy, frosty)
