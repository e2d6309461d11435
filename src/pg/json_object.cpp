// PostgreSQL's iterator of jsonb.

#include "pg/json_object.hpp"

#include "pg/error.hpp"

extern "C" {
#include "utils/jsonb.h"
}

namespace pgrepl::pg {

namespace {

char* text_of(const JsonbValue& value) {
    if (value.type == jbvString) {
        return pnstrdup(value.val.string.val, static_cast<Size>(value.val.string.len));
    }
    if (value.type == jbvNull) {
        return pstrdup("");
    }
    JsonbValue copy = value;
    Jsonb* const whole = JsonbValueToJsonb(&copy);
    return JsonbToCString(nullptr, &whole->root, VARSIZE(whole));
}

/// Keys and values in turn; null: it is no object.
List* members_of(const char* json) {
    Jsonb* const whole = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(json)));
    if (!JB_ROOT_IS_OBJECT(whole)) {
        return nullptr;
    }
    List* members = list_make1(pstrdup(""));  // an empty object is one, too
    JsonbIterator* iterator = JsonbIteratorInit(&whole->root);
    JsonbValue value;
    JsonbIteratorToken token = WJB_DONE;
    while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE) {
        if (token == WJB_KEY || token == WJB_VALUE) {
            members = lappend(members, text_of(value));
        }
    }
    return members;
}

}  // namespace

std::optional<std::vector<std::pair<std::string, std::string>>> read_json_object(const std::string& json) {
    const char* const text = json.c_str();
    List* const members = CallPg([&] { return members_of(text); });
    if (members == nullptr) {
        return std::nullopt;
    }
    std::vector<std::pair<std::string, std::string>> pairs;
    for (int i = 1; i + 1 < list_length(members); i += 2) {
        pairs.emplace_back(static_cast<const char*>(list_nth(members, i)),
                           static_cast<const char*>(list_nth(members, i + 1)));
    }
    return pairs;
}

}  // namespace pgrepl::pg
