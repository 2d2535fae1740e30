extension Report {
    /// Small pictures with a few words under each; where none can be shown, a table of the words.
    public struct Gallery: Sendable, Figure {
        public var caption: String
        public var pictures: [Picture]

        /// Pictures under one caption.
        public init(caption: String, pictures: [Picture]) {
            self.caption = caption
            self.pictures = pictures
        }

        /// A picture and what is said of it.
        public struct Picture: Sendable {
            /// A PNG file, at most a few hundred pixels a side.
            public var png: [UInt8]
            public var title: String
            public var text: String

            /// A picture as PNG, with its title and what is said of it.
            public init(png: [UInt8], title: String, text: String) {
                self.png = png
                self.title = title
                self.text = text
            }
        }

        var values: Table {
            Table(columns: ["picture", ""], rows: pictures.map { [.init($0.title), .init($0.text)] })
        }
    }
}
