#pragma once
// A document as the text that MySQL prints of it: for those that jsonb cannot hold, of which the snapshot has the text.

#include <string>

#include "core/value.hpp"

namespace pgrepl::mysql {

/// `document` as JsonBinaryReader builds it.
std::string print_json(const core::Value& document);

}  // namespace pgrepl::mysql
