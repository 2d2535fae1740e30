// Reports are made of what the core counts and says: whoever imports one has it, too.
@_exported import SutureCore
