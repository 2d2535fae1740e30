import ArgumentParser
import Foundation
import SutureKit

/// How a set of images is read.
struct ImageOptions: ParsableArguments {
    @Option(help: "Which part of the data: train or test.")
    var split = ImageSet.Split.test

    @OptionGroup var size: ImageSizeOptions

    /// The files that are read where a set is named.
    static func files(_ path: String) -> [String] { ImageSet.files(URL(filePath: path)).map(\.relativePath) }

    /// Reads the set, or some of it, as a classifier's own images were prepared unless something else is asked for, with its
    /// classes; `severity` names a fifth of a `.npy` file.
    func images(
        _ path: String, for classifier: ClassifierArchitecture? = nil, severity: Int? = nil, limit: Int? = nil
    ) throws -> ImageSet {
        let images = try ImageSet(
            contentsOf: URL(filePath: path), split: split, fit: size.fit(for: classifier?.fit), severity: severity,
            limit: limit)
        return try classifier.map { try images.matched(to: $0) } ?? images
    }
}

/// How images come to one size.
struct ImageSizeOptions: ParsableArguments {
    @Option(help: "Resize the images to squares of so many pixels a side.")
    var resize: Int?

    @Option(help: "Keep the middle, a square of so many pixels a side, after --resize made the shorter side so long.")
    var centerCrop: Int?

    @Option(help: "Lay the images in the middle of black squares of so many pixels a side.")
    var pad: Int?

    func validate() throws {
        guard resize == nil || pad == nil else { throw ValidationError("Give --resize or --pad, not both.") }
        for (name, size) in [("--resize", resize), ("--center-crop", centerCrop), ("--pad", pad)] {
            if let size, !(1...4096).contains(size) { throw ValidationError("\(name) is 1...4096, not \(size).") }
        }
        if let centerCrop {
            guard let resize else { throw ValidationError("--center-crop needs --resize.") }
            guard centerCrop <= resize else { throw ValidationError("--center-crop is at most what --resize is.") }
        }
    }

    /// What is asked for; nil where nothing is.
    var asked: ImageFit? {
        guard let resize else { return pad.map { .padded($0) } }
        return centerCrop.map { .cropped(shorter: resize, crop: $0) } ?? .resized(resize)
    }

    /// What is asked for, else what a model was trained on; it is told where both are there and differ.
    func fit(for known: ImageFit? = nil) -> ImageFit {
        if let asked, let known, asked != known {
            note("the model was trained on \(known), and now gets \(asked)")
        }
        return asked ?? known ?? .none
    }
}

extension ImageSet.Split: ExpressibleByArgument {}
