// A file in memory is opened by the name that /proc has for its descriptor.

#include "source/mysql/server/root_certificates.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "core/small_file.hpp"
#include "core/source_error.hpp"

namespace pgrepl::mysql {

RootCertificates::RootCertificates(const std::string& path) : path_(path) {
    if (path.empty()) {
        return;
    }
    core::SmallFile const read = core::read_small_file(path);
    if (!read.fault.empty()) {
        throw core::SourceError(
            core::SourceErrorKind::kUnreachable, 0, "cannot read the certificates in \"" + path + "\"", false,
            read.fault + " It is read by the database server.",
            "Name in sslrootcert a file of certificates that the server's operating system user can "
            "read.");
    }
    file_ = ::memfd_create("sslrootcert", MFD_CLOEXEC);
    auto const size = static_cast<ssize_t>(read.text.size());
    if (file_ < 0 || ::write(file_, read.text.data(), read.text.size()) != size) {
        int const error = errno;
        ::close(file_);
        throw core::SourceError(core::SourceErrorKind::kResource, error,
                                "cannot keep certificates in memory: " + std::generic_category().message(error), true);
    }
    std::string const in_memory = "/proc/self/fd/" + std::to_string(file_);
    if (::access(in_memory.c_str(), R_OK) == 0) {  // else there is no /proc
        path_ = in_memory;
    }
}

RootCertificates::~RootCertificates() {
    if (file_ >= 0) {
        ::close(file_);
    }
}

}  // namespace pgrepl::mysql
