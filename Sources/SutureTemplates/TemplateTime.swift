import Foundation

/// A time of day on a date, as `strftime_now` tells it: without a zone, in English.
public struct TemplateTime: Hashable, Sendable {
    /// The year, such as 2026.
    public var year: Int
    /// The month, from 1.
    public var month: Int
    /// The day of the month, from 1.
    public var day: Int
    /// The hour, from 0 to 23.
    public var hour: Int
    /// The minute.
    public var minute: Int
    /// The second.
    public var second: Int

    /// A time from its parts; parts out of range are moved into it.
    public init(year: Int, month: Int, day: Int, hour: Int = 0, minute: Int = 0, second: Int = 0) {
        self.year = min(max(year, 1), 9999)
        self.month = min(max(month, 1), 12)
        self.day = min(max(day, 1), 31)
        self.hour = min(max(hour, 0), 23)
        self.minute = min(max(minute, 0), 59)
        self.second = min(max(second, 0), 59)
    }

    /// The time of the clock, in the zone of the machine.
    public static func now() -> TemplateTime {
        let parts = Calendar(identifier: .gregorian)
            .dateComponents([.year, .month, .day, .hour, .minute, .second], from: Date())
        return TemplateTime(
            year: parts.year ?? 1, month: parts.month ?? 1, day: parts.day ?? 1, hour: parts.hour ?? 0,
            minute: parts.minute ?? 0, second: parts.second ?? 0)
    }

    private static let months = [
        "January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
        "November", "December"
    ]
    private static let weekdays = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"]

    private var dayOfYear: Int {
        let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
        let before = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334][month - 1]
        return before + day + (isLeap && month > 2 ? 1 : 0)
    }

    /// From 0, a Sunday.
    private var weekday: Int {
        let years = year - 1
        return (years * 365 + years / 4 - years / 100 + years / 400 + dayOfYear) % 7
    }

    /// Python's `strftime` in the C locale; nil for a code that this does not have.
    func formatted(_ format: String) -> String? {
        var result = String.UnicodeScalarView()
        var letters = format.unicodeScalars.makeIterator()
        while let letter = letters.next() {
            guard letter == "%" else {
                result.append(letter)
                continue
            }
            guard var code = letters.next() else { return nil }
            let isBare = code == "-"
            if isBare {
                guard let next = letters.next() else { return nil }
                code = next
            }
            guard let text = text(of: code, isBare: isBare) else { return nil }
            result.append(contentsOf: text.unicodeScalars)
        }
        return String(result)
    }

    private func text(of code: Unicode.Scalar, isBare: Bool) -> String? {
        func padded(_ number: Int, _ width: Int = 2) -> String {
            let digits = String(number)
            return String(repeating: "0", count: isBare ? 0 : max(width - digits.count, 0)) + digits
        }
        switch code {
        case "d": return padded(day)
        case "m": return padded(month)
        case "y": return padded(year % 100)
        case "H": return padded(hour)
        case "I": return padded((hour + 11) % 12 + 1)
        case "M": return padded(minute)
        case "S": return padded(second)
        case "j": return padded(dayOfYear, 3)
        case "Y" where !isBare && year >= 1000: return String(year)
        case "B" where !isBare: return Self.months[month - 1]
        case "b" where !isBare, "h" where !isBare: return String(Self.months[month - 1].prefix(3))
        case "A" where !isBare: return Self.weekdays[weekday]
        case "a" where !isBare: return String(Self.weekdays[weekday].prefix(3))
        case "w" where !isBare: return String(weekday)
        case "p" where !isBare: return hour < 12 ? "AM" : "PM"
        case "F" where !isBare && year >= 1000: return "\(year)-" + padded(month) + "-" + padded(day)
        case "T" where !isBare: return padded(hour) + ":" + padded(minute) + ":" + padded(second)
        case "R" where !isBare: return padded(hour) + ":" + padded(minute)
        case "D" where !isBare: return padded(month) + "/" + padded(day) + "/" + padded(year % 100)
        case "%" where !isBare: return "%"
        case "n" where !isBare: return "\n"
        case "t" where !isBare: return "\t"
        default: return nil
        }
    }
}
