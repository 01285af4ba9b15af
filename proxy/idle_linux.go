// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// freeProgram lets go of the pages of the program itself. Most of it is needed once,
// to start, or never; but what the kernel maps together with a page that is
// needed counts as used for as long as the process lives. What is needed again
// comes back from the page cache.
func freeProgram() {
	name, err := os.Executable()
	if err != nil {
		return
	}
	maps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		return
	}
	for _, r := range programRegions(string(maps), name) {
		// It is advice: one that is not taken costs nothing.
		_, _, _ = unix.Syscall(unix.SYS_MADVISE, r.start, r.end-r.start, unix.MADV_DONTNEED)
	}
}

// A region is from one address up to another.
type region struct{ start, end uintptr }

// programRegions returns where a program is in memory, of what maps says (see
// proc_pid_smaps(5)), as far as that is still what is in its file: what has been
// changed, by the dynamic linker or a debugger, is nowhere else and counts as
// anonymous.
func programRegions(maps, program string) []region {
	var regions []region
	var r region
	ours := false
	for line := range strings.Lines(maps) {
		line = strings.TrimSuffix(line, "\n")
		var next region
		var mode string
		if _, err := fmt.Sscanf(line, "%x-%x %4s", &next.start, &next.end, &mode); err == nil {
			r, ours = next, mode[1] != 'w' && strings.HasSuffix(line, " "+program)
		} else if kilobytes, ok := strings.CutPrefix(line, "Anonymous:"); ok && ours && strings.TrimSpace(kilobytes) == "0 kB" {
			regions = append(regions, r)
		}
	}
	return regions
}
