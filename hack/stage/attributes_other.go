// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package stage

import "syscall"

// attributes has nothing to ask for here.
func attributes() *syscall.SysProcAttr { return nil }
