// SutureTokenizers
