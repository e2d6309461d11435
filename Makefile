# pg_replicator: `make demo` and `make test` are all a newcomer needs; README.md and CONTRIBUTING.md say more.
#
#   make            build everything into build/
#   make install    into the server that PG_CONFIG names
#   make setup      install what is missing on a Debian machine; says what
#   make demo       set up, build, install, and watch a SQLite database being copied
#                   (SOURCE=mariadb: a MariaDB server being followed)
#   make test       set up, build, install, and run every suite     (SUITE=unit,e2e: some of them)
#   make chaos      faults at random under load                     (CHAOS_FAULTS=1000; CHAOS_SEED=… replays)
#   make bench      speed against peers and floors                  (BENCH=sqlite: one of them)
#   make fuzz       the binlog decoder under libFuzzer              (FUZZ_SECONDS=600)
#   make matrix     demo and tests on other versions of PostgreSQL, as root, in chroots   (MATRIX="17 18")
#   make lint       formatting, clang-tidy, layers, symbols         make format: apply the formatting
#
# Everything of src but the adapters becomes pg_replicator.so. Each adapter is a PostgreSQL-free library of its own.

EXTENSION   = pg_replicator
EXTVERSION := $(shell sed -n "s/^default_version = '\(.*\)'/\1/p" $(EXTENSION).control)
BUILD       = build
SCRIPT      = $(BUILD)/$(EXTENSION)--$(EXTVERSION).sql
MODULES     = $(BUILD)/pg_replicator $(BUILD)/pg_replicator_sqlite $(BUILD)/pg_replicator_mysql
DATA        = $(wildcard $(EXTENSION)--*--*.sql)
DATA_built  = $(SCRIPT)

# All .cpp files of the folders and their subfolders.
sources_of      = $(sort $(shell find $(1) -name '*.cpp'))
server_objects  = $(patsubst %.cpp,$(BUILD)/server/%.o,$(1))
adapter_objects = $(patsubst %.cpp,$(BUILD)/adapter/%.o,$(1))

SERVER_SOURCES  = src/extension.cpp $(call sources_of,$(addprefix src/,core pg targets catalog replication worker api))
SERVER_OBJECTS  = $(call server_objects,$(SERVER_SOURCES))
SQLITE_OBJECTS  = $(call adapter_objects,$(call sources_of,src/core src/source/sqlite))
MYSQL_OBJECTS   = $(call adapter_objects,$(call sources_of,src/core src/source/mysql))
# What needs no server and no driver: the log's decoder and what it stands on.
CORE_SOURCES    = $(call sources_of,src/core)
DECODER_SOURCES = $(call sources_of,$(addprefix src/source/mysql/,wire values sql position binlog))
# Unit tests open SQLite files through that adapter's factory; a process can have only one.
UNIT_MYSQL      = $(filter-out %/mysql/adapter.o $(SQLITE_OBJECTS),$(MYSQL_OBJECTS))
UNIT_OBJECTS    = $(call adapter_objects,$(wildcard test/unit/*_test.cpp))
PG_TEST_OBJECTS = $(call server_objects,$(wildcard test/pg/*.cpp) $(call sources_of,src/core src/pg src/targets))

# PGXS installs. It compiles nothing here: it knows neither our object directories, nor header dependencies, nor how
# to tell its own headers from ours (-isystem), and its bitcode step does not know C++20.
override with_llvm = no
PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs 2>/dev/null)
ifneq ($(PGXS),)
include $(PGXS)
else
all install:
	@echo "There is no $(PG_CONFIG): run 'make setup' first, or give PG_CONFIG=/path/to/pg_config." >&2; exit 1
endif

OUR_FLAGS     = -std=c++20 -O2 -g -fPIC -Isrc -I. -Wall -Wextra -Wshadow -Werror -MMD -MP
SERVER_FLAGS  = $(CXXFLAGS) $(OUR_FLAGS) -isystem $(shell $(PG_CONFIG) --includedir-server) -D_GNU_SOURCE
ADAPTER_FLAGS = $(OUR_FLAGS) -DPGREPL_ADAPTER
# MariaDB Connector/C, which also talks to MySQL. src/source/mysql/server/driver.hpp says why it must be this one.
MYSQL_CONFIG := $(shell command -v mariadb_config || command -v mysql_config)
ifneq ($(MYSQL_CONFIG),)
MYSQL_FLAGS  := $(patsubst -I%,-isystem %,$(shell $(MYSQL_CONFIG) --include))
MYSQL_LIBS   := $(shell $(MYSQL_CONFIG) --libs)
endif
TLS_LIBS      = -lssl -lcrypto
DECODER_LIBS  = -lzstd -lz -ldeflate
LINK_LIBRARY  = $(CXX) -shared -Wl,-z,relro -Wl,-z,now -Wl,--as-needed

.DELETE_ON_ERROR:

$(BUILD)/server/%.o: %.cpp Makefile
	@mkdir -p $(@D)
	$(CXX) $(SERVER_FLAGS) -c $< -o $@
$(BUILD)/adapter/%.o: %.cpp Makefile
	@mkdir -p $(@D)
	$(CXX) $(ADAPTER_FLAGS) $(if $(findstring mysql,$<),$(MYSQL_FLAGS)) -c $< -o $@

# src/module.map keeps C++ names within each library: several of them live in one process and share code of src/core.
$(BUILD)/pg_replicator.so: $(SERVER_OBJECTS) src/module.map
	$(LINK_LIBRARY) -Wl,--version-script=src/module.map -o $@ $(filter %.o,$^)
$(BUILD)/pg_replicator_test.so: $(PG_TEST_OBJECTS) src/module.map
	$(LINK_LIBRARY) -Wl,--version-script=src/module.map -o $@ $(filter %.o,$^)
$(BUILD)/pg_replicator_sqlite.so: $(SQLITE_OBJECTS) src/source/adapter.map
	$(LINK_LIBRARY) -Wl,-z,defs -Wl,--version-script=src/source/adapter.map -o $@ $(filter %.o,$^) -lsqlite3
$(BUILD)/pg_replicator_mysql.so: $(MYSQL_OBJECTS) src/source/adapter.map
	$(LINK_LIBRARY) -Wl,-z,defs -Wl,--version-script=src/source/adapter.map -o $@ $(filter %.o,$^) $(MYSQL_LIBS) $(TLS_LIBS) $(DECODER_LIBS)
$(BUILD)/unit_tests: $(UNIT_OBJECTS) $(SQLITE_OBJECTS) $(UNIT_MYSQL)
	$(CXX) -o $@ $^ -lgtest_main -lgtest -lsqlite3 $(MYSQL_LIBS) $(TLS_LIBS) $(DECODER_LIBS)
$(BUILD)/mysql_binlog_decode: test/bench/mysql_binlog_decode.cpp $(DECODER_SOURCES) $(CORE_SOURCES)
	@mkdir -p $(@D)
	$(CXX) $(filter-out -MMD -MP,$(ADAPTER_FLAGS)) -o $@ $^ $(DECODER_LIBS)
$(BUILD)/mysql_binlog_fuzz: test/fuzz/mysql_binlog_fuzz.cpp $(DECODER_SOURCES) $(CORE_SOURCES)
	@mkdir -p $(@D)
	$(FUZZ_CXX) $(filter-out -O2 -MMD -MP,$(ADAPTER_FLAGS)) -O1 -fsanitize=fuzzer,address,undefined \
	    -fno-sanitize-recover=undefined -o $@ $^ $(DECODER_LIBS)
# By the name of a kind that has no adapter yet; test/e2e/test_scripted_kind.py installs it for as long as it runs.
$(BUILD)/test/pg_replicator_mongodb.so: $(call adapter_objects,test/scripted/adapter.cpp $(CORE_SOURCES)) src/source/adapter.map
	@mkdir -p $(@D)
	$(LINK_LIBRARY) -Wl,-z,defs -Wl,--version-script=src/source/adapter.map -o $@ $(filter %.o,$^)
$(BUILD)/adapter_driver: $(call adapter_objects,$(wildcard test/adapter/*.cpp) $(CORE_SOURCES))
	$(CXX) -rdynamic -o $@ $^ -ldl

$(SCRIPT): $(sort $(wildcard sql/install/*.sql)) $(EXTENSION).control src/core/version.hpp
	@mkdir -p $(@D)
	@grep -q 'kVersion = "$(EXTVERSION)"' src/core/version.hpp || \
	    { echo "src/core/version.hpp does not say $(EXTVERSION), as $(EXTENSION).control does" >&2; exit 1; }
	{ printf '%s\n' '\echo Use "CREATE EXTENSION $(EXTENSION)" to load this file. \quit'; cat $(filter %.sql,$^); } > $@

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

# What follows runs as root or as an ordinary user, who needs sudo for set-up and installation only.
SUDO = $(if $(filter 0,$(shell id -u)),,sudo)
JOBS = $(shell nproc)
.PHONY: setup test-programs check-symbols build-and-install test demo chaos bench fuzz matrix lint format

setup:
	./setup.sh
test-programs: $(BUILD)/unit_tests $(BUILD)/pg_replicator_test.so $(BUILD)/adapter_driver $(BUILD)/test/pg_replicator_mongodb.so
check-symbols: all
	test/lint/symbols.sh $(PG_CONFIG)

build-and-install: setup
	$(MAKE) --no-print-directory -j$(JOBS) all
	$(SUDO) $(MAKE) --no-print-directory install

test: build-and-install
	$(MAKE) --no-print-directory -j$(JOBS) test-programs
	/usr/bin/python3 test/run.py $(SUITE)
demo: build-and-install
	/usr/bin/python3 demo/$(if $(filter mariadb,$(SOURCE)),mariadb,demo).py
chaos: build-and-install
	/usr/bin/python3 test/chaos/chaos.py
bench: build-and-install $(BUILD)/mysql_binlog_decode
	./setup.sh bench
	/usr/bin/python3 test/bench/bench.py $(BENCH)
matrix:
	test/matrix.sh $(MATRIX)

# libFuzzer comes with clang and libclang-rt-dev, which nothing else needs: setup.sh leaves them to you.
FUZZ_CXX = clang++
FUZZ_SECONDS = 600
fuzz: $(BUILD)/mysql_binlog_fuzz
	/usr/bin/python3 test/fuzz/mysql_binlog_seeds.py $(BUILD)/fuzz/seeds
	mkdir -p $(BUILD)/fuzz/found
	$< -max_len=4096 -max_total_time=$(FUZZ_SECONDS) -artifact_prefix=$(BUILD)/fuzz/ $(BUILD)/fuzz/found $(BUILD)/fuzz/seeds

lint: check-symbols
	test/lint/layers.sh
	test/lint/table_life.sh
	test/lint/names.sh
	test/lint/texts.py
	test/lint/style.sh "$(SERVER_FLAGS)" "$(ADAPTER_FLAGS) $(MYSQL_FLAGS)"
format:
	git ls-files -co --exclude-standard 'src/*.[ch]pp' 'test/*.[ch]pp' | xargs -r clang-format -i

clean: clean-build
uninstall: uninstall-modules
.PHONY: clean-build uninstall-modules
clean-build:
	rm -rf $(BUILD)
uninstall-modules:
	rm -f $(addprefix '$(DESTDIR)$(pkglibdir)'/,$(notdir $(addsuffix .so,$(MODULES))))
