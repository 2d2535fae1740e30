/// The methods by the names that they have in commands and files.
public enum MethodName: String, Sendable, CaseIterable {
    case recruit, gap, mint

    /// The method as it is set unless told otherwise.
    public var method: any RepairMethod {
        switch self {
        case .recruit: Recruit()
        case .gap: GapStep()
        case .mint: MINT()
        }
    }
}
