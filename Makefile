# Sluice: `make help` lists the targets.
CC ?= cc
CFLAGS ?= -O2 -g
LDFLAGS ?=
PREFIX ?= /usr/local
DESTDIR ?=
PORT ?= 8080
PYTHON ?= /usr/bin/python3

# one build folder per flavour, so that objects never mix; FLAVOUR follows SANITIZER
SANITIZER ?=
ifeq ($(SANITIZER),)
B := build
else ifeq ($(SANITIZER),address,undefined)
B := build/asan
else ifeq ($(SANITIZER),thread)
B := build/tsan
else
$(error SANITIZER is "$(SANITIZER)"; it can be "address,undefined" or "thread")
endif

ifeq ($(V),1)
Q :=
else
Q := @
endif

ALL_CFLAGS = -std=c11 -D_GNU_SOURCE -DH2O_USE_LIBUV=0 -fPIC -pthread -I. -Imodule \
    -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wcast-qual -Wwrite-strings -Wundef -Wvla \
    -Wformat=2 -Wimplicit-fallthrough -fno-omit-frame-pointer -fstack-protector-strong \
    $(if $(SANITIZER),-fsanitize=$(SANITIZER) -fno-sanitize-recover=undefined,-D_FORTIFY_SOURCE=2) $(if $(WERROR),-Werror) $(CFLAGS)
ALL_LDFLAGS = -pthread -Wl,-z,relro,-z,now $(if $(SANITIZER),-fsanitize=$(SANITIZER)) $(LDFLAGS)

BUILD_PACKAGES := gcc libc6-dev pkg-config h2o libh2o-dev libh2o-evloop-dev libvips-dev libcurl4-openssl-dev libjansson-dev libxxhash-dev libssl-dev \
    libisal-dev
TEST_PACKAGES := $(BUILD_PACKAGES) clang clang-format libclang-rt-14-dev libcmocka-dev libyaml-dev curl perl binutils openssl python3 \
    python3-pytest python3-pil python3-yaml libvips-tools librsvg2-bin nginx-light varnish nghttp2-client prometheus nodejs \
    libjemalloc2 man-db chromium
BENCH_PACKAGES := $(BUILD_PACKAGES) curl python3 nginx-light varnish wrk nghttp2-client valgrind libjemalloc2 libvips-tools \
    python3-numpy

# pkg-config is asked when a recipe runs, not when this file is read: the packages may be what is about to be installed
MODULE_PKGS := vips libcurl jansson libcrypto
PKG_CFLAGS = $(shell pkg-config --cflags $(MODULE_PKGS) | sed 's/-I/-isystem /g')
PKG_LIBS = $(shell pkg-config --libs $(MODULE_PKGS)) -lisal -lm

LIB_SRCS := $(wildcard image_cache/*.c pressure/*.c health/*.c)
LOADER_SRCS := module/loader.c
CTL_SRCS := $(wildcard module/sluicectl/*.c) $(patsubst %,module/%.c,config_values secret)
MODULE_SRCS := $(filter-out $(LOADER_SRCS),$(wildcard module/*.c))
# the parts of module/ that know neither h2o nor vips nor curl; unit tests link them
PURE_MODULE_SRCS := $(patsubst %,module/%.c,accept address_guard admin alert_rule allocator avif_facts byte_range cache_control cache_status client_caching \
    color_names conditional config_values drain_phase durations errors event_hub exits field_texts frame_count freshness \
    geometry heap heap_figures http_date icc_profile image_options knobs memory_ratio negotiate option_kinds option_lists \
    option_sizes option_table option_text option_values origin_guard picture_check picture_facts plain_target png_chunks \
    png_filter png_rows pressure_events process_facts purge_order report_files resize sampled_events secret seen siblings \
    signature simulation source_path source_share svg_scan svg_tokens tone_curve transform_estimate webhook_retry \
    worker_pool)
JPEG_SRCS := $(wildcard module/jpeg_*.c)
PURE_MODULE_SRCS += $(JPEG_SRCS) $(patsubst %,module/sluicectl/%.c,sse text)
# what fuzz targets link, of the above
FUZZED := accept avif_facts byte_range color_names errors image_options option_kinds option_sizes option_table option_text option_values picture_check picture_facts signature source_path svg_scan svg_tokens transform_estimate $(JPEG_SRCS:module/%.c=%)
FUZZED_LIBS := -lcrypto
# a transform without the rest of the module
TRANSFORM_SRCS := $(JPEG_SRCS) module/png_chunks.c $(filter-out module/transform_meter.c,$(wildcard module/transform*.c module/pipeline_*.c module/plan_*.c module/option_*.c)) $(patsubst %,module/%.c,avif_facts color_names errors frame_count geometry icc_profile image_options picture_facts png_filter png_image png_rows resize resize_image source_path svg_scan svg_tokens tone_curve webp)
UNIT_SRCS := $(wildcard tests/unit/test_*.c)
STRESS_SRCS := $(wildcard tests/stress/stress_*.c)
FORMATTED := $(wildcard $(foreach d,module module/sluicectl image_cache pressure health bench tests tests/unit tests/stress tests/fuzz tests/e2e/modules,$d/*.c $d/*.h))

obj = $(patsubst %.c,$(B)/obj/%.o,$(1))

.DELETE_ON_ERROR:
.SUFFIXES:
.SECONDARY:
.PHONY: all help deps-build deps-test deps-bench run test check bench bench-latency bench-instructions bench-lookup bench-layout bench-pressure bench-policies bench-estimates bench-misses bench-health \
    torture install uninstall clean units stress fuzz fuzzers samples docs check-docs check-format check-includes format

all: $(B)/sluice.so $(B)/sluice-loader.so $(B)/h2o-sluice $(B)/sluicectl $(if $(SANITIZER),,samples) ## build the module, the loader, the launcher, sluicectl and the sample pictures

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 22
	@echo "variables: CC CFLAGS LDFLAGS PREFIX DESTDIR PORT, V=1 (show commands), WERROR=1, SANITIZER=address,undefined|thread"

$(B)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(if $(Q),@echo "  CC      $<")
	$(Q)$(CC) $(ALL_CFLAGS) $(if $(filter module/% tests/% bench/%,$<),$(PKG_CFLAGS)) -MMD -MP -c -o $@ $<

# loops over samples that compilers vectorize, from this level on
$(B)/obj/module/resize.o $(B)/obj/module/png_filter.o: ALL_CFLAGS += -O3

# the page is part of the object, by .incbin, which -MMD does not see
$(B)/obj/health/dashboard.o: health/dashboard.html

# the module leaves h2o_* undefined: they resolve from the server that loads it
$(B)/sluice.so: $(call obj,$(MODULE_SRCS) $(LIB_SRCS)) module/sluice.map
	$(if $(Q),@echo "  LD      $@")
	$(Q)$(CC) -shared $(ALL_LDFLAGS) -Wl,--version-script=module/sluice.map -o $@ $(filter %.o,$^) $(PKG_LIBS)

# the loader is preloaded into other programs too, and reads memory that is not its own: never with a sanitizer
$(B)/sluice-loader.so: override SANITIZER :=
$(B)/sluice-loader.so: $(call obj,$(LOADER_SRCS))
	$(if $(Q),@echo "  LD      $@")
	$(Q)$(CC) -shared $(ALL_LDFLAGS) -o $@ $^ -ldl

$(B)/h2o-sluice: module/h2o-sluice.sh
	@mkdir -p $(@D)
	$(Q)install -m 755 $< $@

$(B)/sluicectl: $(call obj,$(CTL_SRCS))
	$(if $(Q),@echo "  LD      $@")
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(shell pkg-config --libs libcurl jansson) -lm

build/make-pictures: $(patsubst %.c,build/obj/%.o,tests/pictures.c tests/paint.c)
	$(if $(Q),@echo "  LD      $@")
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS)

samples: build/samples/sample.jpg
build/samples/sample.jpg: build/make-pictures
	$(if $(Q),@echo "  GEN     build/samples")
	$(Q)rm -rf build/samples && mkdir -p build/samples && build/make-pictures samples build/samples >/dev/null

# a unit test may ask for linker flags of its own in its first line: /* ldflags: ... */
test_ldflags = $(shell sed -n '1s|^/\* ldflags: \(.*\) \*/$$|\1|p' $(1))
$(B)/tests/%: $(B)/obj/tests/unit/%.o $(call obj,$(LIB_SRCS) $(PURE_MODULE_SRCS))
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) $(call test_ldflags,tests/unit/$*.c) -o $@ $^ -lcmocka -ljansson -lcrypto -lisal -lm
$(B)/tests/%: $(B)/obj/tests/stress/%.o $(call obj,$(LIB_SRCS) $(PURE_MODULE_SRCS))
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ -ljansson -lcrypto -lisal -lm
build/bench-constant.so: build/obj/bench/constant.o
	$(Q)$(CC) -shared $(ALL_LDFLAGS) -o $@ $^
build/open-loop: build/obj/bench/open_loop.o
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^
build/bench-estimates: $(patsubst %.c,build/obj/%.o,bench/estimates.c tests/paint.c $(TRANSFORM_SRCS))
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS) -ljpeg
$(B)/leak-check.so: tests/e2e/leak_check.c
	@mkdir -p $(@D)
	$(Q)$(CC) -shared -fPIC -O1 -g -o $@ $<
$(B)/bench_lookup: $(B)/obj/bench/bench_lookup.o $(call obj,$(wildcard image_cache/*.c))
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ -lm
$(B)/bench_pressure: $(B)/obj/bench/bench_pressure.o $(call obj,$(wildcard pressure/*.c))
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ -lm
# the module again, with what bench/no_NAME.c has in place of functions of its own
build/sluice-no-%.so: $(call obj,$(MODULE_SRCS) $(LIB_SRCS)) $(B)/obj/bench/no_%.o module/sluice.map
	$(if $(Q),@echo "  LD      $@")
	$(Q)$(CC) -shared $(ALL_LDFLAGS) $$(sed -n 's/^WRAP([^,]*, \([a-z_]*\),.*/-Wl,--wrap=\1/p' bench/no_$*.c) \
	    -Wl,--version-script=module/sluice.map -o $@ $(filter %.o,$^) $(PKG_LIBS)
LAYOUT_SRCS := bench/bench_layout.c $(patsubst %,image_cache/%.c,arena runs reserve)
build/bench_layout: $(call obj,$(LAYOUT_SRCS))
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ -lm -ldl
# the same with whole pages for granules
build/bench_layout_4k: $(LAYOUT_SRCS) build/bench_layout
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -DICACHE_ARENA_GRANULE_BYTES=4096 -o $@ $(LAYOUT_SRCS) -lm -ldl
$(B)/bench_policies: $(B)/obj/bench/policies.o $(B)/obj/bench/traces.o $(call obj,$(wildcard image_cache/*.c))
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ -lm

units: $(patsubst tests/unit/%.c,$(B)/tests/%,$(UNIT_SRCS)) ## build the unit tests
stress: $(patsubst tests/stress/%.c,$(B)/tests/%,$(STRESS_SRCS)) ## build the stress tests

# each is one build of its own, with the parts of module/ that need nothing but libc, by clang and its libFuzzer
FUZZ_TARGETS ?= $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_SECONDS ?= 60
build/fuzz/%: tests/fuzz/fuzz_%.c tests/fuzz/fuzz.h $(patsubst %,module/%.c,$(FUZZED)) $(wildcard module/*.h)
	@mkdir -p $(@D)
	$(if $(Q),@echo "  FUZZ    $@")
	$(Q)clang -std=c11 -D_GNU_SOURCE -O1 -g -I. -Imodule -fno-omit-frame-pointer -fsanitize=fuzzer,address,undefined \
	    -fno-sanitize-recover=undefined -o $@ $(filter %.c,$^) -lm $(FUZZED_LIBS)
fuzzers: $(FUZZ_TARGETS:%=build/fuzz/%)
fuzz: deps-test ## fuzz each of FUZZ_TARGETS for FUZZ_SECONDS, and keep what was learnt in tests/fuzz/corpus
	@$(MAKE) --no-print-directory fuzzers
	@for t in $(FUZZ_TARGETS); do mkdir -p build/fuzz/found/$$t tests/fuzz/corpus/$$t; echo "== $$t"; \
	    build/fuzz/$$t -max_total_time=$(FUZZ_SECONDS) -max_len=4096 -print_final_stats=1 -artifact_prefix=build/fuzz/crash-$$t- \
	    build/fuzz/found/$$t tests/fuzz/corpus/$$t || exit 1; \
	    build/fuzz/$$t -merge=1 tests/fuzz/corpus/$$t build/fuzz/found/$$t || exit 1; done

build/knobs-doc: $(patsubst %.c,build/obj/%.o,tests/knobs_doc.c tests/doc_table.c module/knobs.c module/config_values.c)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ -lm
build/metrics-doc: $(patsubst %.c,build/obj/%.o,tests/metrics_doc.c tests/doc_table.c)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^
docs: build/knobs-doc build/metrics-doc ## write the tables of settings, of metrics and of differences into README.md and h2o.conf
	$(Q)build/knobs-doc README.md h2o.conf
	$(Q)build/metrics-doc README.md
	$(Q)$(PYTHON) tests/e2e/against_peers.py README.md
check-docs: build/knobs-doc build/metrics-doc
	$(Q)build/knobs-doc --check README.md h2o.conf
	$(Q)build/metrics-doc --check README.md
	$(Q)$(PYTHON) tests/e2e/against_peers.py --check README.md

# $(1): packages; says what it does, asks for nothing
define install_missing
	@missing=; for p in $(1); do \
	    dpkg-query -W -f='$${db:Status-Status}\n' $$p 2>/dev/null | grep -qx installed || missing="$$missing $$p"; done; \
	if [ -n "$$missing" ]; then echo "installing:$$missing"; sudo=; [ $$(id -u) = 0 ] || sudo=sudo; \
	    $$sudo env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 sh -c \
	    "apt-get update -qq && apt-get install -y -qq --no-install-recommends$$missing >/dev/null"; fi
endef
deps-build:
	$(call install_missing,$(BUILD_PACKAGES))
deps-test:
	$(call install_missing,$(TEST_PACKAGES))
deps-bench:
	$(call install_missing,$(BENCH_PACKAGES))

run: deps-build ## install what is missing, build, serve on 127.0.0.1:$(PORT) in the foreground
	@$(MAKE) --no-print-directory all
	@sed -e 's/^\( *port: \)8080$$/\1$(PORT)/' -e 's|: build/|: |' h2o.conf >build/run.conf
	@echo "try: curl -sD- -o a.jpg 'http://127.0.0.1:$(PORT)/images/sample.jpg?w=300'"
	@echo "and look at http://127.0.0.1:$(PORT)/api/dashboard"
	@exec build/h2o-sluice -c build/run.conf

test: deps-test ## install what is missing, build, run every test
	@$(PYTHON) tests/run.py

bench: deps-bench ## CPU per hit: Sluice, h2o file.dir, nginx proxy_cache and Varnish side by side, by size, protocol and workers
	@$(MAKE) --no-print-directory all build/bench-constant.so
	@$(PYTHON) bench/hits.py $(BENCH_OPTIONS)

bench-latency: deps-bench ## latency of hits at 50, 70 and 90 % of capacity, in an open loop
	@$(MAKE) --no-print-directory all build/bench-constant.so build/open-loop
	@$(PYTHON) bench/latency.py $(BENCH_OPTIONS)

bench-instructions: deps-bench ## instructions per hit, beside the ceiling of the host
	@$(MAKE) --no-print-directory all build/bench-constant.so build/sluice-no-observer.so
	@$(PYTHON) bench/instructions.py $(BENCH_OPTIONS)

bench-lookup: deps-bench ## what a lookup and an insert cost, in nanoseconds and instructions, on 1 to 16 threads
	@$(MAKE) --no-print-directory build/bench_lookup
	@$(PYTHON) bench/lookup.py $(BENCH_OPTIONS)

bench-pressure: deps-bench ## what the pressure coordinator costs: its parts, and hits with it and without
	@$(MAKE) --no-print-directory all build/bench_pressure build/sluice-no-pressure.so
	@$(PYTHON) bench/pressure.py $(BENCH_OPTIONS)

bench-estimates: deps-bench ## the memory that transforms take, beside what is reserved for them
	@$(MAKE) --no-print-directory build/bench-estimates
	@$(PYTHON) bench/estimates.py $(BENCH_OPTIONS)

bench-misses: deps-bench ## misses per second, CPU time and quality of what no cache has, beside ipx with sharp
	@$(MAKE) --no-print-directory all build/bench-estimates
	@$(PYTHON) bench/misses.py $(BENCH_OPTIONS)

bench-health: deps-bench ## how soon health answers on busy cores, and what watching costs
	@$(MAKE) --no-print-directory all build/sluice-no-observer.so
	@$(PYTHON) bench/health.py $(BENCH_OPTIONS)

bench-layout: deps-bench ## what stays resident, and who has to wait, with allocators and layouts for the cache's blobs
	@$(MAKE) --no-print-directory build/bench_layout build/bench_layout_4k
	@$(PYTHON) bench/layout.py $(BENCH_OPTIONS)

bench-policies: $(B)/bench_policies ## miss ratios of the cache's policies over generated traces, or over TRACES="format:path ..."
	@$(B)/bench_policies $(TRACES)

torture: deps-test ## storms of large pictures in memory cgroups: kills, peak memory, health; beside ipx where there is npm
	@$(MAKE) --no-print-directory all
	@$(PYTHON) bench/torture.py $(TORTURE_OPTIONS)

check-format:
	$(Q)clang-format --dry-run --Werror $(FORMATTED)
format: ## format the sources
	$(Q)clang-format -i $(FORMATTED)

# dependencies point one way: module/ -> image_cache/, pressure/, health/, which do not know of each other; sluicectl is a program of
# its own, with a few pure files of module/
check-includes:
	$(Q)! grep -nE '#include [<"](h2o|vips|curl)' image_cache/* pressure/* health/*.[ch]
	$(Q)! grep -nE '#include "(pressure|health|module|tests|bench)/' image_cache/*
	$(Q)! grep -nE '#include "(image_cache|health|module|tests|bench)/' pressure/*
	$(Q)! grep -nE '#include "(image_cache|pressure|module|tests|bench)/' health/*.[ch]
	$(Q)! grep -nE '#include "(tests|bench)/' module/*.[ch]
	$(Q)! grep -nE '#include [<"](h2o|vips)|#include "(image_cache|pressure|health|tests|bench)/' module/sluicectl/*.[ch]
	$(Q)! grep -nE '#include "module/' module/sluicectl/*.[ch] | grep -vE '"module/(sluicectl/.*|config_values.h|secret.h|version.h)"'
	$(Q)! grep -nE '\b(strcpy|strcat|sprintf|sscanf|atoi|strtok|alloca)\(' module/*.[ch] module/sluicectl/*.[ch] image_cache/* pressure/* health/*.[ch]

BASH_COMPLETIONS := share/bash-completion/completions
ZSH_COMPLETIONS := share/zsh/site-functions
install: all ## install below PREFIX (and DESTDIR)
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/sluice $(DESTDIR)$(PREFIX)/share/sluice $(DESTDIR)$(PREFIX)/share/man/man8 \
	    $(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/$(BASH_COMPLETIONS) $(DESTDIR)$(PREFIX)/$(ZSH_COMPLETIONS)
	install -m 755 build/h2o-sluice build/sluicectl $(DESTDIR)$(PREFIX)/bin/
	install -m 644 build/sluice.so build/sluice-loader.so $(DESTDIR)$(PREFIX)/lib/sluice/
	sed -e 's|: build/sluice.so|: $(PREFIX)/lib/sluice/sluice.so|' -e 's|: build/samples|: /var/www|' h2o.conf \
	    >$(DESTDIR)$(PREFIX)/share/sluice/h2o.conf
	sed -e 's|/usr/local|$(PREFIX)|' module/systemd/h2o.service.d/sluice.conf >$(DESTDIR)$(PREFIX)/share/sluice/h2o.service.d-sluice.conf
	install -d $(DESTDIR)$(PREFIX)/share/sluice/prometheus $(DESTDIR)$(PREFIX)/share/sluice/grafana
	install -m 644 health/prometheus/*.yml $(DESTDIR)$(PREFIX)/share/sluice/prometheus/
	install -m 644 health/grafana/*.json $(DESTDIR)$(PREFIX)/share/sluice/grafana/
	sed -e 's|/usr/local|$(PREFIX)|' module/h2o-sluice.8 >$(DESTDIR)$(PREFIX)/share/man/man8/h2o-sluice.8
	install -m 644 module/sluicectl/sluicectl.1 $(DESTDIR)$(PREFIX)/share/man/man1/
	install -m 644 module/sluicectl/sluicectl.bash $(DESTDIR)$(PREFIX)/$(BASH_COMPLETIONS)/sluicectl
	install -m 644 module/sluicectl/_sluicectl $(DESTDIR)$(PREFIX)/$(ZSH_COMPLETIONS)/

uninstall: ## remove what install put there
	rm -f $(DESTDIR)$(PREFIX)/bin/h2o-sluice $(DESTDIR)$(PREFIX)/share/man/man8/h2o-sluice.8 $(DESTDIR)$(PREFIX)/bin/sluicectl \
	    $(DESTDIR)$(PREFIX)/share/man/man1/sluicectl.1 $(DESTDIR)$(PREFIX)/$(BASH_COMPLETIONS)/sluicectl \
	    $(DESTDIR)$(PREFIX)/$(ZSH_COMPLETIONS)/_sluicectl
	rm -rf $(DESTDIR)$(PREFIX)/lib/sluice $(DESTDIR)$(PREFIX)/share/sluice

clean: ## remove what was built
	rm -rf build

-include $(shell test -d $(B)/obj && find $(B)/obj -name '*.d')
