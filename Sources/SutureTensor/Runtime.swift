import CTorch

/// The engine as a whole: threads, versions.
public enum Runtime {
    /// The number of threads that one operator may use.
    public static var threads: Int {
        get { Int(torch.threads()) }
        set { torch.set_threads(Int32(clamping: max(1, newValue))) }
    }

    /// From now on, memory that tensors leave is kept for the next ones and not given back to the system.
    ///
    /// A training makes and leaves the same large tensors in every step; asking the system for each of them anew can take
    /// a third of its time. Does nothing where the C library is not glibc.
    public static func keepFreedMemory() { torch.keep_freed_memory() }

    /// The version of libtorch that is loaded.
    public static var version: String { text(torch.loaded_version()) }

    static var lastError: String { text(torch.last_error()) }

    private static func text(_ string: UnsafePointer<CChar>?) -> String { string.map(String.init(cString:)) ?? "" }
}
