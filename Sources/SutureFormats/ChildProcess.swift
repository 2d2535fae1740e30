import CFiles
import Foundation

/// A program that is run to its end; not by Foundation's `Process`, which ends this one where file descriptors are short.
package struct ChildProcess {
    package enum Ending: Equatable, Sendable {
        case exited(Int32)
        case killed(signal: Int32)
        /// It took longer than it may, and was ended.
        case late
    }

    /// Where its streams lead.
    package enum Stream {
        case null
        case descriptor(Int32)

        fileprivate var number: Int32 { if case .descriptor(let number) = self { number } else { -1 } }
    }

    private let program: String
    private let arguments: [String]
    package var environment = ProcessInfo.processInfo.environment
    package var input = Stream.null
    package var output = Stream.null
    package var errors = Stream.null
    /// In seconds; nil for as long as it takes.
    package var limit: Double?

    /// A program by its path, with arguments.
    package init(_ program: String, _ arguments: [String]) { (self.program, self.arguments) = (program, arguments) }

    /// Runs it.
    ///
    /// - Throws: ``FormatError`` where it cannot be started.
    package func run() throws -> Ending {
        var child: Int32 = 0
        let failure = Self.withStrings([program] + arguments) { arguments in
            Self.withStrings(environment.map { "\($0)=\($1)" }) { environment in
                cf_spawn(program, arguments, environment, [input.number, output.number, errors.number], &child)
            }
        }
        guard failure == 0 else { throw FormatError.system(.reading, "cannot be started", program, failure) }
        var code: Int32 = 0
        switch cf_wait(child, limit ?? -1, &code) {
        case 0: return code < 0 ? .killed(signal: -code) : .exited(code)
        case 1: return .late
        default: throw FormatError.system(.reading, "cannot be waited for", program)
        }
    }

    private static func withStrings<Result>(
        _ strings: [String], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Result
    ) -> Result {
        let pointers = strings.map { strdup($0) } + [nil]
        defer { for pointer in pointers { free(pointer) } }
        return pointers.withUnsafeBufferPointer { buffer in
            guard let base = buffer.baseAddress else { preconditionFailure("it has one element at least") }
            return body(base)
        }
    }
}
