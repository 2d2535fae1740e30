import Foundation
import SutureTasks
import SutureTestSupport
import Testing

@Suite("Metrics of answers")
struct MetricsTests {
    /// What `Tests/Goldens/generate/metrics.py` writes.
    private struct Golden: Decodable {
        var sentences: [Sentence]
        var corpora: [Corpus]

        struct Sentence: Decodable {
            var answer: String
            var reference: String
            var edit: Double
            var chrf: Double
            var bleuNone: Double
            var bleu13a: Double
            var rougeNone: Double
            var rouge13a: Double
            var wordsNone: [String]
            var words13a: [String]
        }

        struct Corpus: Decodable {
            var pairs: [Int]
            var chrf: Double
            var bleuNone: Double
            var bleu13a: Double
        }
    }

    private let golden: Golden

    init() throws {
        golden = try JSONDecoder().decode(Golden.self, from: Data(contentsOf: Goldens.url("metrics/metrics.json")))
    }

    @Test("words are sacrebleu's, of hostile strings too")
    func words() {
        func scalars(_ words: [String]) -> [[Unicode.Scalar]] { words.map { Array($0.unicodeScalars) } }
        for each in golden.sentences {
            #expect(scalars(WordTokenization.none.words(each.answer)) == scalars(each.wordsNone))
            #expect(scalars(WordTokenization.v13a.words(each.answer)) == scalars(each.words13a))
        }
    }

    @Test("sentences score as with sacrebleu and rouge-score, edits as with the recursion")
    func sentences() {
        #expect(golden.sentences.count > 50)
        for each in golden.sentences {
            let (answer, reference) = (each.answer, each.reference)
            for (ours, theirs) in [
                (BLEU(.none).sentence(answer, reference), each.bleuNone),
                (BLEU(.v13a).sentence(answer, reference), each.bleu13a),
                (ChrF.sentence(answer, reference), each.chrf),
                (Similarity.rougeL(answer, reference, .none), each.rougeNone),
                (Similarity.rougeL(answer, reference, .v13a), each.rouge13a),
                (Similarity.edit(answer, reference), each.edit)
            ] {
                #expect(abs(ours - theirs) < 1e-9, "\(answer.debugDescription) for \(reference.debugDescription)")
            }
        }
    }

    @Test("corpora score as with sacrebleu")
    func corpora() {
        for each in golden.corpora {
            let pairs = each.pairs.map { golden.sentences[$0] }
            func bleu(_ tokenization: WordTokenization) -> Double {
                BLEU.corpus(pairs.map { BLEU(tokenization).counts($0.answer, $0.reference) })
            }
            #expect(abs(bleu(.none) - each.bleuNone) < 1e-9)
            #expect(abs(bleu(.v13a) - each.bleu13a) < 1e-9)
            #expect(abs(ChrF.corpus(pairs.map { ChrF.counts($0.answer, $0.reference) }) - each.chrf) < 1e-9)
        }
        #expect(BLEU.corpus([]) == 0 && ChrF.corpus([]) == 0)
    }

    @Test("an answer scores in full against itself, and the edit distance is a metric")
    func laws() {
        let texts = golden.sentences.map(\.reference).filter { WordTokenization.none.words($0).count > 3 }
        for text in texts {
            #expect(abs(BLEU(.none).sentence(text, text) - 100) < 1e-9 && abs(ChrF.sentence(text, text) - 100) < 1e-9)
            #expect(Similarity.rougeL(text, text) == 1 && Similarity.edit(text, text) == 1)
        }
        func distance(_ a: String, _ b: String) -> Double {
            (1 - Similarity.edit(a, b)) * Double(max(a.unicodeScalars.count, b.unicodeScalars.count))
        }
        for (a, (b, c)) in zip(texts, zip(texts.dropFirst(), texts.dropFirst(2))) {
            #expect(distance(a, b) == distance(b, a))
            #expect(distance(a, c) <= distance(a, b) + distance(b, c) + 1e-9)
        }
    }

    @Test("perplexity is the inverse of the geometric mean of probabilities")
    func perplexities() {
        #expect(abs(perplexity(logProbabilities: [0.5, 0.125].map { log($0) }) - 4) < 1e-12)
        #expect(perplexity(logProbabilities: []) == 1)
    }
}

@Suite("Answers as they are compared")
struct AnswerTests {
    @Test(
        "white space that means nothing is dropped, other white space stays",
        arguments: [
            (" ls  -la \n", "ls -la"), ("ls -la\r\n\r\n", "ls -la"), ("a\rb\r\nc\n\nd", "a\nb\nc\n\nd"),
            ("echo  'a  b'  \"c  d\"", "echo 'a  b' \"c  d\""), ("if x:\n    y  =\t1  \n", "if x:\n    y = 1"),
            ("echo \\'a  b", "echo \\'a b"), ("echo \"a\\\"  b\"  c", "echo \"a\\\"  b\" c"), ("a\\  b", "a\\  b"),
            ("echo 'a  ", "echo 'a  "),
            (" \t\n", ""), ("", "")
        ])
    func normalization(_ text: String, _ expected: String) {
        #expect(Answer(text).text == expected)
        #expect(Answer(expected) == Answer(text))
    }

    @Test("and nothing else is: letters, case, quotes and marks count")
    func differences() {
        for (a, b) in [("ls", "LS"), ("'a'", "\"a\""), ("e\u{301}", "é"), ("a b", "ab"), ("x:\n y", "x:\n  y")] {
            #expect(Answer(a) != Answer(b))
        }
    }
}

@Suite("Checks of syntax")
struct SyntaxCheckTests {
    @Test("bash reads an answer and does not run it", .enabled(if: SyntaxCheck(.bash) != nil, "bash is not there"))
    func bash() throws {
        let check = try #require(SyntaxCheck(.bash, limit: 60))
        let mark = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
        #expect(try check("touch '\(mark.path)'; echo $(touch '\(mark.path)'); exit 3") == .valid)
        #expect(!FileManager.default.fileExists(atPath: mark.path))
        #expect(try check("find . -name '*.txt' | xargs wc -l\n") == .valid)
        for wrong in ["if true; then", "echo 'x", "a | | b", ")"] {
            guard case .invalid(let reason) = try check(wrong) else {
                Issue.record("valid: \(wrong)")
                continue
            }
            #expect(!reason.isEmpty)
        }
        #expect(try check("ls\0") == .invalid("a zero byte"))
    }

    @Test("Python parses an answer", .enabled(if: SyntaxCheck(.python) != nil, "python3 is not there"))
    func python() throws {
        let check = try #require(SyntaxCheck(.python, limit: 60))
        let mark = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
        #expect(try check("open('\(mark.path)', 'w').write('x')\nraise SystemExit(3)") == .valid)
        #expect(!FileManager.default.fileExists(atPath: mark.path))
        #expect(try check("") == .valid)
        for wrong in ["print(", "x ==", "  y", "def f(:", String(repeating: "(", count: 5000)] {
            guard case .invalid = try check(wrong) else {
                Issue.record("valid: \(wrong.prefix(20))")
                continue
            }
        }
    }

    @Test("a program that takes too long is stopped", .enabled(if: SyntaxCheck(.python) != nil, "python3 is not there"))
    func limit() throws {
        let check = try #require(SyntaxCheck(.python, limit: 0))
        #expect(try check("x = 1") == .undecided)
    }
}
