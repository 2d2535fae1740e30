/// What a ``SignatureStudy`` found. Accuracies are shares of right answers; norms are Euclidean.
public struct StudyResult: Sendable, Codable {
    /// What was studied, on what.
    public struct Setting: Sendable, Codable {
        public var architecture: String
        public var width: Double
        public var parameters: Int
        /// The size of the model's weights.
        public var modelBytes: Int
        public var corruptions: [String]
        public var trainImages, validationImages, testImages: Int
        /// Images of the test that all but the main table is measured on.
        public var sampleImages: Int
        public var pretrainingEpochs, epochs: Int
        /// The part of robust training that is corrupted images.
        public var corruptedShare: Double
        public var seed: UInt64
    }

    /// Of one model, clean and under corruptions.
    public struct Accuracy: Sendable, Codable, Equatable {
        public var clean: Double
        public var corrupted: [Double]
        /// Under the only corruption, or the mean of several.
        public var mean: Double { corrupted.reduce(0, +) / Double(max(1, corrupted.count)) }
    }

    /// What one signature came to, on all images of the test; layers, scale and bits were chosen on the validation images.
    public struct SignatureOutcome: Sendable, Codable {
        public var corruption: String
        public var standard, robust, patched: Accuracy
        /// The signature takes the first so many layers.
        public var layers: Int
        public var scale: Double
        /// The same, stored in few bits: the file that would be shipped.
        public var stored: Stored
        /// The share of the gap between standard and robust model that the patched one regains.
        public var regained: Double { share(of: patched) }
        /// By how much the patched model is worse on clean images than the standard one.
        public var cleanLoss: Double { standard.clean - patched.clean }

        /// The share of that gap that a model of this accuracy regains.
        public func share(of accuracy: Accuracy) -> Double {
            (accuracy.mean - standard.mean) / (robust.mean - standard.mean)
        }
    }

    /// A signature in few bits.
    public struct Stored: Sendable, Codable {
        public var layers, bits, bytes: Int
        public var scale: Double
        /// Before and after storing it in these bits.
        public var full, accuracy: Accuracy
    }

    /// What training did to the weights of a layer.
    public struct Layer: Sendable, Codable {
        public var layer: String
        /// |S - P| / |P|.
        public var standard: Double
        /// For each corruption |R - P| / |P|, |R - S| / |P|, and the cosine of R - P and S - P.
        public var robust, difference, cosine: [Double]
    }

    /// How alike signatures are.
    public struct Likeness: Sendable, Codable {
        public var names: [String]
        public var cosines: [[Double]]
    }

    /// A measurement at some value of what is varied.
    public struct Point: Sendable, Codable {
        public var value: Double
        public var accuracy: Accuracy
        public var bytes: Int?
    }

    /// One corruption under one variation.
    public struct Curve: Sendable, Codable {
        public var corruption: String
        public var variant: String
        public var points: [Point]
    }

    /// Several signatures at once.
    public struct Composition: Sendable, Codable {
        public var corruptions: [String]
        public var mode: String
        /// Nil where a running variance falls below zero, so that there is no such model.
        public var accuracy: Accuracy?
        /// The standard model's.
        public var standard: Accuracy
        /// Each corruption under its own signature alone.
        public var alone: [Double]
    }

    /// A signature on a model that it was not made for.
    public struct Transfer: Sendable, Codable {
        public var corruption: String
        /// The model that is patched, by itself.
        public var standard: Accuracy
        /// With the foreign signature, and with its own where there is one; nil where that gives no model, since a
        /// running variance falls below zero.
        public var foreign, own: Accuracy?
        public var robust: Accuracy?
    }

    public var setting: Setting
    public var outcomes: [SignatureOutcome] = []
    public var layers: [Layer] = []
    public var batchNorms: [Curve] = []
    /// The policy for batch norms that did best on the validation images.
    public var batchNorm = SignatureExtraction.BatchNorm.keep.rawValue
    /// Between the signatures of the corruptions, and of two halves of the classes.
    public var likeness, halves: Likeness?
    /// Row: signature; column: corruption it is tested under.
    public var crossed: [[Double]] = []
    public var scales: [Curve] = []
    public var layersKept: [Curve] = []
    public var bits: [Curve] = []
    public var compositions: [Composition] = []
    /// From one half of the classes to the other, and to the standard model after more training.
    public var transfers, continued: [Transfer]

    init(setting: Setting) {
        self.setting = setting
        (transfers, continued) = ([], [])
    }
}
