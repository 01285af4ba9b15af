// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"os"
	"time"
)

// An account tells a person what happens, a line for each step.
type account struct {
	out   io.Writer
	color bool
	began time.Time
}

func newAccount(f *os.File) *account {
	info, err := f.Stat()
	terminal := err == nil && info.Mode()&os.ModeCharDevice != 0
	return &account{out: f, color: terminal && os.Getenv("NO_COLOR") == ""}
}

// The colors of a terminal.
const (
	bold  = "1"
	green = "32"
	red   = "31"
	grey  = "90"
)

func (a *account) paint(color, s string) string {
	if !a.color {
		return s
	}
	return "\x1b[" + color + "m" + s + "\x1b[0m"
}

func (a *account) title(s string) { fmt.Fprintf(a.out, "\n%s\n\n", a.paint(bold, s)) }

// begin says what is being done.
func (a *account) begin(format string, args ...any) {
	a.began = time.Now()
	fmt.Fprintf(a.out, "  %s\n", fmt.Sprintf(format, args...))
}

// done says what came of it.
func (a *account) done(format string, args ...any) {
	took := time.Since(a.began).Round(time.Millisecond)
	fmt.Fprintf(a.out, "    %s %s\n", a.paint(green, fmt.Sprintf(format, args...)), a.paint(grey, "("+took.String()+")"))
}

func (a *account) failed(err error) {
	fmt.Fprintf(a.out, "    %s\n\n", a.paint(red, "failed: "+err.Error()))
}

func (a *account) closing(s string) { fmt.Fprintf(a.out, "\n%s\n\n", s) }
