// SutureReports
