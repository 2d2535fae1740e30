// SutureRepair
