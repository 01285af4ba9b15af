// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package proc

import (
	"errors"
	"syscall"
	"time"
)

// CPU is not measured here.
func CPU(int) (time.Duration, error) { return 0, errors.ErrUnsupported }

// RSS is not measured here.
func RSS(int) (int64, error) { return 0, errors.ErrUnsupported }

func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{} }
