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

    /// Reads the set, as a classifier's own images were prepared unless something else is asked for; `severity` names a
    /// fifth of a `.npy` file.
    func images(_ path: String, for classifier: ClassifierArchitecture? = nil, severity: Int? = nil) throws -> ImageSet
    {
        try ImageSet(
            contentsOf: URL(filePath: path), split: split, fit: size.fit(for: classifier?.fit), severity: severity)
    }
}

/// How images come to one size.
struct ImageSizeOptions: ParsableArguments {
    @Option(help: "Resize the images to squares of so many pixels a side.")
    var resize: Int?

    @Option(help: "Lay the images in the middle of black squares of so many pixels a side.")
    var pad: Int?

    func validate() throws {
        guard resize == nil || pad == nil else { throw ValidationError("Give --resize or --pad, not both.") }
        for (name, size) in [("--resize", resize), ("--pad", pad)] {
            if let size, !(1...4096).contains(size) { throw ValidationError("\(name) is 1...4096, not \(size).") }
        }
    }

    /// What is asked for; nil where nothing is.
    private var asked: ImageFit? { resize.map { .resized($0) } ?? pad.map { .padded($0) } }

    /// What is asked for, else what a model was trained on; it is told where both are there and differ.
    func fit(for known: ImageFit? = nil) -> ImageFit {
        if let asked, let known, asked != known {
            note("the model was trained on \(known), and now gets \(asked)")
        }
        return asked ?? known ?? .none
    }
}

extension ImageSet.Split: ExpressibleByArgument {}
