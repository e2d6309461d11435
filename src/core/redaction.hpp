#pragma once
// Passwords in texts that may be anything: arguments in the wrong order, messages, statements.

#include <cstddef>
#include <string>
#include <string_view>

#include "core/postgres_free.hpp"

namespace pgrepl::core {

enum class RedactWhat {
    kSourceUrls,  ///< passwords in URLs of the schemes that sources have
    kAll          ///< in URLs of any scheme, and what stands after `password=` and the like: for arguments
};

/// Replaces each password by `***`, or by fewer stars if it is shorter. Returns the size of what is left. References
/// (`env:`, `file:`) are no passwords. `looked_at`, for tests: how many bytes were looked at one by one, beside the one
/// pass over the text.
std::size_t redact_in_place(char* text, std::size_t size, RedactWhat what, std::size_t* looked_at = nullptr) noexcept;

/// Whether anything would be replaced.
bool holds_password(std::string_view text, RedactWhat what) noexcept;

std::string redacted(std::string text, RedactWhat what);

/// Whether the name of a URL's parameter, which may be percent-encoded, says that its value is a secret.
bool names_secret(std::string_view parameter) noexcept;

/// `user:password@host`, with or without a scheme before it.
bool has_user_and_password(std::string_view text) noexcept;

/// Whether an argument of a call that was refused had better not be recorded: nobody knows what a person has put there,
/// and nothing needs it any more. True of much that is no secret.
bool may_hold_secret(std::string_view text);

}  // namespace pgrepl::core
