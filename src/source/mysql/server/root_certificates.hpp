#pragma once
// The certificates of sslrootcert. The driver and OpenSSL open a file by its name, and would wait for the writer of a
// FIFO, or read one without end. So the file is read before, and both get what was read, in a file in memory.

#include <string>

#include "core/postgres_free.hpp"

namespace pgrepl::mysql {

class RootCertificates {
  public:
    /// `path` may be empty: there are none. Throws SourceError if the file cannot be read.
    explicit RootCertificates(const std::string& path);
    RootCertificates(const RootCertificates&) = delete;
    RootCertificates& operator=(const RootCertificates&) = delete;
    ~RootCertificates();

    /// By which they can be opened while this lives; empty if there are none.
    [[nodiscard]] const std::string& path() const noexcept { return path_; }

  private:
    int file_ = -1;
    std::string path_;
};

}  // namespace pgrepl::mysql
