// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package floor

import "os"

// Sync returns when what was written to f is durable.
func Sync(f *os.File) error { return f.Sync() }
