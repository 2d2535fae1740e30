//! The tasks of a vision engineer: import, classify, corrupt, train, robustness, signatures, composed and removed.

import Foundation
import SutureKit

// snippet.import
let resnet = try ImageClassifier.importing(URL(filePath: "resnet18.safetensors"), architecture: "resnet18")
try resnet.write(to: URL(filePath: "resnet18"))
// snippet.end

// snippet.classify
let pictures = try ImageSet(contentsOf: URL(filePath: "snapshots"), split: .test, for: resnet.architecture)
let answers = try resnet.classify(pictures)
print(try Report(answers, title: "snapshots").terminal())
// snippet.end

// snippet.corrupt
let corruptions = [Corruption(.fog, severity: 3), Corruption(.gaussianNoise, severity: 3)]
try pictures.writeCorrupted(by: corruptions, to: URL(filePath: "corrupted"), as: .folders, seed: 1, fit: .imageNet)
// snippet.end

// snippet.train
let photos = try ImageSet(contentsOf: URL(filePath: "photos"), split: .train, fit: .cropped(shorter: 40, crop: 32))
let network = try ClassifierArchitecture.named("cnn", channels: 3, classes: photos.classes)
let start = try ImageClassifier.initial(network, seed: 1).preparing(.cropped(shorter: 40, crop: 32))
var plan = TrainingPlan()
plan.epochs = 5
let standard = try Training(start, on: photos, plan: plan).run()
(plan.corruptions, plan.corruptedShare) = ([corruptions[0]], 0.5)
let robust = try Training(start, on: photos, plan: plan).run()
// snippet.end

// snippet.robustness
let tests = try ImageSet(contentsOf: URL(filePath: "photos"), split: .test, for: standard.architecture)
let results = try Robustness.measure([standard, robust], on: tests, under: corruptions)
let comparison = RobustnessComparison(before: results[0], after: [(1, results[1])], signatures: ["robust"])
print(try Report(comparison, title: "Robustness").terminal())
// snippet.end

// snippet.signature
for (name, model) in [("start", start), ("standard", standard), ("robust", robust)] {
    try model.write(to: URL(filePath: name))
}
let models = try ["start", "standard", "robust"].map { try Checkpoint(URL(filePath: $0)) }
let fog = try SignatureExtraction().extract(pretrained: models[0], standard: models[1], robust: models[2]).patch
try fog.write(to: URL(filePath: "fog.safetensors"))
// snippet.end

// snippet.compose
let noise = try Patch(contentsOf: URL(filePath: "noise.safetensors"))
let patched = try PatchedCheckpoint(models[1]).adding([AppliedPatch(fog), AppliedPatch(noise, scale: 0.5)])
try patched.write(to: URL(filePath: "patched"))
// snippet.end

// snippet.remove
let present = try PatchedCheckpoint(Checkpoint(URL(filePath: "patched")))
try present.removing(noise.id).write(to: URL(filePath: "fog-only"))
// snippet.end
