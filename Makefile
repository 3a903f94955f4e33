# Builds and tests Conductor.  "make help" names every target.

NGINX_SRC     = $(NGX_SRC)
NGX_BINARY    = $(shell PATH="$$PATH:/usr/sbin" command -v nginx)
NGX_CONF_ARGS = --with-compat --with-threads --with-http_ssl_module \
		--with-http_v2_module --with-http_realip_module \
		--with-http_auth_request_module --with-http_stub_status_module \
		--with-debug $(HTTP_V3)
HTTP_V3       = $(if $(shell grep -l with-http_v3 $(NGINX_SRC)/auto/options \
		2>/dev/null),--with-http_v3_module)

CC_OPT        = -g -O2 -fstack-protector-strong -Wformat \
		-Werror=format-security -D_FORTIFY_SOURCE=2
LD_OPT        = -Wl,-z,relro -Wl,-z,now

T             =
TEST_WORKERS  = 1 4
CHECK_TESTS   = $(patsubst %,t/%.t,handshake frames messages publish fanout)
FUZZ_TIME     = 30
FRESH         = bookworm trixie

SQLCIPHER     =
OUT           = build$(SQLCIPHER:%=/sqlcipher)

all: module

FORCE:

.PHONY: all module deps deps-test check test unit suite sanitize \
	client client-test client-too dashboard screenshots api \
	audits fuzz fresh several image bench load scrapes soak clean help \
	nginx-too FORCE

# What the user sets here is nothing to nginx's own makefile.
MAKEOVERRIDES =

# As many jobs as there are processors, unless the user says how many.

ifeq ($(MAKELEVEL)$(filter clean,$(MAKECMDGOALS)),0)
MAKEFLAGS    += -j$(or $(shell nproc),1)
endif

.DELETE_ON_ERROR:

.SECONDARY:


# The module.  build-module knows what is up to date.

SOURCE        = $(or $(NGINX_SRC),/usr/share/nginx/src)
NGINX         = $(if $(NGINX_SRC),$(OUT)/nginx,$(NGX_BINARY))
MODULE        = $(OUT)/ngx_conductor_module.so

BUILD         = MAKE="$(MAKE)" CC_OPT="$(CC_OPT)" LD_OPT="$(LD_OPT)" \
		NGX_BINARY="$(NGX_BINARY)" NGX_CONF_ARGS="$(NGX_CONF_ARGS)" \
		KIND="$(notdir $(OUT))" \
		CONDUCTOR_SQLCIPHER="$(if $(SQLCIPHER),YES,NO)" \
		build-aux/build-module "$(SOURCE)" $(MODULE)

module:		## what "make" does; also NGINX_SRC=DIR, or SQLCIPHER=1 (encryption)
	+@$(BUILD)

nginx-too: FORCE
	+@$(BUILD) $(if $(NGINX_SRC),$(OUT)/nginx)

deps:		## install what building needs (apt)
	@build-aux/deps build

deps-test:	## install what testing needs (apt)
	@build-aux/deps build test


# The core alone, once for each compiler, with the sanitizers in it.

CORE         := $(patsubst src/%.c,%,$(wildcard src/*.c))
UNITS        := $(patsubst t/unit/%_test.c,%,$(wildcard t/unit/*_test.c))
FUZZERS      := $(patsubst t/fuzz/%_fuzz.c,%,$(wildcard t/fuzz/*_fuzz.c))
COMPILERS    := $(foreach cc,gcc clang,$(if $(shell command -v $(cc)),$(cc)))

COMMON_FLAGS  = -g -O1 -fno-omit-frame-pointer -Isrc -It/unit -MMD -MP \
		-fsanitize=address,undefined -fno-sanitize-recover=undefined
CORE_FLAGS    = -std=c11 $(COMMON_FLAGS) -fvisibility=hidden \
		-Wall -Wextra -Wconversion -Wshadow -Werror
TEST_FLAGS    = -std=gnu11 $(COMMON_FLAGS) -Wall -Wextra \
		-Wno-missing-field-initializers
FUZZ_FLAGS    = -std=gnu11 $(COMMON_FLAGS)
LINK          = -MF $@.d -MT $@ -o $@ $(filter %.c %.o %.a,$^) \
		-ljansson -lcrypto -lz -lsqlite3

define compiler

build/$(1)/%.o: src/%.c
	@mkdir -p $$(@D)
	@$(1) $$(CORE_FLAGS) -c -o $$@ $$<

build/$(1)/libcdr.a: $(CORE:%=build/$(1)/%.o)
	@rm -f $$@
	@ar rc $$@ $$^

build/$(1)/%_test: t/unit/%_test.c build/$(1)/libcdr.a
	@$(1) $$(TEST_FLAGS) $$(LINK)

build/$(1)/%_replay.o: t/fuzz/%_fuzz.c
	@mkdir -p $$(@D)
	@$(1) $$(TEST_FLAGS) -c -o $$@ $$<

build/$(1)/%_replay: build/$(1)/%_replay.o t/fuzz/replay.c build/$(1)/libcdr.a
	@$(1) $$(TEST_FLAGS) $$(LINK)

endef

$(foreach cc,$(COMPILERS),$(eval $(call compiler,$(cc))))

# Single-stepped operations, in the few instructions that are their own.

STEPPED       = $(patsubst t/unit/%_test.c,build/gcc/%_step,\
		$(shell grep -l cdr_step.h t/unit/*_test.c 2>/dev/null))
STEP_FLAGS    = -std=gnu11 -g -O1 -DCDR_STEP -Isrc -It/unit -MMD -MP

build/gcc/step/%.o: src/%.c
	@mkdir -p $(@D)
	@gcc $(STEP_FLAGS) -c -o $@ $<

build/gcc/step/libcdr.a: $(CORE:%=build/gcc/step/%.o)
	@rm -f $@
	@ar rc $@ $^

build/gcc/%_step: t/unit/%_test.c build/gcc/step/libcdr.a
	@gcc $(STEP_FLAGS) $(LINK)

# The store once more, on the library that encrypts, where that is installed.

ENCRYPTED     = $(if $(wildcard /usr/include/sqlcipher/sqlite3.h),yes)
CIPHER        = $(if $(ENCRYPTED),$(patsubst t/unit/%_test.c,\
		build/gcc/%_cipher,$(wildcard t/unit/store*_test.c)))
STORE         = $(filter cdr_store%,$(CORE))

build/gcc/cipher/%.o: src/%.c
	@mkdir -p $(@D)
	@gcc $(TEST_FLAGS) -DCDR_SQLCIPHER -c -o $@ $<

build/gcc/%_cipher: t/unit/%_test.c $(STORE:%=build/gcc/cipher/%.o)
	@gcc $(TEST_FLAGS) -DCDR_SQLCIPHER $(subst -lsqlite3,-lsqlcipher,$(LINK))

programs      = $(UNITS:%=build/$(1)/%_test) $(FUZZERS:%=build/$(1)/%_replay)

build/fuzz/obj/%.o: src/%.c
	@mkdir -p $(@D)
	@clang $(FUZZ_FLAGS) -fsanitize=fuzzer-no-link -c -o $@ $<

build/fuzz/%_fuzz: t/fuzz/%_fuzz.c $(CORE:%=build/fuzz/obj/%.o)
	@clang $(FUZZ_FLAGS) -fsanitize=fuzzer $(LINK)

-include $(wildcard build/gcc/*.d build/gcc/*/*.d build/clang/*.d \
	build/fuzz/*.d build/fuzz/obj/*.d)


# The browser package, its page of functions, and the dashboard.

client:		## the browser package, into client/dist
	@build-aux/deps client
	@build-aux/client build

dashboard:	## the dashboard, into share/dashboard
	@build-aux/deps client
	@build-aux/client dashboard

screenshots: nginx-too
screenshots:	## the pictures of the dashboard, into docs/images
	@build-aux/deps build test pictures
	@TEST_NGINX_BINARY="$(abspath $(NGINX))" \
		TEST_NGINX_GLOBALS="load_module $(abspath $(MODULE));" \
		TEST_NGINX_WORKERS=2 build-aux/screenshots

api:		## docs/client-api.md, from the comments of the browser package
	@build-aux/deps client
	@build-aux/client api

# Where npm cannot install, what needs it is not tested, and the rest is.

client-too:
	@build-aux/client install || true
	@[ ! -e client/node_modules/.installed ] || build-aux/client build


# The tests.  harness prints the sum of what its arguments say in TAP.

HARNESS       = MAKEFLAGS= TEST_NGINX_BINARY="$(abspath $(NGINX))" \
		TEST_NGINX_GLOBALS="load_module $(abspath $(MODULE));" \
		TEST_NGINX_ENCRYPTING="$(abspath $(ENCRYPTING))" \
		TEST_WORKERS="$(TEST_WORKERS)" perl build-aux/harness
SELF          = $(sort $(wildcard build-aux/checks/*.t))
CLIENT        = $(sort $(wildcard client/test/*.t))
SUITE         = $(or $(T),$(sort $(wildcard t/*.t)))
CLIENT_TOO    = $(if $(shell grep -l '^use Test::Client' $(SUITE)),client-too)

QUICK         = $(call programs,gcc) $(STEPPED)

check: nginx-too $(QUICK)
check:		## a quick round of the tests, under three minutes
	@$(HARNESS) $(QUICK) $(SELF) $(CHECK_TESTS)

ALL_PROGRAMS  = $(foreach cc,$(COMPILERS),$(call programs,$(cc))) $(STEPPED) \
		$(CIPHER)

# What presence is encrypted by is a module of its own, compiled quickly: the
# compiler has seen all of it once.

MODULE_TOO    = $(if $(ENCRYPTED),$(if $(T),$(findstring encryption,$(T)),yes))
ENCRYPTING    = $(if $(MODULE_TOO),$(OUT)/sqlcipher/ngx_conductor_module.so)

$(OUT)/sqlcipher/ngx_conductor_module.so: FORCE
	+@$(MAKE) --no-print-directory module OUT=$(@D) SQLCIPHER=1 \
		NGINX_SRC="$(NGINX_SRC)" CC_OPT="-O0"

test: nginx-too build/bench/load $(ENCRYPTING) $(if $(T),,$(ALL_PROGRAMS)) \
	$(CLIENT_TOO)
test:		## everything, with 1 and with 4 workers; one file: T=t/x.t
	@$(HARNESS) $(if $(T),,--compilers $(ALL_PROGRAMS) $(SELF) $(CLIENT)) \
		$(SUITE)

unit: $(ALL_PROGRAMS)
unit:		## the tests of src/ alone, by gcc and clang
	@$(HARNESS) --compilers $(ALL_PROGRAMS)

client-test: client
client-test:	## the tests of client/ that need no server
	@$(HARNESS) $(CLIENT)

suite: nginx-too build/bench/load $(CLIENT_TOO)
	@$(HARNESS) $(SUITE)

# A module that stays mapped keeps its names in a report of leaks; and nginx
# can do without access to words at odd addresses.

SAN_CC_OPT    = -g -O1 -fno-omit-frame-pointer -DNGX_DEBUG_PALLOC=1 \
		-DNGX_HAVE_NONALIGNED=0 \
		-fsanitize=address,undefined -fno-sanitize=nonnull-attribute \
		-Wno-error
SAN_LD_OPT    = -fsanitize=address,undefined -Wl,-z,nodelete

sanitize:	## t/ on Debian's nginx source with ASan and UBSan; also T=t/x.t
	@build-aux/deps build test sanitize
	+@source=$$(build-aux/nginx-source) && $(MAKE) --no-print-directory \
		suite OUT=build/sanitize NGINX_SRC="$$source" T="$(T)" \
		TEST_WORKERS="$(TEST_WORKERS)" \
		CC_OPT="$(SAN_CC_OPT)" LD_OPT="$(SAN_LD_OPT)"

fuzz: $(if $(T),build/fuzz/$(T)_fuzz,$(FUZZERS:%=build/fuzz/%_fuzz))
fuzz:		## every fuzz target for FUZZ_TIME=30 seconds; T=name for one
	@build-aux/fuzz $(FUZZ_TIME) $(or $(T),$(FUZZERS))

# The bench.  ws is installed for it alone, below build/.

LOAD_SOURCES  = $(filter-out bench/bare.c,$(wildcard bench/*.c))
BENCH_CFLAGS  = -std=gnu11 -g -O2 -Wall -Wextra -Wshadow -Wconversion -Werror
WS            = $(if $(PEERS),$(filter ws socketio,$(PEERS)),ws socketio)
NODE_MODULES  = $(WS:socketio=socket.io)

build/bench/bare: bench/bare.c
	@mkdir -p $(@D)
	@$(CC) $(BENCH_CFLAGS) -o $@ $<

build/bench/load: $(LOAD_SOURCES) bench/bench.h bench/soak.h
	@mkdir -p $(@D)
	@$(CC) $(BENCH_CFLAGS) -o $@ $(LOAD_SOURCES) \
		-lcrypto -ljansson

build/bench/node_modules/ws:
	@build-aux/deps bench
	@mkdir -p build/bench
	@npm install --prefix build/bench --no-package-lock --no-save \
		--ignore-scripts --no-audit --no-fund --silent ws@8

build/bench/node_modules/socket.io:
	@build-aux/deps bench
	@mkdir -p build/bench
	@npm install --prefix build/bench --no-package-lock --no-save \
		--ignore-scripts --no-audit --no-fund --silent ws@8 \
		socket.io@4 @socket.io/redis-adapter@8 redis@5

BENCH         = BENCH_NGINX="$(abspath $(NGINX))" \
		BENCH_MODULE="$(abspath $(MODULE))" bench/run

bench:		## CPU, memory, latency beside other servers; see bench/README.md
	@build-aux/deps build bench
	+@$(MAKE) --no-print-directory nginx-too build/bench/load \
		build/bench/bare \
		$(NODE_MODULES:%=build/bench/node_modules/%)
	@$(BENCH)

load: nginx-too build/bench/load
load:		## 100 clients x 1,000 messages, with their latencies
	@$(BENCH) load

scrapes: nginx-too build/bench/load
scrapes:	## what ten thousand scrapes cost clients under load
	@$(BENCH:%/run=%/scrapes)

audits: nginx-too build/bench/load
audits:		## what the audit log costs
	@$(BENCH:%/run=%/audits)

soak: nginx-too build/bench/load
soak:		## minutes of reloads and kills under load; SOAK_MINUTES=5
	@build-aux/deps build soak
	@$(BENCH:%/run=%/soak)

several: nginx-too
several:	## what the compose files say, without an engine; needs root
	@build-aux/deps build several
	@$(HARNESS:%/harness=%/several) $(sort $(wildcard t/compose*.t))

fresh:		## the two commands on fresh Debians; FRESH=trixie; needs root
	@build-aux/fresh $(FRESH)

image:		## build and test the container image; needs root
	@build-aux/image/build
	@build-aux/image/test

clean:		## remove all that was built
	rm -rf build client/dist

help:		## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile | expand -t 20
