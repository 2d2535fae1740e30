// SutureTensor
