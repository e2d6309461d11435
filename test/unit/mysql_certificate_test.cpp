// Which certificates sslmode=verify-full and sslfingerprint accept. Certificates are made here; whether a server that
// is refused gets a password is asked by test/e2e/test_mysql_security.py.

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>

#include "source/mysql/server/server_certificate.hpp"

namespace pgrepl::mysql {
namespace {

struct Deleter {
    void operator()(X509* certificate) const noexcept { X509_free(certificate); }
    void operator()(EVP_PKEY* key) const noexcept { EVP_PKEY_free(key); }
    void operator()(STACK_OF(X509) * chain) const noexcept { sk_X509_free(chain); }
};
using Certificate = std::unique_ptr<X509, Deleter>;
using Key = std::unique_ptr<EVP_PKEY, Deleter>;
using Chain = std::unique_ptr<STACK_OF(X509), Deleter>;

constexpr long kDay = 24 * 60 * 60;

struct Wanted {
    const char* name = "db.example";
    const char* alternatives = "DNS:db.example,DNS:*.pool.example,IP:127.0.0.1,IP:::1";
    const char* usage = "serverAuth";
    long until = kDay;
    bool is_authority = false;
};

void add_extension(X509* certificate, int kind, const char* value) {
    X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, nullptr, kind, value);
    ASSERT_NE(extension, nullptr) << value;
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
}

/// A certificate for `key`, signed by the issuer, or by itself.
Certificate certificate_of(EVP_PKEY* key, const Wanted& wanted, X509* issuer, EVP_PKEY* issuer_key) {
    static long serial = 0;
    Certificate result(X509_new());
    X509_set_version(result.get(), 2);
    ASN1_INTEGER_set(X509_get_serialNumber(result.get()), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(result.get()), -2 * kDay);
    X509_gmtime_adj(X509_getm_notAfter(result.get()), wanted.until);
    X509_NAME* const subject = X509_get_subject_name(result.get());
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>(wanted.name), -1, -1,
                               0);
    X509_set_issuer_name(result.get(), issuer == nullptr ? subject : X509_get_subject_name(issuer));
    X509_set_pubkey(result.get(), key);
    if (wanted.is_authority) {
        add_extension(result.get(), NID_basic_constraints, "critical,CA:TRUE");
    } else {
        add_extension(result.get(), NID_ext_key_usage, wanted.usage);
        if (*wanted.alternatives != '\0') {
            add_extension(result.get(), NID_subject_alt_name, wanted.alternatives);
        }
    }
    X509_sign(result.get(), issuer == nullptr ? key : issuer_key, EVP_sha256());
    return result;
}

class MysqlCertificate : public testing::Test {
  protected:
    void SetUp() override {
        write(root_.get());
        options_.tls = TlsMode::kVerifyFull;
        options_.root_certificate = file_;
    }
    void TearDown() override { std::filesystem::remove(file_); }

    void write(X509* certificate) const {
        std::unique_ptr<FILE, int (*)(FILE*)> const file(std::fopen(file_.c_str(), "w"), &std::fclose);
        ASSERT_TRUE(file);
        PEM_write_X509(file.get(), certificate);
    }

    [[nodiscard]] Certificate server(const Wanted& wanted) const {
        return certificate_of(key_.get(), wanted, root_.get(), root_key_.get());
    }

    [[nodiscard]] std::string fault(X509* certificate, const std::string& host,
                                    STACK_OF(X509) * chain = nullptr) const {
        return certificate_fault({.certificate = certificate, .chain = chain, .security_level = 1}, options_, host);
    }

    static std::string digits(X509* certificate, const EVP_MD* hash) {
        std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
        unsigned size = 0;
        X509_digest(certificate, hash, digest.data(), &size);
        std::string result;
        for (unsigned i = 0; i < size; ++i) {
            result += "0123456789ABCDEF"[digest[i] >> 4];
            result += "0123456789abcdef"[digest[i] & 15];
        }
        return result;
    }

    ConnectOptions options_;
    std::string file_ = testing::TempDir() + "pg_replicator_root_" + std::to_string(::getpid()) + ".pem";
    Key key_{EVP_EC_gen("P-256")};
    Key root_key_{EVP_EC_gen("P-256")};
    Certificate root_ = certificate_of(root_key_.get(), {.name = "root", .is_authority = true}, nullptr, nullptr);
};

TEST_F(MysqlCertificate, is_accepted_for_each_host_that_it_names) {
    Certificate const certificate = server({});
    for (const char* host : {"db.example", "DB.example", "one.pool.example", "127.0.0.1", "::1"}) {
        EXPECT_EQ(fault(certificate.get(), host), "") << host;
    }
}

TEST_F(MysqlCertificate, is_refused_for_another_host_also_on_loopback) {
    Certificate const certificate = server({.alternatives = "DNS:db.example"});
    for (const char* host : {"localhost", "other.example", "db.example.org", "a.db.example"}) {
        EXPECT_NE(fault(certificate.get(), host).find("hostname mismatch"), std::string::npos) << host;
    }
    for (const char* host : {"127.0.0.1", "::1", "10.1.2.3"}) {
        EXPECT_NE(fault(certificate.get(), host).find("IP address mismatch"), std::string::npos) << host;
    }
    EXPECT_NE(fault(server({.alternatives = "DNS:*.pool.example"}).get(), "one.two.pool.example"), "");
}

TEST_F(MysqlCertificate, without_other_names_is_taken_by_its_common_name) {
    Certificate const certificate = server({.alternatives = ""});
    EXPECT_EQ(fault(certificate.get(), "db.example"), "");
    EXPECT_NE(fault(certificate.get(), "127.0.0.1"), "");
}

TEST_F(MysqlCertificate, of_another_authority_is_refused) {
    Certificate const own = certificate_of(key_.get(), {}, nullptr, nullptr);
    EXPECT_NE(fault(own.get(), "db.example"), "");
    Key const other_key(EVP_EC_gen("P-256"));
    Certificate const other = certificate_of(other_key.get(), {.name = "root", .is_authority = true}, nullptr, nullptr);
    EXPECT_NE(fault(certificate_of(key_.get(), {}, other.get(), other_key.get()).get(), "db.example"), "")
        << "an authority of the same name";
}

TEST_F(MysqlCertificate, that_nobody_vouches_for_is_refused_without_sslrootcert) {
    options_.root_certificate = "";
    EXPECT_NE(fault(server({}).get(), "127.0.0.1"), "");
    EXPECT_NE(fault(certificate_of(key_.get(), {}, nullptr, nullptr).get(), "127.0.0.1"), "");
}

TEST_F(MysqlCertificate, that_signs_itself_is_accepted_if_it_is_the_one_of_sslrootcert) {
    Certificate const own = certificate_of(key_.get(), {}, nullptr, nullptr);
    write(own.get());
    EXPECT_EQ(fault(own.get(), "db.example"), "");
    EXPECT_NE(fault(own.get(), "other.example"), "");
}

TEST_F(MysqlCertificate, is_accepted_through_issuers_that_came_with_it) {
    Key const between_key(EVP_EC_gen("P-256"));
    Certificate const between =
        certificate_of(between_key.get(), {.name = "between", .is_authority = true}, root_.get(), root_key_.get());
    Certificate const certificate = certificate_of(key_.get(), {}, between.get(), between_key.get());
    Chain const chain(sk_X509_new_null());
    sk_X509_push(chain.get(), between.get());
    EXPECT_EQ(fault(certificate.get(), "db.example", chain.get()), "");
    EXPECT_NE(fault(certificate.get(), "db.example"), "");
    Certificate const no_authority =
        certificate_of(between_key.get(), {.name = "between"}, root_.get(), root_key_.get());
    sk_X509_set(chain.get(), 0, no_authority.get());
    EXPECT_NE(fault(certificate.get(), "db.example", chain.get()), "") << "a server's certificate signs no other";
}

TEST_F(MysqlCertificate, is_refused_when_it_has_expired_or_is_for_clients) {
    EXPECT_NE(fault(server({.until = -kDay}).get(), "db.example").find("expired"), std::string::npos);
    EXPECT_NE(fault(server({.usage = "clientAuth"}).get(), "db.example"), "");
}

TEST_F(MysqlCertificate, is_not_accepted_where_there_is_none_or_the_authority_cannot_be_read) {
    EXPECT_NE(fault(nullptr, "db.example"), "");
    options_.root_certificate = file_ + ".missing";
    EXPECT_NE(fault(server({}).get(), "db.example").find("sslrootcert"), std::string::npos);
    options_.root_certificate = "/dev/null";
    EXPECT_NE(fault(server({}).get(), "db.example"), "");
}

TEST_F(MysqlCertificate, is_pinned_by_its_fingerprint_alone) {
    Certificate const certificate = certificate_of(key_.get(), {.until = -kDay}, nullptr, nullptr);
    options_ = {};
    options_.tls = TlsMode::kFingerprint;
    for (const EVP_MD* hash : {EVP_sha1(), EVP_sha256()}) {
        options_.fingerprint = digits(certificate.get(), hash);
        EXPECT_EQ(fault(certificate.get(), "elsewhere.example"), "");
        EXPECT_NE(fault(root_.get(), "elsewhere.example").find("sslfingerprint"), std::string::npos);
        options_.fingerprint.back() = options_.fingerprint.back() == '0' ? '1' : '0';
        EXPECT_NE(fault(certificate.get(), "elsewhere.example"), "") << "one digit is another";
    }
}

TEST_F(MysqlCertificate, is_not_asked_for_by_the_other_modes) {
    for (TlsMode const mode : {TlsMode::kPrefer, TlsMode::kRequire, TlsMode::kDisable}) {
        options_.tls = mode;
        EXPECT_EQ(fault(nullptr, "db.example"), "");
        EXPECT_EQ(fault(server({.until = -kDay}).get(), "other.example"), "");
    }
}

}  // namespace
}  // namespace pgrepl::mysql
