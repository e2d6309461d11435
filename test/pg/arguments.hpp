#pragma once
// Arguments and results of the test functions.

#include <string>
#include <vector>

#include "core/row_batch.hpp"
#include "pg/error.hpp"

namespace pgrepl::test {

std::string text_argument(FunctionCallInfo fcinfo, int number);
std::vector<std::string> array_argument(FunctionCallInfo fcinfo, int number);
Datum text_result(const std::string& text);

/// A value written as `kind:text`: `int:7`, `uint:`, `double:0x1p-3`, `float:`, `decimal:1.50`, `text:`,
/// `texthex:61ff`, `bytes:00ff`, `null:`, `bool:true`, `object:$oid` (an object with this key and the value 1),
/// `tag:$oid` (the same as one of our encodings), `repeated:k` (an object with this key twice).
core::Value parse_value(const std::string& written, core::Arena& arena);

}  // namespace pgrepl::test
