/// Is told what is being done, how much of it is done, and of how much.
public typealias ProgressHandler = (_ activity: String, _ done: Int, _ total: Int) -> Void
