// SPDX-License-Identifier: Apache-2.0

package emulator

import "syscall"

// attributes lets the kernel end the emulator with its parent.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
