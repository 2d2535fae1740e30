extension String {
    /// Python's `upper`.
    var pythonUppercased: String { map(\.properties.uppercaseMapping) }

    /// Python's `lower`: a sigma at the end of a word has a form of its own.
    var pythonLowercased: String {
        guard unicodeScalars.contains("\u{3a3}") else { return map(\.properties.lowercaseMapping) }
        let scalars = Array(unicodeScalars)
        var result = ""
        for (index, scalar) in scalars.enumerated() {
            if scalar == "\u{3a3}" {
                let before = scalars[..<index].last { !$0.properties.isCaseIgnorable }
                let after = scalars[(index + 1)...].first { !$0.properties.isCaseIgnorable }
                let isFinal = before?.properties.isCased == true && after?.properties.isCased != true
                result += isFinal ? "\u{3c2}" : "\u{3c3}"
            } else {
                result += scalar.properties.lowercaseMapping
            }
        }
        return result
    }

    /// Python's `capitalize`.
    var pythonCapitalized: String {
        guard let first = unicodeScalars.first else { return self }
        return first.properties.titlecaseMapping + String(unicodeScalars.dropFirst()).pythonLowercased
    }

    /// Python's `title`: a capital after each letter without case.
    var pythonTitlecased: String {
        var result = ""
        var wasCased = false
        for scalar in unicodeScalars {
            result += wasCased ? scalar.properties.lowercaseMapping : scalar.properties.titlecaseMapping
            wasCased = scalar.properties.isCased
        }
        return result
    }

    /// Jinja's filter `title`: a capital after whitespace, a hyphen or an opening bracket.
    var jinjaTitlecased: String {
        var result = ""
        var word = String.UnicodeScalarView()
        func finish() {
            guard let first = word.first else { return }
            result += first.properties.uppercaseMapping + String(word.dropFirst()).pythonLowercased
            word = .init()
        }
        for scalar in unicodeScalars {
            if scalar.isPythonSpace || ["-", "(", "{", "[", "<"].contains(scalar) {
                finish()
                result.unicodeScalars.append(scalar)
            } else {
                word.append(scalar)
            }
        }
        finish()
        return result
    }

    private func map(_ mapping: (Unicode.Scalar) -> String) -> String {
        var result = ""
        for scalar in unicodeScalars { result += mapping(scalar) }
        return result
    }
}
