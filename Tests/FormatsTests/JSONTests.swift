import Foundation
import SutureFormats
import Testing

@Suite("JSON")
struct JSONTests {
    @Test("keeps strings, numbers and the order of keys as they are written")
    func keepsWhatIsWritten() throws {
        let json = try JSON.parse(#" {"b": -1.50e3, "a": ["é", "e\u0301", true, null], "z": {}} "#)
        #expect(json["b"] == .number("-1.50e3"))
        #expect(json["b"]?.doubleValue == -1500)
        #expect(json["b"]?.intValue == nil)
        #expect(json.objectValue?.map(\.key) == ["b", "a", "z"])
        let strings = try #require(json["a"]?.arrayValue)
        #expect(strings[0] != strings[1], "canonically equivalent strings have different bytes")
        #expect(strings[0].bytesValue?.bytes == [0xC3, 0xA9])
        #expect(json.serialized() == Array(#"{"b":-1.50e3,"a":["é","e\#u{301}",true,null],"z":{}}"#.utf8))
    }

    @Test("keys that are only canonically equivalent are two keys")
    func canonicallyEquivalentKeys() throws {
        let json = try JSON.parse("{\"\u{E9}\": 1, \"e\u{301}\": 2}")
        #expect(json.objectValue?.count == 2)
        #expect(json["\u{E9}"]?.intValue == 1)
        #expect(json["e\u{301}"]?.intValue == 2)
    }

    @Test(
        "escapes become bytes",
        arguments: [
            (#""\"\\\/\b\f\n\r\t""#, "\"\\/\u{8}\u{C}\n\r\t"), (#""\u0041\u00e9\u20AC""#, "Aé€"),
            (#""\ud83d\ude00!""#, "😀!"), (#""\u0000""#, "\0"), (#""😀""#, "😀"), (#""""#, "")
        ])
    func escapes(text: String, expected: String) throws {
        let json = try JSON.parse(text)
        #expect(json.bytesValue == ByteString(expected))
        #expect(try JSON.parse(json.serialized()) == json)
    }

    static let faulty: [(String, FormatError.Code, Int)] = [
        ("", .truncated, 0), ("  ", .truncated, 2), ("[1,2", .truncated, 4), ("\"abc", .truncated, 0),
        ("\"ab\\", .truncated, 3), ("{\"a\":", .truncated, 5), ("-", .truncated, 1), ("[1,]", .malformedJSON, 3),
        ("{,}", .malformedJSON, 1), ("{\"a\" 1}", .malformedJSON, 5), ("{\"a\":1,}", .malformedJSON, 7),
        ("{a:1}", .malformedJSON, 1), ("'a'", .malformedJSON, 0), ("01", .trailingBytes, 1),
        ("+1", .malformedJSON, 0), (".5", .malformedJSON, 0), ("1.", .truncated, 2), ("1e", .truncated, 2),
        ("[1.e3]", .malformedJSON, 3), ("tru", .truncated, 3), ("trux", .malformedJSON, 3),
        ("Nan", .malformedJSON, 2), ("Inf", .truncated, 3), ("-Inf", .truncated, 4), ("+Infinity", .malformedJSON, 0),
        ("1 2", .trailingBytes, 2), ("{} ,", .trailingBytes, 3), ("\"\\x\"", .malformedJSON, 1),
        ("\"\\u12g4\"", .malformedJSON, 5), ("\"\\ud800\"", .malformedJSON, 1), ("\"\\udc00\"", .malformedJSON, 1),
        ("\"\\ud800\\u0041\"", .malformedJSON, 1), ("\"\\ud800\\n\"", .malformedJSON, 1), ("\"\n\"", .malformedJSON, 1),
        ("\"\0\"", .malformedJSON, 1), ("{\"a\":1,\"a\":1}", .duplicateName, 7), ("{}\u{FEFF}", .trailingBytes, 2),
        ("/**/1", .malformedJSON, 0)
    ]

    @Test(
        "what Python writes for NaN and infinities is kept, and is no number",
        arguments: ["NaN", "Infinity", "-Infinity"])
    func notFinite(text: String) throws {
        let json = try JSON.parse("\u{FEFF}{\"a\": \(text)}")
        #expect(String(decoding: json.serialized(), as: UTF8.self) == "{\"a\":\(text)}")
        #expect(json["a"]?.doubleValue == nil)
        #expect(throws: FormatError.self) { try json.require("a").double }
    }

    @Test("what is not JSON is refused with its offset", arguments: faulty)
    func refusal(text: String, code: FormatError.Code, offset: Int) throws {
        let error = try #require(throws: FormatError.self) { try JSON.parse(text, source: "x.json") }
        #expect(error.code == code)
        #expect(error.subject == "x.json, byte \(offset)")
    }

    @Test(
        "invalid UTF-8 is refused",
        arguments: [
            [0x80], [0xC3], [0xC0, 0x80], [0xC1, 0xBF], [0xE0, 0x80, 0x80], [0xED, 0xA0, 0x80],
            [0xF0, 0x80, 0x80, 0x80],
            [0xF4, 0x90, 0x80, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xE2, 0x82], [0xE2, 0x28, 0xA1], [0xFF]
        ] as [[UInt8]])
    func invalidUTF8(bytes: [UInt8]) throws {
        let text = Array("[\"a".utf8) + bytes + Array("\"]".utf8)
        let error = try #require(throws: FormatError.self) { try JSON.parse(text) }
        #expect(error.code == .invalidUTF8)
        #expect(error.subject == "JSON, byte 3")
    }

    @Test("a text cut anywhere is refused, never read past its end")
    func cutAnywhere() throws {
        let text = Array(#"{"a\n":[1,-2.5e+3,true,false,null,"\ud83d\ude00€"],"b":{"c":[[]]}}"#.utf8)
        _ = try JSON.parse(text)
        for length in 0..<text.count {
            #expect(throws: FormatError.self) { try JSON.parse(Array(text[..<length])) }
        }
    }

    @Test("nesting is limited")
    func depth() throws {
        let limit = JSON.maximumDepth
        _ = try JSON.parse(String(repeating: "[", count: limit) + String(repeating: "]", count: limit))
        let bomb = String(repeating: "[", count: 1_000_000)
        let error = try #require(throws: FormatError.self) { try JSON.parse(bomb) }
        #expect(error.code == .tooDeep)
    }

    @Test("duplicate keys can be kept apart", arguments: [2, 100])
    func duplicateKeys(others: Int) throws {
        let members = (0..<others).map { "\"k\($0)\":\($0)" } + ["\"k1\":-1"]
        let text = "{\(members.joined(separator: ","))}"
        let object = try #require(try JSON.parse(text, duplicateKeys: .keep).objectValue)
        #expect(object.count == others + 1)
        #expect(object["k1"]?.intValue == 1)
        #expect(throws: FormatError.self) { try JSON.parse(text) }
    }

    @Test("objects find, replace, append and remove members", arguments: [3, 8, 9, 50, 1000])
    func objects(count: Int) throws {
        var object = JSONObject()
        for index in 0..<count { object[ByteString("k\(index)")] = JSON(index) }
        #expect((0..<count).allSatisfy { object[ByteString("k\($0)")]?.intValue == $0 })
        #expect(object["missing"] == nil)
        object["k1"] = "new"
        object["k0"] = nil
        #expect(object.count == count - 1)
        #expect(object["k0"] == nil && object["k1"] == "new")
        #expect(object[ByteString("k\(count - 1)")]?.intValue == count - 1)
    }

    @Test("numbers are read at full precision or not at all")
    func numbers() throws {
        #expect(try JSON.parse("9223372036854775807").intValue == .max)
        #expect(try JSON.parse("9223372036854775808").intValue == nil)
        #expect(try JSON.parse("1e999").doubleValue == nil)
        #expect(try JSON.parse("1e-5").doubleValue == 1e-5)
        for value in [0.1, -0.0, Double.leastNonzeroMagnitude, 1.7976931348623157e308, 1e22] {
            #expect(try JSON.parse(JSON(value).serialized()).doubleValue?.bitPattern == value.bitPattern)
        }
        #expect(JSON(Double.nan) == .null)
    }

    @Test("pretty text with sorted keys")
    func pretty() {
        let json: JSON = ["b": [1, 2.5], "a": ["x": nil, "empty": []]]
        let text = """
            {
              "a": {
                "empty": [],
                "x": null
              },
              "b": [
                1,
                2.5
              ]
            }
            """
        #expect(json.serialized(pretty: true, sortedKeys: true) == Array(text.utf8))
    }

    @Test("fields say where a value is missing or wrong")
    func fields() throws {
        let json: JSON = ["width": 64, "rope": ["scale": "two"], "ids": [1, nil], "none": nil]
        let config = JSONField(json, source: "config.json")
        #expect(try config.require("width").int == 64)
        #expect(try config.optional("none") == nil)
        #expect(throws: FormatError(.missingKey, "key \"depth\" is missing", subject: "config.json")) {
            try config.require("depth")
        }
        let wrong = try #require(throws: FormatError.self) { try config.require("rope").require("scale").double }
        #expect(
            wrong.description
                == "config.json: rope.scale: wrong kind of value (expected a finite number, found a string)")
        let element = try #require(throws: FormatError.self) { try config.require("ids").array[1].int }
        #expect(element.subject == "config.json: ids[1]")
    }

    @Test("an encoder writes a value as it is")
    func encoding() throws {
        let json: JSON = ["a": [1, -2.5, "é\n", nil, true, [:]], "b": .object(["c": .number("1e300")])]
        let found = try JSON.parse(Array(JSONEncoder().encode(json)))
        #expect(found["a"] == json["a"])
        #expect(found["b"]?["c"]?.doubleValue == 1e300)
        #expect(try JSON.parse(Array(JSONEncoder().encode(["d": JSON.number("1e999")])))["d"]?.stringValue == "1e999")
    }
}
