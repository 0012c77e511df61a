# SPDX-License-Identifier: GPL-2.0-or-later
# Fuzz targets: tests/fuzz/fuzz_<x>.c with LLVMFuzzerTestOneInput(), and its seeds in tests/fuzz/corpus/<x>/.
#
#   make fuzz                         replays every corpus with $(CC) under ASan and UBSan
#   make fuzz-run FUZZ_SECONDS=30     looks for new inputs with libFuzzer, that long per target
#   ... FUZZ=fuzz_selector            only this target
#
# A target is linked with common.a and with the archive of every folder whose headers it includes. What
# libFuzzer finds stays in $(BUILD)/fuzz-clang/fuzz/: fuzz_<x>.new/ holds inputs that reach new code, and
# fuzz_<x>-crash-* (-timeout-, -oom-) one that failed: with its fix, copy it into the corpus.

FUZZ_CC      ?= clang-14
FUZZ_SECONDS ?= 30

.PHONY: fuzz-run fuzz-replay-all fuzz-run-all

# the objects are those of `make asan`
fuzz:
	$(MAKE) BUILD=$(BUILD)/asan SANITIZE=address,undefined fuzz-replay-all

fuzz-run:
	$(MAKE) CC=$(FUZZ_CC) BUILD=$(BUILD)/fuzz-clang SANITIZE=fuzzer-no-link,address,undefined fuzz-run-all

fuzz_corpus = tests/fuzz/corpus/$(patsubst fuzz_%,%,$(1))
fuzz_dirs   = $(filter-out common,$(sort $(shell sed -nE 's,^\#include "($(subst $(eval) ,|,$(DIRS)))/.*,\1,p' tests/fuzz/$(1).c)))
fuzz_libs   = $(foreach d,common $(call fuzz_dirs,$(1)),$($(d)_LIBS))

define fuzz_target
$(BUILD)/fuzz/$(1): $(BUILD)/obj/tests/fuzz/$(1).o $(patsubst %,$(BUILD)/%.a,$(call fuzz_dirs,$(1)) common)
$(BUILD)/fuzz/$(1)-replay: $(BUILD)/obj/tests/fuzz/$(1).o $(BUILD)/obj/tests/fuzz/replay.o $(patsubst %,$(BUILD)/%.a,$(call fuzz_dirs,$(1)) common)
$(BUILD)/fuzz/$(1) $(BUILD)/fuzz/$(1)-replay: FUZZ_LIBS = $(call fuzz_libs,$(1))
endef
$(foreach f,$(FUZZ),$(eval $(call fuzz_target,$(f))))

$(FUZZ:%=$(BUILD)/fuzz/%-replay):
	@mkdir -p $(@D)
	$(call say,LD $@)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $^ $(FUZZ_LIBS)

# libFuzzer brings main()
$(FUZZ:%=$(BUILD)/fuzz/%):
	@mkdir -p $(@D)
	$(call say,LD $@)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -fsanitize=fuzzer -o $@ $^ $(FUZZ_LIBS)

define fuzz_actions
.PHONY: replay-$(1) run-$(1)
replay-$(1): $(BUILD)/fuzz/$(1)-replay
	@$$< $$(call fuzz_corpus,$(1))

run-$(1): $(BUILD)/fuzz/$(1)
	@test -d $$(call fuzz_corpus,$(1)) || { echo '$(1): no corpus in $$(call fuzz_corpus,$(1))' >&2; exit 1; }
	@mkdir -p $$<.new
	@$$< -max_total_time=$$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 \
	  -artifact_prefix=$$<- $$<.new $$(call fuzz_corpus,$(1)) >$$<.log 2>&1 || { tail -n 60 $$<.log; exit 1; }
	@echo "$(1): $$$$(sed -nE 's/^stat::number_of_executed_units: *//p' $$<.log) inputs in $$(FUZZ_SECONDS) s, nothing found"
endef
$(foreach f,$(FUZZ),$(eval $(call fuzz_actions,$(f))))

fuzz-replay-all: $(FUZZ:%=replay-%)
fuzz-run-all: $(FUZZ:%=run-%)
