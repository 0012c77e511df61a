# SPDX-License-Identifier: GPL-2.0-or-later
# Benchmarks in C: tests/bench/bench_<x>.c with a main(), linked with enforcerd.a and common.a. They print figures and
# judge nothing. As root: they make network namespaces of their own.
#
#   make bench                        every one, one after the other
#   ... BENCH=bench_kernel            only this one

BENCH := $(patsubst tests/bench/%.c,%,$(wildcard tests/bench/bench_*.c))

$(BENCH:%=$(BUILD)/bench/%): $(BUILD)/bench/%: $(BUILD)/obj/tests/bench/%.o $(BUILD)/enforcerd.a $(BUILD)/common.a
	@mkdir -p $(@D)
	$(call say,LD $@)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $^ $(enforcerd_LIBS)

bench: $(BENCH:%=$(BUILD)/bench/%)
	@for b in $^; do "$$b" || exit 1; done
