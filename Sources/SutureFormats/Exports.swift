// Every module throws diagnostics: whoever imports one has them, too.
@_exported import SutureCore
