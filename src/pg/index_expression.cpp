// The grammar decides: the text is parsed within the statement that it is going to be part of.

#include "pg/index_expression.hpp"

namespace pgrepl::pg {

void require_one_index_element(const std::string& definition) {
    std::string const statement = "CREATE INDEX i ON t (" + definition + ")";
    const char* const text = statement.c_str();
    bool const one_element = CallPg([&] {
        List* const parsed = pg_parse_query(text);
        if (list_length(parsed) != 1 || !IsA(linitial_node(RawStmt, parsed)->stmt, IndexStmt)) {
            return false;
        }
        auto* const index = castNode(IndexStmt, linitial_node(RawStmt, parsed)->stmt);
        return list_length(index->indexParams) == 1 && index->indexIncludingParams == NIL && index->options == NIL &&
               index->whereClause == nullptr && index->tableSpace == nullptr;
    });
    if (!one_element) {
        throw SqlError(ERRCODE_SYNTAX_ERROR, "it is more than one expression", "It would become part of CREATE INDEX.",
                       "Write one expression over data, such as data->>'name'.");
    }
}

}  // namespace pgrepl::pg
