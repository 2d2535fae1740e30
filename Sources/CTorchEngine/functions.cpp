#include "functions.h"

#define CT_ENTRY(name) ct_##name,
const CTorchFunctions ct_engine = {CT_FUNCTIONS(CT_ENTRY)};
const char ct_engine_names[] = CT_NAMES;
