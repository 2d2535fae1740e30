import Foundation
import SutureFormats
import Testing

@testable import SutureTasks

/// Programs that nobody has read: what they may see, write and use. Where there is no bubblewrap they are not run at all.
@Suite("The sandbox")
struct SandboxTests {
    /// Whether a sandbox can be made here: else only its absence is tested.
    static let isThere = (try? Sandbox()) != nil

    private func sandbox(_ set: (inout Sandbox.Limits) -> Void = { _ in }) throws -> Sandbox {
        var limits = Sandbox.Limits()
        limits.seconds = 20
        set(&limits)
        return try Sandbox(limits)
    }

    @Test("without bubblewrap it is refused in one line that says what to install")
    func missing() throws {
        let error = try #require(throws: TaskError.self) { try Sandbox(.init(), path: "/nonexistent") }
        #expect(error.code == .noSandbox && error.kind == .refused)
        #expect(error.description.contains("install it"), "\(error)")
        // One that cannot do its work is no sandbox either.
        let folder = FileManager.default.temporaryDirectory.appending(path: "bwrap-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let program = folder.appending(path: "bwrap")
        // A program of the system: one that was just written may be open for writing in another test's child process.
        try FileManager.default.createSymbolicLink(atPath: program.path, withDestinationPath: "/bin/ls")
        let broken = try #require(throws: TaskError.self) { try Sandbox(.init(), path: folder.path) }
        #expect(broken.code == .noSandbox && broken.description.contains("unshare-all"), "\(broken)")
    }

    @Test("a program finds its files, says how it ended, and leaves nothing", .enabled(if: isThere))
    func running() throws {
        let sandbox = try sandbox()
        let files = [Sandbox.File("answer", "a\nb\n"), Sandbox.File("empty", ""), Sandbox.File("prompt", "c")]
        let seen = try sandbox.run("ls; cat answer prompt; test ! -s empty", files: files)
        #expect(seen.isSuccess && seen.output == "answer\nempty\nprompt\na\nb\nc", "\(seen)")
        let failed = try sandbox.run("echo why >&2; exit 3")
        #expect(!failed.isSuccess && failed.reason == "exit code 3" && failed.output == "why\n")
        #expect(try sandbox.run("echo to > /dev/stderr").output == "to\n")
        #expect(try sandbox.run("touch left; ls").output == "left\n")
        #expect(try sandbox.run("ls").output.isEmpty)
        #expect(try sandbox.run("cat").isSuccess, "the standard input is empty")
    }

    @Test(
        "neither the machine's files nor its environment are seen, and nothing outside is written",
        .enabled(if: isThere))
    func walls() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "outside-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try Data("secret".utf8).write(to: folder.appending(path: "file"))
        try FileManager.default.setAttributes([.posixPermissions: 0o777], ofItemAtPath: folder.path)
        let sandbox = try sandbox()
        for command in [
            "cat '\(folder.path)/file'", "echo x > '\(folder.path)/new'", "ls /root", "ls /home", "cat /etc/passwd",
            "echo x > /usr/x", "echo x > /x", "mkdir /y", "echo x > /dev/shm/x", "echo x > /proc/sys/kernel/hostname",
            "test -n \"$(ls /proc | grep -x '[0-9]*' | awk '$1 > 50')\"", "mount -t tmpfs x /usr"
        ] {
            let outcome = try sandbox.run(command)
            #expect(!outcome.isSuccess, "\(command): \(outcome)")
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["file"])
        let environment = try sandbox.run("env").output
        let names = environment.split(separator: "\n").map { $0.prefix { $0 != "=" } }
        #expect(
            Set(names).isSubset(of: ["PATH", "HOME", "LC_ALL", "TMPDIR", "PWD", "OLDPWD", "_", "SHLVL"]), "\(names)")
    }

    @Test("there is no network, not even to this machine", .enabled(if: isThere))
    func network() throws {
        // A port of this machine that somebody listens at.
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(listener) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let port = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address -> Bool in
                bind(listener, address, size) == 0 && listen(listener, 1) == 0
                    && getsockname(listener, address, &size) == 0
            }
        }
        try #require(port)
        let number = UInt16(bigEndian: address.sin_port)
        let connect = "exec 3<>/dev/tcp/127.0.0.1/\(number)"
        #expect(try !sandbox().run("bash -c '\(connect)'").isSuccess)
        #expect(try sandbox().run("cat /proc/net/dev | grep -c :").output == "1\n", "only the loopback is there")
    }

    @Test("time ends what sleeps, what computes, and what it left behind", .enabled(if: isThere))
    func time() throws {
        let sandbox = try sandbox { $0.seconds = 1 }
        let mark = "31.\(UInt32.random(in: 10_000...99_999))"
        for command in ["sleep \(mark)", "while :; do :; done", "sleep \(mark) & sleep \(mark) & wait"] {
            let clock = ContinuousClock()
            let start = clock.now
            let outcome = try sandbox.run(command)
            #expect(!outcome.isSuccess && outcome.reason == "took longer than 1 s", "\(command): \(outcome)")
            #expect(clock.now - start < .seconds(15))
        }
        // What went to the background ends with the program.
        #expect(try sandbox.run("setsid sleep \(mark) & exit 0").isSuccess)
        func isRunning() -> Bool {
            let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
            return names.filter { Int($0) != nil }.contains { name in
                FileManager.default.contents(atPath: "/proc/\(name)/cmdline").map {
                    String(decoding: $0, as: UTF8.self).contains(mark)
                        && String(decoding: $0, as: UTF8.self).hasPrefix("sleep")
                } ?? false
            }
        }
        for _ in 0..<100 where isRunning() { usleep(50_000) }
        #expect(!isRunning())
    }

    @Test("memory, processes, files and output have limits", .enabled(if: isThere))
    func limits() throws {
        let sandbox = try sandbox { ($0.memory, $0.processes, $0.files, $0.folder) = (200, 16, 1, 4) }
        #expect(
            try !sandbox.run("head -c 400000000 /dev/zero | tail -c 400000000 | wc -c | grep 400000000").isSuccess)
        #expect(try sandbox.run("head -c 10000 /dev/zero | tail -c 9000 | wc -c").output == "9000\n")
        // Shells retry a fork for some seconds; a bomb has to come to nothing.
        let bomb = try sandbox.run("for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18; do sleep 3 & done; wait")
        #expect(!bomb.isSuccess && bomb.output.contains("fork"), "\(bomb)")
        #expect(try !sandbox.run("head -c 2000000 /dev/zero > file").isSuccess)
        let many = "for i in 1 2 3 4 5 6; do head -c 900000 /dev/zero > f$i || exit 1; done"
        #expect(try !sandbox.run(many).isSuccess)
        #expect(
            !(try sandbox.run("for i in 1 2 3 4 5 6; do head -c 900000 /dev/zero > /tmp/f$i || exit 1; done").isSuccess)
        )
        let flood = try sandbox.run("yes flood")
        #expect(!flood.isSuccess && flood.output.utf8.count <= 4096, "\(flood.reason)")
    }
}

/// Answers that are run with their tests.
@Suite("Checks of answers", .enabled(if: SandboxTests.isThere))
struct AnswerCheckTests {
    private func verdict(_ task: CheckedTask, _ answer: String) throws -> AnswerCheck.Verdict {
        try AnswerCheck(in: Sandbox())(answer, to: task)
    }

    @Test("a Python function has to pass its asserts")
    func python() throws {
        let task = CheckedTask(
            prompt: "def add(a, b):\n    \"\"\"Add.\"\"\"\n", kind: .python,
            test: "def check(candidate):\n    assert candidate(1, 2) == 3\n", entryPoint: "add")
        #expect(try verdict(task, "    return a + b\n") == .passes)
        #expect(try verdict(task, "def add(a, b):\n    return a + b\n") == .passes)
        #expect(try verdict(task, "Here:\n```python\ndef add(a, b):\n    return a + b\n```\nDone.") == .passes)
        guard case .fails(let reason) = try verdict(task, "    return a - b\n") else {
            Issue.record("a wrong answer passes")
            return
        }
        #expect(reason.contains("AssertionError"), "\(reason)")
        #expect(try !verdict(task, "    return a +\n").isPassing)
        // What ends the program before its tests has not passed them.
        for exit in [
            "    import sys; sys.exit(0)\n", "    return a\nimport os\nos._exit(0)\n", "    return a\nquit()\n"
        ] {
            #expect(try !verdict(task, exit).isPassing, "\(exit)")
        }
    }

    @Test("a bash answer has to satisfy a script, each line of it")
    func bash() throws {
        let task = CheckedTask(
            prompt: "$", kind: .bash, test: "touch a.log b.txt\nbash answer\ntest ! -e a.log\ntest -e b.txt\n")
        #expect(try verdict(task, " rm *.log\n") == .passes)
        #expect(try !verdict(task, " rm *\n").isPassing)
        #expect(try !verdict(task, " exit 0\n").isPassing)
    }

    @Test("a command finds prompt and answer, {} stands for the answer, and a zero byte is no answer")
    func command() throws {
        let task = CheckedTask(prompt: "p", kind: .command("test \"$(cat prompt)$(cat {})\" = pq"))
        #expect(try verdict(task, "q") == .passes)
        #expect(try !verdict(task, "r").isPassing)
        #expect(try !verdict(task, "\0").isPassing)
    }
}

@Suite("Ends of answers")
struct AnswerEndTests {
    @Test(
        "Python ends before the first line that is not indented",
        arguments: [
            ("    return 1\n\nprint(2)\n", "    return 1\n\n"), ("    return 1\n", nil),
            ("    x = [\n1,\n]\n", "    x = [\n"),
            ("import math\n\ndef f():\n    pass\n\nf()", "import math\n\ndef f():\n    pass\n\n"),
            ("    if a:\n        b\n    return (\n    )\n# end", "    if a:\n        b\n    return (\n    )\n")
        ] as [(String, String?)])
    func block(text: String, expected: String?) {
        let place = AnswerEnd(isBlock: true).place(in: text, behind: "def f():\n")
        #expect(place.map { String(text[..<$0]) } == expected)
    }

    @Test("a line that goes on is no line of its own, and strings end an answer, too")
    func rest() {
        let end = AnswerEnd(isBlock: true)
        #expect(
            end.place(in: " a + b\nprint(1)", behind: "def f(a, b): return").map { " a + b\nprint(1)"[..<$0] }
                == " a + b\n")
        let stop = AnswerEnd(stops: ["\n\n", "#"])
        #expect(stop.place(in: " ls\n\nx", behind: "$").map { " ls\n\nx"[..<$0] } == " ls")
        #expect(stop.place(in: " ls", behind: "$") == nil)
        #expect(AnswerEnd(of: .bash, isChat: true) == AnswerEnd())
    }
}

@Suite("Other wordings of prompts for code")
struct PromptVariantTests {
    @Test("the sentence of a function is reworded, its code is not")
    func python() {
        let prompt = "def add(a, b):\n    \"\"\"Return the sum of two numbers.\"\"\"\n"
        let variants = PromptVariants(prompt)
        let all = variants.training + variants.heldOut
        #expect(all.allSatisfy { $0.text.contains("def add(a, b):\n") && $0.text != prompt })
        #expect(Set(all.map(\.text)).count == all.count)
        #expect(variants.heldOut.contains { $0.text.contains("Could you return the sum of two numbers.") })
        #expect(variants.heldOut.contains { $0.name == "quoted" && $0.text.contains("'''Return the sum") })
    }

    @Test("labels and examples of a prompt for a shell")
    func bash() {
        let prompt =
            "# intent: list files here\n$ ls\n\n# intent: show the time\n$ date\n\n# intent: make a folder x\n$"
        let variants = PromptVariants(prompt).heldOut
        let texts = Dictionary(uniqueKeysWithValues: variants.map { ($0.name, $0.text) })
        #expect(texts["relabelled"]?.hasPrefix("# task: list files here") == true)
        #expect(texts["reordered"]?.hasPrefix("# intent: show the time\n$ date\n\n# intent: list files") == true)
        #expect(
            texts["reworded"]?.hasSuffix("# intent: please make a folder x\n$") == true
                || texts["reworded"]?.contains("Create a folder x") == true)
        #expect(PromptVariants("x").heldOut.allSatisfy { $0.text.contains("x") })
    }
}
