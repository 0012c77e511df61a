# Bulkhead. `make help` lists the targets.
#
# One archive per folder (build/common.a, build/syncd.a, ...), each holding everything but main.o, so
# that a program is its main.o plus archives and a unit test links only what it uses.

CC      ?= gcc
PREFIX  ?= /usr/local
DESTDIR ?=
BUILD   ?= build
# One name for one place: dependency files name their target as it was called, and tests/run calls it by its whole path.
override BUILD := $(patsubst $(CURDIR)/%,%,$(abspath $(BUILD)))
VERSION := $(shell cat VERSION)$(shell git describe --always --dirty --exclude='*' 2>/dev/null | sed 's/^/+/')

PROGRAMS := bulkhead-syncd bulkhead-enforcerd bulkheadctl
DIRS     := common syncd enforcerd ctl

# module:Debian package; a missing one is named below, so nobody has to guess from a compiler error
DEPS := libcurl:libcurl4-openssl-dev jansson:libjansson-dev hiredis:libhiredis-dev \
        libnftnl:libnftnl-dev libmnl:libmnl-dev libevent_core:libevent-dev libevent_extra:libevent-dev \
        libevent_openssl:libevent-dev openssl:libssl-dev yaml-0.1:libyaml-dev
TEST_DEPS := check:check

need = $(foreach d,$(1),$(shell pkg-config --exists $(firstword $(subst :, ,$(d))) || echo $(d)))
ifeq ($(filter clean help install-only,$(MAKECMDGOALS)),)
ifeq ($(shell command -v pkg-config),)
$(error pkg-config is missing: apt-get install pkg-config)
endif
MISSING := $(call need,$(DEPS) $(if $(filter check golden check-integration asan lint fuzz,$(MAKECMDGOALS)),$(TEST_DEPS)))
ifneq ($(strip $(MISSING)),)
$(error missing libraries: $(foreach m,$(MISSING),$(firstword $(subst :, ,$(m)))); \
apt-get install $(sort $(foreach m,$(MISSING),$(lastword $(subst :, ,$(m))))))
endif
ifeq ($(wildcard /usr/include/uthash.h),)
$(error missing header uthash.h; apt-get install uthash-dev)
endif
endif

pkgs = $(foreach d,$(1),$(firstword $(subst :, ,$(d))))
DEP_CFLAGS := $(shell pkg-config --cflags $(call pkgs,$(DEPS)) 2>/dev/null)

# libevent's parts, not its whole: libevent_openssl loads libevent_core, and the whole would be a second copy beside it.
# What each program loads: enforcerd has neither an HTTP client nor a YAML parser, only ctl has YAML.
BASE_LIBS      := $(shell pkg-config --libs jansson hiredis libevent_core libevent_extra libevent_openssl openssl 2>/dev/null) -lm
syncd_LIBS     := $(BASE_LIBS) $(shell pkg-config --libs libcurl 2>/dev/null)
enforcerd_LIBS := $(BASE_LIBS) $(shell pkg-config --libs libnftnl libmnl 2>/dev/null)
ctl_LIBS       := $(BASE_LIBS) $(shell pkg-config --libs yaml-0.1 2>/dev/null)
common_LIBS    := $(BASE_LIBS)

WARN := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition \
        -Wpointer-arith -Wwrite-strings -Wformat=2 -Wundef -Wvla -Wnull-dereference -Wno-format-nonliteral -Wno-missing-field-initializers
HARDEN := -fPIE -fstack-protector-strong -fstack-clash-protection -fcf-protection
HARDEN_LD := -pie -Wl,-z,relro,-z,now -Wl,-z,noexecstack -Wl,--as-needed
ifdef SANITIZE
OPT := -O1 -fno-omit-frame-pointer -fsanitize=$(SANITIZE) -fno-sanitize-recover=all
LDOPT := -fsanitize=$(SANITIZE)
# gcc cannot see through the sanitizer's own checks and reports null derefences that are not there
WARN := $(filter-out -Wnull-dereference,$(WARN))
else
OPT := -O2
HARDEN += -D_FORTIFY_SOURCE=2
endif

CFLAGS_ALL := -std=gnu11 -g $(OPT) $(WARN) $(HARDEN) -D_GNU_SOURCE -DBULKHEAD_VERSION='"$(VERSION)"' \
              -I. $(DEP_CFLAGS) $(CFLAGS)
LDFLAGS_ALL := $(HARDEN_LD) $(LDOPT) $(LDFLAGS)

# `make V=1` shows the whole commands
ifdef V
Q :=
say = @:
else
Q := @
say = @echo '  $(1)'
endif

srcs = $(filter-out $(1)/main.c,$(wildcard $(1)/*.c))
objs = $(patsubst %.c,$(BUILD)/obj/%.o,$(call srcs,$(1)))

.PHONY: all check golden check-integration asan lint lint-format lint-tidy lint-deep lint-cppcheck lint-includes lint-shell fuzz bench install clean help

# test objects are kept: make would delete them as intermediate and rebuild them each time
.SECONDARY:

all: $(addprefix $(BUILD)/bin/,$(PROGRAMS))

$(BUILD)/obj/%.o: %.c Makefile VERSION
	@mkdir -p $(@D)
	$(call say,CC $<)
	$(Q)$(CC) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

define archive
$(BUILD)/$(1).a: $(call objs,$(1))
	@mkdir -p $$(@D)
	@rm -f $$@
	@ar rcs $$@ $$^
endef
$(foreach d,$(DIRS),$(eval $(call archive,$(d))))

define program
$(BUILD)/bin/$(1): $(BUILD)/obj/$(2)/main.o $(BUILD)/$(2).a $(BUILD)/common.a
	@mkdir -p $$(@D)
	$$(call say,LD $$@)
	$$(Q)$$(CC) $$(CFLAGS_ALL) $$(LDFLAGS_ALL) -o $$@ $$^ $$($(2)_LIBS)
endef
$(eval $(call program,bulkhead-syncd,syncd))
$(eval $(call program,bulkhead-enforcerd,enforcerd))
$(eval $(call program,bulkheadctl,ctl))

# --- unit tests: tests/unit/<folder>/test_<module>.c, linked with that folder's archive -------------
CHECK_LIBS = $(shell pkg-config --libs check)
UNIT := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(wildcard $(addprefix tests/unit/,$(addsuffix /test_*.c,$(DIRS)))))

define unit
$(BUILD)/unit/$(1)/%: $(BUILD)/obj/tests/unit/$(1)/%.o $(if $(filter common,$(1)),,$(BUILD)/$(1).a) $(BUILD)/common.a
	@mkdir -p $$(@D)
	$$(call say,LD $$@)
	$$(Q)$$(CC) $$(CFLAGS_ALL) $$(LDFLAGS_ALL) -o $$@ $$^ $$($(1)_LIBS) $$(CHECK_LIBS)
endef
$(foreach d,$(DIRS),$(eval $(call unit,$(d))))

check: $(UNIT)
	@tests/unit/run $(UNIT)

# Takes what is printed now as right: look at the difference before it is committed.
golden: $(BUILD)/unit/ctl/test_explain
	@BULKHEAD_UPDATE_GOLDEN=1 $<

# Integration tests in C: the same layout under tests/integration, against real servers and namespaces, with
# what tests/lib has for them.
TEST_LIB := $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard tests/lib/*.c))
INTEGRATION := $(patsubst tests/integration/%.c,$(BUILD)/integration/%,$(wildcard $(addprefix tests/integration/,$(addsuffix /test_*.c,$(DIRS)))))

define integration
$(BUILD)/integration/$(1)/%: $(BUILD)/obj/tests/integration/$(1)/%.o $$(TEST_LIB) $(if $(filter common,$(1)),,$(BUILD)/$(1).a) $(BUILD)/common.a
	@mkdir -p $$(@D)
	$$(call say,LD $$@)
	$$(Q)$$(CC) $$(CFLAGS_ALL) $$(LDFLAGS_ALL) -o $$@ $$^ $$($(1)_LIBS) $$(CHECK_LIBS)
endef
$(foreach d,$(DIRS),$(eval $(call integration,$(d))))

check-integration: $(INTEGRATION)
	@tests/unit/run $(INTEGRATION)

asan:
	$(MAKE) BUILD=$(BUILD)/asan SANITIZE=address,undefined check

# --- fuzz targets: tests/fuzz/fuzz_<parser>.c; `make fuzz` replays the corpus with gcc + sanitizers --
FUZZ := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
include $(wildcard tests/fuzz/fuzz.mk)

# --- benchmarks: tests/bench/bench_<x>.c; they print figures, none fails for being slow ---------------
include $(wildcard tests/bench/bench.mk)

# --- static checks ---------------------------------------------------------------------------------
C_FILES := $(wildcard $(addsuffix /*.c,$(DIRS))) $(wildcard tests/unit/*/*.c tests/integration/*/*.c tests/fuzz/*.c tests/bench/*.c tests/lib/*.c)
H_FILES := $(wildcard $(addsuffix /*.h,$(DIRS))) $(wildcard tests/unit/*.h tests/unit/*/*.h tests/integration/*/*.h tests/fuzz/*.h tests/bench/*.h tests/lib/*.h)
SH_FILES := deploy/completion.bash $(shell grep -lE '^\#!.*(ba)?sh' .ci/* deploy/* tests/* tests/*/* 2>/dev/null)

lint: lint-format lint-includes lint-shell lint-cppcheck lint-tidy

lint-format:
	clang-format-14 --dry-run -Werror $(C_FILES) $(H_FILES)

# The analyzer walks paths for most of a minute in files with many hash tables: all the rest of clang-tidy takes seconds.
TIDY_FLAGS ?= --checks=-clang-analyzer-*

lint-deep:
	@$(MAKE) --no-print-directory lint-tidy TIDY_FLAGS= BUILD=$(BUILD)/deep

lint-tidy: $(patsubst %.c,$(BUILD)/tidy/%.ok,$(wildcard $(addsuffix /*.c,$(DIRS))))

$(BUILD)/tidy/%.ok: %.c .clang-tidy $(H_FILES)
	@mkdir -p $(@D)
	clang-tidy-14 --quiet $(TIDY_FLAGS) $< -- -std=gnu11 -D_GNU_SOURCE -DBULKHEAD_VERSION='"lint"' -I. $(DEP_CFLAGS) 2>$@.err || { cat $@.err; exit 1; }
	@touch $@

# varFuncNullUB: NULL is of pointer size on every system that has nftables.
# resourceLeak, memleak: cppcheck does not know the cleanup attribute; the sanitizers and clang's analyzer do.
lint-cppcheck:
	cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr \
	  --library=.cppcheck.cfg --suppress=missingIncludeSystem --suppress=varFuncNullUB --suppress=resourceLeak --suppress=memleak --error-exitcode=1 -D__GNUC__ -I. $(addsuffix /,$(DIRS))

# design: common/ includes neither daemon; a daemon includes only its own folder and common/
lint-includes:
	@tests/lint-includes $(DIRS)

lint-shell:
	shellcheck $(SH_FILES)

install: all
	install -d $(DESTDIR)$(PREFIX)/sbin $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/man/man5 $(DESTDIR)$(PREFIX)/share/man/man8
	install -m 755 $(BUILD)/bin/bulkhead-syncd $(BUILD)/bin/bulkhead-enforcerd $(DESTDIR)$(PREFIX)/sbin/
	install -m 755 $(BUILD)/bin/bulkheadctl $(DESTDIR)$(PREFIX)/bin/
	install -D -m 644 deploy/completion.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/bulkheadctl
	for f in $(wildcard docs/*.[158]); do install -m 644 $$f $(DESTDIR)$(PREFIX)/share/man/man$${f##*.}/; done

clean:
	rm -rf $(BUILD)

help:
	@echo 'make            the three programs, in $(BUILD)/bin'
	@echo 'make check      unit tests;  make asan: the same under ASan and UBSan'
	@echo 'make golden     tests/golden/ anew, from what is printed now'
	@echo 'make lint       clang-format, include direction, shellcheck, cppcheck, clang-tidy'
	@echo 'make fuzz       replay the fuzz corpora under ASan and UBSan'
	@echo 'make bench      figures of the packet path and the kernel writer against their targets, as root: minutes'
	@echo 'make bench-quick  the same with fewer rounds: less than a minute'
	@echo 'make install    PREFIX=$(PREFIX) DESTDIR=$(DESTDIR)'
	@echo 'tests/run       install what is needed, build, and run everything'

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)
