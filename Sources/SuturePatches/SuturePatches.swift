// SuturePatches
