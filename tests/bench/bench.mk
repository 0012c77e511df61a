# SPDX-License-Identifier: GPL-2.0-or-later
# Benchmarks in C: tests/bench/bench_<x>.c with a main(), linked with what else is in this folder, enforcerd.a and common.a.
# They print figures, and a line "figure: ..." for each target of the design; none fails for being slow. As root: they make
# network namespaces of their own.
#
#   make bench                        every one, one after the other: minutes
#   make bench-quick                  the same with fewer rounds and worlds: less than a minute
#   ... BENCH=bench_kernel            only this one

BENCH := $(patsubst tests/bench/%.c,%,$(wildcard tests/bench/bench_*.c))
BENCH_LIB := $(patsubst %.c,$(BUILD)/obj/%.o,$(filter-out tests/bench/bench_%,$(wildcard tests/bench/*.c)))

$(BENCH:%=$(BUILD)/bench/%): $(BUILD)/bench/%: $(BUILD)/obj/tests/bench/%.o $(BENCH_LIB) $(BUILD)/enforcerd.a $(BUILD)/common.a
	@mkdir -p $(@D)
	$(call say,LD $@)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $^ $(enforcerd_LIBS) -lm

.PHONY: bench-quick
bench: $(BENCH:%=$(BUILD)/bench/%)
	@for b in $^; do "$$b" || exit 1; done

bench-quick: $(BENCH:%=$(BUILD)/bench/%)
	@for b in $^; do "$$b" --quick || exit 1; done
