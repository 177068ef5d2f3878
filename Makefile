# The short way to everything; the build itself is Meson's.  SPDX-License-Identifier: MIT
#
#   make demo           what ferry does, shown
#   make check          all tests, in six configurations, and bench-guard
#   make check-long     the same, longer, and some under valgrind
#   make check-cross    the tests on other processors, which qemu plays
#   make sweep          every call that can fail, failing: memory, threads, descriptors, ...
#   make check-desktop  ferry in a window of GTK's, tried with mouse and keyboard
#   make coverage       which lines and branches of src/ the tests come through
#   make fuzz-schedule  rare interleavings of threads, for SECONDS=60 of seeds
#   make model          models of what goes between threads, searched with spin
#   make bench          what a crossing costs
#   make bench-quick    the same in less than a minute
#   make bench-plot     what make bench found, drawn into docs/crossing.svg
#   make bench-guard    the instructions of the hot paths, against bench/guard/figures
#   make bench-guard-update  takes what it counts now for the figures
#   make clean          away with build/
#
# Each first installs the Debian packages that it needs, saying which; FERRY_NO_INSTALL=1 forbids.

demo:
	@tools/setup.sh demo
	@tools/demo.sh

check:
	@tools/setup.sh check
	@tools/check.sh

check-long:
	@tools/setup.sh check
	@FERRY_LONG=1 tools/check.sh

coverage:
	@tools/setup.sh coverage
	@tools/coverage.sh

check-cross:
	@tools/setup.sh cross
	@tools/check_cross.sh

sweep:
	@tools/setup.sh check
	@tools/sweep.sh

check-desktop:
	@tools/setup.sh desktop
	@tools/check_desktop.sh

fuzz-schedule:
	@tools/setup.sh check
	@tools/fuzz.sh $(SECONDS)

model:
	@tools/setup.sh model
	@tools/model.sh

bench:
	@tools/setup.sh bench
	@tools/bench.sh

bench-quick:
	@tools/setup.sh bench
	@tools/bench.sh --quick

bench-plot:
	@tools/setup.sh bench
	@tools/bench.sh plot

bench-guard:
	@tools/setup.sh check
	@tools/check.sh bench-guard

bench-guard-update:
	@tools/setup.sh check
	@FERRY_UPDATE=1 tools/check.sh bench-guard

clean:
	rm -rf build

.PHONY: demo check check-long coverage check-cross sweep check-desktop fuzz-schedule \
    model bench bench-quick bench-plot bench-guard bench-guard-update clean
