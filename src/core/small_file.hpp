#pragma once
// A small file that a URL names: a password, certificates. What has that name may be anything, and whoever may write
// into its directory can change it at any time. Opening a FIFO waits for its writer, and no signal ends that wait; a
// device may have no end.

#include <string>

#include "core/postgres_free.hpp"

namespace pgrepl::core {

struct SmallFile {
    std::string text;
    std::string fault;  ///< a sentence that says why it cannot be read; empty: it was
};

/// The whole of a regular file of at most 1 MB. Waits for nothing but the disk.
SmallFile read_small_file(const std::string& path);

}  // namespace pgrepl::core
