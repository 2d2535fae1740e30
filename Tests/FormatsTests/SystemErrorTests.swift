import Foundation
import SutureTestSupport
import Testing

@testable import SutureFormats

@Suite("Errors of the system")
struct SystemErrorTests {
    @Test("mean one thing each")
    func kinds() {
        func kind(_ access: FormatError.Access, _ number: Int32) -> DiagnosticKind {
            FormatError.system(access, "cannot be used", "file", number).kind
        }
        for number in [ENOENT, EACCES, ELOOP, ENXIO, EISDIR, ENOTDIR, ENAMETOOLONG] {
            #expect(kind(.reading, number) == .badInput, "\(number)")
        }
        for number in [ENOENT, ELOOP, ENXIO, EISDIR, ENOTDIR, ENAMETOOLONG, EROFS, EACCES, EPERM] {
            #expect(kind(.writing, number) == .usage, "\(number)")
        }
        for number in [ENOSPC, EDQUOT, EFBIG] { #expect(kind(.writing, number) == .failed) }
        for number in [EMFILE, ENFILE, ENOMEM, EIO] {
            #expect(kind(.reading, number) == .failed && kind(.writing, number) == .failed)
        }
        for number in [ENOSPC, EDQUOT, EFBIG, EROFS, EMFILE, ENFILE, ELOOP] {
            #expect(FormatError.system(.writing, "cannot be used", "file", number).hint != nil)
        }
    }

    @Test("are ours where Foundation threw them")
    func foundation() throws {
        try withQuickDirectory { directory in
            let file = directory.appending(path: "file")
            try Data().write(to: file)
            let error = #expect(throws: FormatError.self) {
                try FileManager.default.makeDirectory(file.appending(path: "inner"))
            }
            #expect(error?.kind == .usage && error?.subject?.hasPrefix(directory.path) == true, "\(error as Any)")
            do {
                _ = try Data(contentsOf: directory.appending(path: "none"))
            } catch {
                let ours = FormatError(foundation: error)
                #expect(ours.code == .missingFile && ours.subject?.hasSuffix("none") == true)
            }
        }
    }

    @Test("only what was tried ends with 1")
    func failures() {
        #expect(FormatErrorCode.allCases.filter { $0.kind == .failed } == [.cannotWrite, .systemFailed])
    }

    @Test("hidden characters are shown, whether they move the cursor or turn the line")
    func hidden() {
        let error = FormatError(
            .missingTensor, "no \u{1B}[2J tensor", subject: "a\u{202E}b", found: "c\u{2066}d\u{200E}\nx\u{FFFF}",
            hint: "é 日 \u{200D}")
        #expect(
            error.description
                == #"a\u{202E}b: no \u{1B}[2J tensor (found c\u{2066}d\u{200E}\nx\u{FFFF}); é 日 "# + "\u{200D}")
    }
}
