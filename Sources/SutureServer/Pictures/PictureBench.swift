import Hummingbird
import ServiceLifecycle
import SutureFormats
import SutureVision

/// What all routes of a classifier of images work with.
struct PictureBench: Bench {
    let name: String
    let patches: PatchStore
    let desk: PictureDesk
    let limits: ServerLimits
    let meter: Meter

    var facts: JSON {
        let architecture = desk.base.architecture
        return [
            "kind": "classifier", "name": JSON(name), "family": JSON(architecture.family),
            "channels": JSON(architecture.channels), "images": JSON(desk.images?.count ?? 0),
            "classes": .array(architecture.classes.map { JSON($0) }),
            "corruptions": .array(Corruption.Kind.allCases.map { JSON($0.rawValue) })
        ]
    }

    var page: [UInt8] { PackageResources.pictures_html }
    var services: [any Service] { [] }

    func addOwn(to router: Router<ServerContext>) {
        PictureRoutes(bench: self).add(to: router)
        RefusedRoutes.ofTexts.add(to: router)
    }

    func begin() {}
    func prepare() {}
}
