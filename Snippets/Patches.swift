//! Applies two patches to a model's files, half of one of them, and takes the other off again.

import Foundation
import SutureKit

// snippet.apply
let checkpoint = try Checkpoint(URL(filePath: "model"))
let capital = try Patch(contentsOf: URL(filePath: "capital.safetensors"))
let flag = try Patch(contentsOf: URL(filePath: "flag.safetensors"))

let patched = try PatchedCheckpoint(checkpoint)
    .adding([AppliedPatch(capital), AppliedPatch(flag, scale: 0.5)])
try patched.write(to: URL(filePath: "patched"))
// snippet.end

// snippet.remove
let present = try PatchedCheckpoint(Checkpoint(URL(filePath: "patched")))
for applied in present.stack.patches { print(applied.patch.shortID, applied.scale) }
try present.removing(flag.id).write(to: URL(filePath: "capital-only"))
// snippet.end

// snippet.refuse
do {
    try PatchedCheckpoint(Checkpoint(URL(filePath: "another"))).adding([AppliedPatch(capital)]).check()
} catch let error as PatchError where error.code == .wrongBase {
    for difference in error.differences { print(difference.tensor, difference.found) }
}
// snippet.end
