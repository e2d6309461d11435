// dlopen of adapters.

#include "pg/adapter.hpp"

#include <dlfcn.h>

#include "pg/error.hpp"

namespace pgrepl::pg {

const core::Adapter& load_adapter(const std::string& kind) {
    std::string const library = "pg_replicator_" + kind;
    std::string const path = std::string(pkglib_path) + "/" + library + ".so";
    if (access(path.c_str(), F_OK) != 0) {
        throw SqlError(ERRCODE_FEATURE_NOT_SUPPORTED,
                       "the adapter for sources of kind \"" + kind + "\" is not installed",
                       "There is no file \"" + path + "\".",
                       "Install " + library + ".so, which comes with a build of pg_replicator that includes it.");
    }
    // RTLD_LOCAL: client libraries must not lend their symbols to the server.
    void* const handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) {
        const char* const reason = dlerror();
        throw SqlError(ERRCODE_UNDEFINED_FILE, "could not load the adapter \"" + path + "\"",
                       reason == nullptr ? "" : reason, "Install the libraries that the adapter needs.");
    }
    auto const factory = reinterpret_cast<core::AdapterFactory>(dlsym(handle, core::kAdapterFactorySymbol));
    const core::Adapter* const adapter = factory == nullptr ? nullptr : factory();
    if (adapter == nullptr || adapter->abi_version != core::kAdapterAbiVersion || kind != adapter->kind) {
        throw SqlError(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                       "the adapter \"" + path + "\" does not fit this version of pg_replicator",
                       "It is of another build.", "Install both from one build, then restart the server.");
    }
    return *adapter;
}

}  // namespace pgrepl::pg
