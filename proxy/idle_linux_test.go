// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net"
	"runtime/debug"
	"slices"
	"testing"
)

func TestProgramRegions(t *testing.T) {
	const maps = `00400000-00402000 r--p 00000000 fe:00 3                           /opt/kairn-proxy
Rss:                   8 kB
Anonymous:             0 kB
00402000-01437000 r-xp 00002000 fe:00 3                           /opt/kairn-proxy
Rss:                8000 kB
Anonymous:             0 kB
01437000-01438000 r--p 01037000 fe:00 3                           /opt/kairn-proxy
Rss:                   4 kB
Anonymous:             4 kB
01438000-0153a000 rw-p 01037000 fe:00 3                           /opt/kairn-proxy
Rss:                   0 kB
Anonymous:             0 kB
c000000000-c000400000 rw-p 00000000 00:00 0
Rss:                4096 kB
Anonymous:             0 kB
7f0000000000-7f0000001000 r--p 00000000 fe:00 4                   /opt/other/opt/kairn-proxy
Anonymous:             0 kB
7f0000002000-7f0000003000 r-xp 00000000 00:00 0                   [vdso]
Anonymous:             0 kB
`
	want := []region{{0x400000, 0x402000}, {0x402000, 0x1437000}}
	if got := programRegions(maps, "/opt/kairn-proxy"); !slices.Equal(got, want) {
		t.Errorf("got %x, want %x", got, want)
	}
}

// TestProgramRunsOn lets go of the pages of this very program, which is linked
// dynamically if it detects races, and makes it call into libraries.
func TestProgramRunsOn(t *testing.T) {
	for range 3 {
		freeProgram()
		TestProgramRegions(t)
		if _, err := net.DefaultResolver.LookupHost(t.Context(), "localhost"); err != nil {
			t.Log(err) // there may be no such name; it was asked for
		}
		big := make([]byte, 64<<20) // the runtime maps and unmaps memory by the C library
		big[len(big)-1] = 1
		debug.FreeOSMemory()
	}
}
