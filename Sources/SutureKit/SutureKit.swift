// One import for all of Suture.
@_exported import SutureCore
@_exported import SutureFormats
@_exported import SutureModels
@_exported import SuturePatches
@_exported import SutureRepair
@_exported import SutureReports
@_exported import SutureSignatures
@_exported import SutureSubspaces
@_exported import SutureTasks
@_exported import SutureTemplates
@_exported import SutureTensor
@_exported import SutureTokenizers
@_exported import SutureVision
