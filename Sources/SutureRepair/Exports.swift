// Failures are what methods work on: whoever imports the methods has them, too.
@_exported import SutureTasks
