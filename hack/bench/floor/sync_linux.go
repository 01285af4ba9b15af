// SPDX-License-Identifier: Apache-2.0

package floor

import (
	"os"

	"golang.org/x/sys/unix"
)

// Sync returns when what was written to f is durable.
func Sync(f *os.File) error { return unix.Fdatasync(int(f.Fd())) }
