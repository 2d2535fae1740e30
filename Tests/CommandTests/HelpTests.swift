import ArgumentParser
import Foundation
import SutureTestSupport
import Testing

@testable import suture

@Suite("Help")
struct HelpTests {
    @Test("the guide to the command has every verb")
    func guide() throws {
        let file = Goldens.checkout.appending(path: "Sources/SutureKit/SutureKit.docc/TheCommand.md")
        let text = try String(contentsOf: file, encoding: .utf8)
        for verb in Suture.configuration.subcommands
            + Suture.configuration.groupedSubcommands.flatMap({ $0.subcommands })
        {
            let name = verb.configuration.commandName ?? ""
            #expect(text.firstMatch(of: try Regex("\n\\|[^|]*`\(name)`[^|]*\\|")) != nil, "\(name) is in no row")
        }
    }

    @Test("the command reference is what the commands print; Scripts/commands writes it")
    func reference() throws {
        let file = Goldens.checkout.appending(path: "Documentation/commands.md")
        let text = try String(contentsOf: file, encoding: .utf8)
        var names: [String] = []
        func visit(_ command: any ParsableCommand.Type, _ path: [String]) throws {
            let configuration = command.configuration
            for sub in configuration.subcommands {
                let name = path + [sub.configuration.commandName ?? "\(sub)"]
                names.append(name.joined(separator: " "))
                let help = Suture.helpMessage(for: sub, columns: 80)
                let section = "\n## suture \(name.joined(separator: " "))\n\n```\n\(help)\n```\n"
                #expect(
                    text.contains(section), "run Scripts/commands: the help of \(name.joined(separator: " ")) changed")
                try visit(sub, name)
            }
        }
        try visit(Suture.self, [])
        #expect(names.count > 25 && text.components(separatedBy: "\n## suture ").count - 1 == names.count)
    }
}
