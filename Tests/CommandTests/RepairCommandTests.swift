import Foundation
import SutureTestSupport
import Testing

/// Failures as an engineer has them: several at once, in a pipe, beside cases that must hold.
@Suite("The repair command")
struct RepairCommandTests {
    private static let unlimited = EndToEndTests.unlimited

    private func lines(_ cases: [(String, String)]) -> String {
        cases.map { #"{"prompt": "\#($0.0)", "expected": "\#($0.1)"}"# + "\n" }.joined()
    }

    /// What the model writes behind a prompt, one token.
    private func answer(_ prompt: String, _ place: Workplace) throws -> String {
        try #require(place.done("generate model -p \(prompt) -n 1")["text"] as? String)
    }

    /// A prompt that the model answers with a letter or a digit, and that.
    private func answered(_ place: Workplace) throws -> (prompt: String, answer: String) {
        let prompts = "abcdefghijklmnopqrstuvwxyz".map { "q\($0)x" }
        let rows = prompts.map { "\($0)\t~\n" }.joined()
        try Data("intent\tcode\n\(rows)".utf8).write(to: place.url.appending(path: "ask.tsv"))
        let found = try place.done("detect model ask.tsv --shots 0 --frame {intent}{code}")
        let answers = try #require(found["answers"] as? [[String: Any]])
        let asked = answers.compactMap { answer -> (String, String)? in
            guard let prompt = answer["prompt"] as? String, let text = answer["written"] as? String,
                text.count == 1, text.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber) })
            else { return nil }
            return (prompt, text)
        }
        return try #require(asked.first)
    }

    @Test("several wordings in one call: a line for each, the verdict last, and that nothing is written")
    func wordings() throws {
        let place = try Workplace()
        let outcome = try place.run("repair model -p abc -p dabc -p fgh -e Z \(Self.unlimited)")
        #expect(outcome.status == 0)
        let shown = outcome.text.split(separator: "\n")
        for (number, prompt) in ["abc", "dabc", "fgh"].enumerated() {
            let row = try #require(shown.first { $0.hasPrefix("✓ \(number + 1). fixed ") })
            #expect(row.contains(prompt) && row.contains(" Z "), "\(row)")
        }
        let last = try #require(outcome.text.split(separator: "\n\n").last)
        #expect(last.hasPrefix("✓ 3 of 3 fixed by changing "))
        #expect(outcome.errors.hasSuffix("no patch written (give -o FILE)\n"))
        #expect(!outcome.text.contains("What else changed"))
        let verbose = try place.run("repair model -p abc -e Z \(Self.unlimited) --verbose -o fix")
        #expect(verbose.text.contains("What else changed") && verbose.errors.hasSuffix("wrote fix\n"))
    }

    @Test("a rule is judged by failures that it did not see: a third of the list, or those of a file")
    func rule() throws {
        let place = try Workplace()
        let examples = [("abc", "Z"), ("dabc", "Z"), ("fgh", "Z"), ("xyz", "Z")]
        try Data(lines(examples).utf8).write(to: place.url.appending(path: "list.jsonl"))
        try Data(lines([("klm", "Z"), ("stu", "Z")]).utf8).write(to: place.url.appending(path: "others.jsonl"))
        let report = try place.done("repair model --failures list.jsonl --rule \(Self.unlimited) -o fix")
        let failures = try #require(report["failures"] as? [[String: Any]])
        let unseen = try #require(report["unseen"] as? [[String: Any]])
        let prompts = (failures + unseen).compactMap { $0["prompt"] as? String }
        #expect(failures.count == 3 && Set(prompts) == Set(examples.map(\.0)))
        for failure in unseen {
            let now = try #require(failure["after"] as? [String: Any])
            let prompt = try #require(failure["prompt"] as? String)
            let text = try place.done("generate model --patch fix -p \(prompt) -n 1")["text"] as? String
            #expect(now["written"] as? String == text && now["is_right"] as? Bool == (text == "Z"))
        }
        let shown = try place.run("repair model --failures list.jsonl --unseen others.jsonl --rule \(Self.unlimited)")
        #expect(shown.status == 0)
        let last = try #require(shown.text.split(separator: "\n\n").last).split(separator: "\n").joined(separator: " ")
        #expect(
            last.contains("Of 2 unseen failures of the kind ") && last.contains("of the mistakes that an example had"))
        #expect(shown.text.contains("klm") && shown.text.contains("stu"))
    }

    @Test("what an answer was before is what the model itself wrote, whatever was repaired meanwhile")
    func before() throws {
        let place = try Workplace()
        try Data(lines([("abc", "Z"), ("xabc", "Z")]).utf8).write(to: place.url.appending(path: "list.jsonl"))
        let report = try place.done("repair model --failures list.jsonl \(Self.unlimited)")
        let failures = try #require(report["failures"] as? [[String: Any]])
        for (prompt, failure) in zip(["abc", "xabc"], failures) {
            #expect(try failure["before"] as? String == answer(prompt, place))
            #expect(failure["status"] as? String == "fixed")
        }
        // Of a model with patches it says so.
        try place.done("repair model -p abc -e Z -o fix \(Self.unlimited)")
        let next = try place.done("repair model --patch fix -p def -e r \(Self.unlimited)")
        #expect(next["model"] as? String == "model with a patch")
    }

    @Test("failures and cases come by standard input, and errors name their line")
    func standardInput() throws {
        let place = try Workplace()
        let repair = "repair model --failures - \(Self.unlimited) -o fix"
        let done = try place.run(repair, input: lines([("abc", "Z")]))
        #expect(done.status == 0, "\(done.errors)")
        #expect(try place.run("test model - --patch fix --format quiet", input: "abc\tZ\n").text == "1 of 1\n")
        let bad = try place.run("repair model --failures -", input: lines([("abc", "Z")]) + "{\"prompt\": 3}\n")
        #expect(bad.status == 4 && bad.errors.hasPrefix("error: standard input, line 2"), "\(bad.errors)")
        #expect(try place.run("repair model --failures -", input: "").errors.contains("there are no failures"))
    }

    @Test("guard cases hold, those that are not met are named, and a repair against one is given up")
    func guardCases() throws {
        let place = try Workplace()
        let (prompt, right) = try answered(place)
        let cases = lines([(prompt, right), ("uvw", "~~")])
        let held = try place.run(
            "repair model -p abc -e Z --guard - -o fix --format json \(Self.unlimited)", input: cases)
        #expect(held.status == 0, "\(held.errors)")
        let report = try #require(try held.json()["guard_cases"] as? [String: Any])
        #expect(report["asked"] as? Int == 2 && report["held"] as? Int == 1)
        #expect(report["missed"] as? [String] == ["uvw"])
        #expect(try place.done("generate model -p \(prompt) -n 1 --patch fix")["text"] as? String == right)

        // The same prompt cannot have two answers.
        let against = try place.run(
            "repair model -p \(prompt) -e Z --guard - -o fresh \(Self.unlimited)", input: lines([(prompt, right)]))
        #expect(against.status == 1)
        #expect(against.errors.contains("it would undo the answer to guard case 1"), "\(against.errors)")
        // A failure says itself what is to be kept.
        let keep = [["prompt": prompt, "expected": right], ["prompt": "uvw", "expected": "~~"]]
        let own = try JSONSerialization.data(withJSONObject: ["prompt": prompt, "expected": "Z", "keep": keep])
        let kept = try place.run(
            "repair model --failures - -o fresh --format json \(Self.unlimited)",
            input: String(decoding: own, as: UTF8.self) + "\n")
        #expect(kept.status == 1 && kept.text.contains("it would undo an answer to keep"), "\(kept.text)")
        #expect(kept.text.contains("not kept, since the model did not answer it so"))
        #expect(!FileManager.default.fileExists(atPath: place.url.appending(path: "fresh").path))
    }

    @Test("white space at the end of prompts and answers is shown and warned of")
    func ends() throws {
        let place = try Workplace()
        let list = #"{"prompt": "abc", "expected": "Z"}"# + "\n" + #"{"prompt": "def \n", "expected": "r "}"# + "\n"
        let outcome = try place.run("repair model --failures - \(Self.unlimited) --verbose", input: list)
        #expect(outcome.errors.contains("failure 2: the prompt ends in white space, \"def \\n\""), "\(outcome.errors)")
        #expect(outcome.errors.contains("failure 2: the answer ends in white space, \"r \""))
        #expect(outcome.text.contains("def·⏎"))
    }

    @Test("a model that ends its answer at once is told from one that answers wrongly")
    func ending() throws {
        let place = try Workplace()
        let (prompt, end) = try answered(place)
        try Data(#"{"eos_token": "\#(end)"}"#.utf8).write(to: place.url.appending(path: "model/tokenizer_config.json"))
        let said = "the model ended its answer at once"
        #expect(try place.run("generate model -p \(prompt) -n 3").errors.contains(said))
        #expect(try place.run("repair model -p \(prompt) -e ~ \(Self.unlimited)").text.contains(said))
    }

    @Test("the pathway is examined where that is asked for")
    func pathway() throws {
        let place = try Workplace()
        let line = "repair model -p abc -e Z \(Self.unlimited) --report page.html --force"
        #expect(try place.done(line)["pathway"] == nil)
        #expect(try place.done(line + " --pathway")["pathway"] is [String: Any])
        #expect(String(decoding: try place.bytes("page.html"), as: UTF8.self).contains("By what pathway"))
    }

    @Test("an answer that is not the expected one ends generate with 1, and too few right ones detect")
    func gates() throws {
        let place = try Workplace()
        let (prompt, right) = try answered(place)
        #expect(try place.done("generate model -p \(prompt) -n 1 -e \(right)")["met"] as? Bool == true)
        let wrong = try place.run("generate model -p \(prompt) -n 1 -e ~ --format json")
        #expect(try wrong.status == 1 && wrong.json()["met"] as? Bool == false)
        try Data("intent\tcode\n\(prompt)\t\(right)\ndef\t~~\n".utf8).write(to: place.url.appending(path: "half.tsv"))
        let line = "detect model half.tsv --shots 0 --frame {intent}{code} --format json"
        let found = try place.done(line)
        #expect(found["right"] as? Int == 1 && found["wrong"] as? Int == 1 && found["met"] == nil)
        #expect(try place.run(line + " --require 0.5").status == 0)
        let short = try place.run(line + " --require 0.6")
        #expect(try short.status == 1 && short.json()["met"] as? Bool == false)
    }

    @Test("a patch on a copy in another type names two ways, and both lead there")
    func otherType() throws {
        let place = try Workplace()
        try place.done("repair model -p abc -e Z -o fix \(Self.unlimited)")
        try place.done("convert model --dtype bf16 -o half")
        let refused = try place.run("apply half fix -o fixed")
        #expect(refused.status == 3 && refused.errors.contains("apply --transfer"), "\(refused.errors)")
        #expect(refused.errors.contains("suture repair --failures"))
        try place.done("apply half fix --transfer -o fixed")
        #expect(try place.run("generate fixed -p abc -n 1").text == "Z\n")
        try place.done("repair half --failures fix -o anew \(Self.unlimited)")
        #expect(try place.run("generate half --patch anew -p abc -n 1").text == "Z\n")
        // Another model is no copy in another type.
        #expect(try !place.run("apply other fix -o new").errors.contains("--transfer"))
    }

    @Test("an export records its base and says how it is loaded, and a patch what else it changes")
    func export() throws {
        let place = try Workplace()
        try place.done("repair model -p abc -e Z -o fix \(Self.unlimited)")
        let report = try place.done("export fix --to peft --base model -o adapter")
        #expect((report["loading"] as? String)?.contains("from_pretrained(model, \"adapter\")") == true)
        let config = try JSONSerialization.jsonObject(with: Data(place.bytes("adapter/adapter_config.json")))
        #expect((config as? [String: Any])?["base_model_name_or_path"] as? String == "model")
        let card = try place.run("show fix --format markdown").text
        #expect(card.contains("**What else it changes, on unrelated text**") && card.contains("| KL, mean, nats |"))
        #expect(!card.contains("failures, 1"))
    }

    @Test("the page of a test of robustness is drawn from its JSON")
    func redrawn() throws {
        let place = try Workplace()
        let line = "robustness classifier --data images --corruptions brightness,contrast --severities 1,3"
        let kept = try place.run(line + " --report kept.json --format json")
        #expect(kept.status == 0, "\(kept.errors)")
        #expect(try place.run("report kept.json --format json").output == kept.output)
        let text = String(decoding: try place.bytes("kept.json"), as: UTF8.self)
        for (from, to, reason) in [
            ("\"brightness\"", "\"rain\"", "no such corruption"),
            ("\"images\" : 48", "\"images\" : -1", "right answers")
        ] {
            #expect(text.contains(from), "\(text)")
            try Data(text.replacing(from, with: to).utf8).write(to: place.url.appending(path: "bad.json"))
            let refused = try place.run("report bad.json")
            #expect(refused.status == 4 && refused.errors.contains(reason), "\(refused.errors)")
        }
    }

    @Test("cases are judged by a command, and need no expected answer then")
    func judged() throws {
        let place = try Workplace()
        try place.done("repair model -p abc -e Z -o fix \(Self.unlimited)")
        let words = ["test", "model", "-", "--patch", "fix", "-n", "1", "--format", "json", "--check"]
        let input = #"{"prompt": "abc"}"# + "\n" + #"{"prompt": "abc", "expected": "ignored"}"# + "\n"
        let met = try Command.run(words + ["grep -qx Z {}"], in: place.url, input: input)
        #expect(try met.status == 0 && met.json()["met"] as? Bool == true, "\(met.errors)")
        let unmet = try Command.run(words + ["grep -qx Y {}"], in: place.url, input: input)
        #expect(unmet.status == 1)
        let cases = try #require(try unmet.json()["cases"] as? [[String: Any]])
        #expect(
            cases.map { $0["written"] as? String } == ["Z", "Z"] && cases.allSatisfy { $0["met"] as? Bool == false })
        // A command that cannot be run has not judged.
        let broken = try Command.run(words + ["no-such-program {}"], in: place.url, input: input)
        #expect(broken.status == 3 && broken.errors.contains("could not be run"), "\(broken.errors)")
        // Without a command the answer is missed, by its line.
        let missing = try place.run("test model -", input: input)
        #expect(missing.status == 4 && missing.errors.contains("line 1"))
    }
}
