import CTorch

/// The functions of the engine. The first use of any of them loads libtorch, and nothing before does.
let torch = ct_functions().pointee
