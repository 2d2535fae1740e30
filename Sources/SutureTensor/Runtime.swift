import CTorch

/// The engine as a whole: threads, versions.
public enum Runtime {
    /// The number of threads that one operator may use.
    public static var threads: Int {
        get { Int(ct_threads()) }
        set { ct_set_threads(Int32(clamping: max(1, newValue))) }
    }

    /// From now on, memory that tensors leave is kept for the next ones and not given back to the system.
    ///
    /// A training makes and leaves the same large tensors in every step; asking the system for each of them anew can take
    /// a third of its time. Does nothing where the C library is not glibc.
    public static func keepFreedMemory() { ct_keep_freed_memory() }

    /// The version of libtorch that is loaded.
    public static var version: String { String(cString: ct_loaded_version()) }

    /// Throws unless the libtorch that is loaded is the one this was built against: libtorch keeps no
    /// binary compatibility between minor versions, and a mismatch misreads memory rather than failing.
    public static func checkVersion() throws {
        let built = String(cString: ct_built_version())
        let release = { (version: String) in version.split(separator: "+").first.map(String.init) ?? version }
        guard release(built) == release(version) else {
            throw TensorError(
                "libtorch",
                reason: "built against \(built) but \(version) is loaded; rebuild, or set TORCH_HOME to \(built)")
        }
    }

    static var lastError: String { String(cString: ct_last_error()) }
}
