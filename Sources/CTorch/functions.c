#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "functions.h"

#if defined(__APPLE__)
#define ENGINE "libSutureTorch.dylib"
#else
#define ENGINE "libSutureTorch.so"
#endif

#pragma weak ct_engine

static const CTorchFunctions *found;

static void fail(const char *what, const char *reason, const char *hint) {
    fprintf(stderr, "error: %s: %s; %s\n", what, reason, hint);
    exit(1);
}

static void find(void) {
    found = &ct_engine;
    if (!found) {
        // What goes wrong is told once, by the error that a call ends with.
        setenv("TORCH_CPP_LOG_LEVEL", "FATAL", 0);
        // Global, as the engine looks for CUDA's kernels among what is loaded.
        void *library = dlopen(ENGINE, RTLD_NOW | RTLD_GLOBAL);
        if (library) found = dlsym(library, "ct_engine");
        if (!found) fail("the tensor library cannot be opened", dlerror(), "`swift build -c release --product SutureTorch` builds it beside the command");
        const char *names = dlsym(library, "ct_engine_names");
        if (!names || strcmp(names, CT_NAMES) != 0)
            fail("the tensor library is of another build than this program", ENGINE, "`swift build -c release --product SutureTorch` builds it anew");
    }
    // libtorch keeps no binary compatibility between minor versions: a mismatch misreads memory rather than failing.
    const char *built = found->built_version(), *loaded = found->loaded_version();
    const size_t length = strcspn(built, "+");
    if (strcspn(loaded, "+") != length || strncmp(built, loaded, length) != 0)
        fail("this was built against another libtorch than is loaded", loaded, "rebuild, or set TORCH_HOME to the other");
}

const CTorchFunctions *ct_functions(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, find);
    return found;
}
