/// A token that is found in text before anything else is done to it, such as `<|im_start|>`.
public struct AddedToken: Sendable, Hashable {
    public let id: Int
    public let content: String
    /// Whether decoding can leave it out.
    public let isSpecial: Bool
    /// Whether it counts only where no word goes on before or after it.
    public let isSingleWord: Bool
    /// Whether it takes the white space before it.
    public let stripsLeft: Bool
    /// Whether it takes the white space after it.
    public let stripsRight: Bool
    /// Whether it is sought, in its normalized form, in normalized text.
    public let isNormalized: Bool

    /// A token with its number, and how it is found in text.
    public init(
        id: Int, content: String, isSpecial: Bool = false, isSingleWord: Bool = false, stripsLeft: Bool = false,
        stripsRight: Bool = false, isNormalized: Bool = false
    ) {
        self.id = id
        self.content = content
        self.isSpecial = isSpecial
        self.isSingleWord = isSingleWord
        self.stripsLeft = stripsLeft
        self.stripsRight = stripsRight
        self.isNormalized = isNormalized
    }

    /// By all that is stored of them, the content by its bytes: `String` takes canonically equivalent ones for equal.
    public static func == (a: AddedToken, b: AddedToken) -> Bool {
        a.id == b.id && a.content.utf8.elementsEqual(b.content.utf8) && a.flags == b.flags
    }

    /// By the id, which equal ones share.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(id)
    }

    private var flags: [Bool] { [isSpecial, isSingleWord, stripsLeft, stripsRight, isNormalized] }
}
