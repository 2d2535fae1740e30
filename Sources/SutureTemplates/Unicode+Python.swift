extension Unicode.Scalar {
    /// What Python's `str.isspace` and the `\s` of its regular expressions call whitespace.
    var isPythonSpace: Bool {
        if isASCII { return (9...13).contains(value) || (28...32).contains(value) }
        return properties.isWhitespace
    }

    var isASCIIDigit: Bool { ("0"..."9").contains(self) }

    var isASCIIHexDigit: Bool { isASCIIDigit || ("a"..."f").contains(self) || ("A"..."F").contains(self) }

    /// What `\w` of Python's regular expressions matches.
    var isPythonWord: Bool { self == "_" || isPythonAlphanumeric }

    var isPythonAlphanumeric: Bool { isPythonAlpha || properties.numericType != nil }

    var isPythonAlpha: Bool {
        switch properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: true
        default: false
        }
    }

    /// What Python's `repr` shows as itself.
    var isPythonPrintable: Bool {
        if isASCII { return (32...126).contains(value) }
        switch properties.generalCategory {
        case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator,
            .spaceSeparator:
            return false
        default: return true
        }
    }
}

extension String {
    init(scalars: some Sequence<Unicode.Scalar>) {
        var text = String.UnicodeScalarView()
        text.append(contentsOf: scalars)
        self.init(text)
    }

    /// Equality by code points; `==` of Swift would also equate composed and decomposed letters.
    func isSame(_ other: String) -> Bool { utf8.elementsEqual(other.utf8) }

    /// Order by code points, which is the order of the bytes.
    func isBefore(_ other: String) -> Bool { utf8.lexicographicallyPrecedes(other.utf8) }
}
