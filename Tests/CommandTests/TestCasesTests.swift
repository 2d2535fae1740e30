import Foundation
import Testing

@Suite("Test cases of a model")
struct TestCasesTests {
    @Test("test cases that are met end with 0, others with 1")
    func cases() throws {
        let place = try Workplace()
        try place.done("repair model -p abc -e Z -o fix \(EndToEndTests.unlimited)")
        let cases = [["prompt": "abc", "expected": "Z"], ["prompt": "def", "expected": "~~"]]
        for (name, list) in [("met", Array(cases[..<1])), ("unmet", cases)] {
            let lines = try list.map { String(decoding: try JSONSerialization.data(withJSONObject: $0), as: UTF8.self) }
            try Data(lines.joined(separator: "\n").utf8).write(to: place.url.appending(path: "\(name).jsonl"))
        }
        #expect(try place.done("test model met.jsonl --patch fix")["met"] as? Bool == true)
        let outcome = try place.run("test model unmet.jsonl --patch fix --format json --report page.html")
        #expect(outcome.status == 1)
        let results = try outcome.json()
        #expect(results["met"] as? Bool == false)
        #expect((results["cases"] as? [[String: Any]])?.map { $0["met"] as? Bool } == [true, false])
        #expect(try place.run("test model unmet.jsonl --patch fix --format quiet").text == "1 of 2\n")
    }

    @Test("of cases that are not met it is told which patches have to go")
    func blame() throws {
        let place = try Workplace()
        try place.done("repair model -p abc -e Z -o fix \(EndToEndTests.unlimited)")
        try place.done("repair model -p abc -e Y -o second --method gap \(EndToEndTests.unlimited)")
        let cases = [["abc", "Z"], ["abc", "Y"], ["def", "~~"]]
        let lines = try cases.map {
            try JSONSerialization.data(withJSONObject: ["prompt": $0[0], "expected": $0[1]])
        }
        try Data(lines.joined(separator: Data("\n".utf8))).write(to: place.url.appending(path: "cases.jsonl"))
        let outcome = try place.run("test model cases.jsonl --patch fix --patch second --blame --format json")
        let found = try #require(try outcome.json()["cases"] as? [[String: Any]])
        let met = found.map { $0["met"] as? Bool }
        // Each of the two patches stands in the way of the other one's answer.
        try #require(Set(met[..<2]) == [true, false], "\(found)")
        let (unmet, culprit) = met[0] == false ? (0, "second") : (1, "fix")
        let blamed = found.map { $0["blamed"] as? [String: Any] }
        #expect(blamed[unmet]?["patches"] as? [String] == [culprit] && blamed[unmet]?["model"] as? Bool == false)
        #expect(blamed[1 - unmet] == nil && blamed[2]?["model"] as? Bool == true, "\(found)")
        let text = try place.run("test model cases.jsonl --patch fix --patch second --blame").text
        #expect(text.contains("the model itself") && text.contains(culprit) && text.contains("to blame"), "\(text)")
    }
}
