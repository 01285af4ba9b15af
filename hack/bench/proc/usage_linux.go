// SPDX-License-Identifier: Apache-2.0

package proc

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// CPU returns the time that process pid has spent on the CPUs, user and system
// together, all its threads, the ended ones too. It reads the process's CPU
// clock, which counts nanoseconds; /proc/PID/stat counts hundredths of seconds.
func CPU(pid int) (time.Duration, error) {
	// The clock of a process is ^pid<<3 with the number of the clock, 2 for
	// CLOCK_PROCESS_CPUTIME_ID, in the lower bits: include/linux/posix-timers.h.
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|2), &ts); err != nil {
		return 0, fmt.Errorf("cpu clock of process %d: %w", pid, err)
	}
	return time.Duration(ts.Nano()), nil
}

// RSS returns how many bytes of memory process pid has resident.
func RSS(pid int) (int64, error) {
	// smaps_rollup walks the pages, so it is exact; VmRSS of status is what
	// the threads have added up by now.
	f, err := os.Open(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	s := bufio.NewScanner(f)
	for s.Scan() {
		if rest, ok := strings.CutPrefix(s.Text(), "Rss:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			return kib << 10, err
		}
	}
	return 0, fmt.Errorf("no Rss of process %d: %w", pid, s.Err())
}

// attributes has a child killed when this process ends, however it ends, and
// keeps Ctrl-C from it: the parent ends its children in order.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
