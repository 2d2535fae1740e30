// SutureModels
