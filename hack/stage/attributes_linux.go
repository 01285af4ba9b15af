// SPDX-License-Identifier: Apache-2.0

package stage

import "syscall"

// attributes makes the kernel kill a child whose parent was killed. The kernel
// means the thread that started it; Go's threads come and go only when a
// goroutine that is locked to one ends, and nobody here locks.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
