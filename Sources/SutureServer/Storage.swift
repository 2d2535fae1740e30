import Foundation
import GRDB
import SutureFormats

/// The folder in which the server keeps patches, jobs and prompts: a database, and a file for each patch.
struct Storage: Sendable {
    let folder: URL
    let database: DatabaseQueue

    /// Where patch files are.
    var patches: URL { folder.appending(path: "patches", directoryHint: .isDirectory) }

    /// Opens the folder, or makes it.
    ///
    /// Throws `FormatError` for a place where none can be, and ``ServerError`` for one that another server uses.
    init(_ folder: URL) throws {
        self.folder = folder
        try FileManager.default.makeDirectory(folder.appending(path: "patches", directoryHint: .isDirectory))
        var configuration = Configuration()
        configuration.prepareDatabase { database in
            // One server has the folder at a time; what it has said is on the disk.
            try database.execute(sql: "PRAGMA locking_mode = EXCLUSIVE")
            try database.execute(sql: "PRAGMA synchronous = FULL")
        }
        let url = folder.appending(path: "suture.sqlite")
        do {
            database = try DatabaseQueue(path: url.path, configuration: configuration)
            try Self.migrator.migrate(database)
            // The lock is taken by the first thing that is written.
            try database.write { try $0.execute(sql: "PRAGMA user_version = 1") }
        } catch let error as DatabaseError where error.resultCode == .SQLITE_BUSY {
            throw ServerError(
                .conflict, "another server uses this folder", subject: folder.relativePath,
                hint: "end it, or name another --folder")
        } catch let error as DatabaseError {
            throw ServerError(
                .cannotStart, "the database cannot be opened", subject: url.relativePath,
                found: error.message ?? "\(error.resultCode)", hint: "name another --folder")
        }
    }

    private static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("patches and jobs") { database in
            try database.create(table: "patch") { table in
                table.primaryKey("name", .text)
                table.column("id", .text).notNull().unique()
                table.column("scale", .double).notNull()
                table.column("isEnabled", .boolean).notNull()
                table.column("position", .integer).notNull()
            }
            try database.create(table: "job") { table in
                table.autoIncrementedPrimaryKey("id")
                table.column("request", .text).notNull()
                table.column("state", .text).notNull()
                table.column("result", .text)
                table.column("error", .text)
                table.column("created", .datetime).notNull()
            }
        }
        migrator.registerMigration("prompts that must stay right") { database in
            try database.create(table: Case.databaseTableName) { table in
                table.autoIncrementedPrimaryKey("id")
                table.column("prompt", .text).notNull()
                table.column("expected", .text).notNull()
                table.column("isChat", .boolean).notNull()
            }
        }
        return migrator
    }

    /// `suture/server` in the user's data directory, which `XDG_DATA_HOME` names, or else is `~/.local/share`.
    static var standardFolder: URL {
        let environment = ProcessInfo.processInfo.environment
        func directory(_ name: String) -> URL? {
            environment[name].flatMap { $0.hasPrefix("/") ? URL(filePath: $0, directoryHint: .isDirectory) : nil }
        }
        let home = directory("HOME") ?? FileManager.default.homeDirectoryForCurrentUser
        return (directory("XDG_DATA_HOME") ?? home.appending(path: ".local/share")).appending(path: "suture/server")
    }
}
