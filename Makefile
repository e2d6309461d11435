# pg_replicator: `make demo` and `make test` need nothing but this file and a Debian machine; see README.md.

EXTENSION   = pg_replicator
VERSION     = 0.1.0
PG_CONFIG  ?= pg_config
BUILD       = build

COMMON_FLAGS  = -std=c++20 -O2 -g -fPIC -Isrc -Wall -Wextra -Wshadow -Werror -MMD -MP
SERVER_FLAGS  = $(COMMON_FLAGS) -fvisibility=default -isystem $(shell $(PG_CONFIG) --includedir-server)
ADAPTER_FLAGS = $(COMMON_FLAGS) -DPGREPL_ADAPTER

SERVER_SOURCES  = src/extension.cpp $(wildcard src/core/*.cpp src/pg/*.cpp src/target/*.cpp src/catalog/*.cpp \
                    src/replication/*.cpp src/worker/*.cpp src/api/*.cpp)
SQLITE_SOURCES  = $(wildcard src/core/*.cpp src/source/sqlite/*.cpp)
UNIT_SOURCES    = $(wildcard test/unit/*_test.cpp)
PG_TEST_SOURCES = $(wildcard test/pg/*.cpp)
INSTALL_SQL     = $(sort $(wildcard sql/install/*.sql))

SERVER_OBJECTS  = $(SERVER_SOURCES:%.cpp=$(BUILD)/server/%.o)
SQLITE_OBJECTS  = $(SQLITE_SOURCES:%.cpp=$(BUILD)/adapter/%.o)
UNIT_OBJECTS    = $(UNIT_SOURCES:%.cpp=$(BUILD)/adapter/%.o)
PG_TEST_OBJECTS = $(PG_TEST_SOURCES:%.cpp=$(BUILD)/server/%.o) \
                  $(filter $(BUILD)/server/src/core/% $(BUILD)/server/src/pg/% $(BUILD)/server/src/target/%,$(SERVER_OBJECTS))

LIBRARY  = $(BUILD)/pg_replicator.so
SQLITE   = $(BUILD)/pg_replicator_sqlite.so
SCRIPT   = $(BUILD)/$(EXTENSION)--$(VERSION).sql
PKGLIBDIR = $(shell $(PG_CONFIG) --pkglibdir)
EXTDIR    = $(shell $(PG_CONFIG) --sharedir)/extension

.PHONY: all install setup test demo bench lint format clean
all: $(LIBRARY) $(SQLITE) $(SCRIPT)

$(BUILD)/server/%.o: %.cpp
	@mkdir -p $(@D)
	$(CXX) $(SERVER_FLAGS) -c $< -o $@
$(BUILD)/adapter/%.o: %.cpp
	@mkdir -p $(@D)
	$(CXX) $(ADAPTER_FLAGS) -c $< -o $@

$(LIBRARY): $(SERVER_OBJECTS)
	$(CXX) -shared -o $@ $^
$(SQLITE): $(SQLITE_OBJECTS)
	$(CXX) -shared -o $@ $^ -lsqlite3
$(BUILD)/unit_tests: $(UNIT_OBJECTS) $(SQLITE_OBJECTS)
	$(CXX) -o $@ $^ -lgtest -lgtest_main -lsqlite3 -lpthread
$(BUILD)/pg_replicator_test.so: $(PG_TEST_OBJECTS)
	$(CXX) -shared -o $@ $^
$(SCRIPT): $(INSTALL_SQL)
	@mkdir -p $(@D)
	{ echo '\echo Use "CREATE EXTENSION $(EXTENSION)" to load this file. \quit'; cat $^; } > $@

install: all
	install -m 755 $(LIBRARY) $(SQLITE) $(PKGLIBDIR)/
	install -m 644 $(EXTENSION).control $(SCRIPT) $(EXTDIR)/

clean:
	rm -rf $(BUILD)

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
