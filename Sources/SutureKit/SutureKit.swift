// SutureKit
