// SPDX-License-Identifier: Apache-2.0

package filestore

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// childDir is the environment variable that makes this program commit to the
// store in a folder until it is killed.
const childDir = "FILESTORE_TEST_DIR"

// child commits to the store in dir and says so, one line "lane commits" for
// each commit that was acknowledged.
func child(dir string) int {
	ctx := context.Background()
	s, err := Open(quiet, dir, func(err error) { panic(err) })
	if err != nil {
		fmt.Println(err)
		return 1
	}
	m, err := s.Join(ctx, lanes)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	var p progress
	var wg sync.WaitGroup
	fmt.Println("open")
	for lane := range lanes {
		n, err := committed(ctx, s, lane)
		if err != nil {
			fmt.Println(err)
			return 1
		}
		p[lane].begun.Store(n)
		wg.Go(func() {
			err := p.write(ctx, s, m, lane, nil, func(n int64) { fmt.Fprintf(os.Stdout, "%d %d\n", lane, n) })
			fmt.Println(err)
		})
	}
	wg.Wait()
	return 1
}

// A process is a running child.
type process struct {
	cmd   *exec.Cmd
	lines *bufio.Scanner
}

// startChild starts a child on dir and waits until it has the store open.
func startChild(t *testing.T, dir string) *process {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	cmd.Stderr = t.Output()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{cmd: cmd, lines: bufio.NewScanner(out)}
	if !p.lines.Scan() || p.lines.Text() != "open" {
		p.kill()
		t.Fatalf("child did not open the store: %q, %v", p.lines.Text(), p.lines.Err())
	}
	return p
}

// kill kills the child as kill -9 does, and returns the lines it had still
// written.
func (p *process) kill() (rest []string) {
	_ = p.cmd.Process.Kill()
	for p.lines.Scan() {
		rest = append(rest, p.lines.Text())
	}
	_ = p.cmd.Wait() // says that it was killed
	return rest
}

// TestKills kills a process that commits, again and again.
func TestKills(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "store")
	var acked [lanes]int64
	for range 10 {
		p := startChild(t, dir)
		var lines []string
		for n := rand.IntN(150); n > 0 && p.lines.Scan(); n-- {
			lines = append(lines, p.lines.Text())
		}
		for _, line := range slices.Concat(lines, p.kill()) {
			lane, n, _ := strings.Cut(line, " ")
			l, err := strconv.Atoi(lane)
			if err != nil || l >= lanes {
				t.Fatalf("child said %q", line)
			}
			if acked[l], err = strconv.ParseInt(n, 10, 64); err != nil {
				t.Fatalf("child said %q", line)
			}
		}
		s, err := Open(logTo(t), dir, func(err error) { t.Error(err) })
		if err != nil {
			t.Fatal(err)
		}
		for lane := range lanes {
			n, err := committed(t.Context(), s, lane)
			if err != nil || n < acked[lane] || n > acked[lane]+1 {
				t.Fatalf("lane %d: %d commits are stored, %v; %d were acknowledged", lane, n, err, acked[lane])
			}
			acked[lane] = n
		}
		mustClose(t, s)
	}
	if acked == [lanes]int64{} {
		t.Error("nothing was committed")
	}
}

func TestSecondProcessIsRefused(t *testing.T) {
	dir := t.TempDir()
	p := startChild(t, dir)
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	wantError(t, openError(t, dir), dir, fmt.Sprintf("process %d (on host %s)", p.cmd.Process.Pid, host), "another folder")
	p.kill()
	s := mustOpen(t, dir) // the lock went with the process
	wantError(t, openError(t, dir), fmt.Sprintf("process %d ", os.Getpid()))
	if _, err := committed(t.Context(), s, 0); err != nil {
		t.Error(err)
	}
}

// openError returns why dir can't be opened.
func openError(t *testing.T, dir string) error {
	t.Helper()
	s, err := Open(logTo(t), dir, func(err error) { t.Error(err) })
	if err == nil {
		mustClose(t, s)
		t.Fatalf("opened %s", dir)
	}
	return err
}

func wantError(t *testing.T, err error, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("error is %v; want %q in it", err, part)
		}
	}
}

// TestTornLog damages the end of the log as a torn write does.
func TestTornLog(t *testing.T) {
	for _, tt := range []struct {
		name   string
		damage func(t *testing.T, log *os.File, size int64)
	}{
		{"cut by a byte", func(t *testing.T, log *os.File, size int64) { must(t, log.Truncate(size-1)) }},
		{"cut in the middle of the last record", func(t *testing.T, log *os.File, size int64) { must(t, log.Truncate(size-60)) }},
		{"last bytes garbled", func(t *testing.T, log *os.File, size int64) {
			_, err := log.WriteAt([]byte("garbage"), size-20)
			must(t, err)
		}},
		{"last bytes zero", func(t *testing.T, log *os.File, size int64) {
			_, err := log.WriteAt(make([]byte, 30), size-30)
			must(t, err)
		}},
		{"zeros behind", func(t *testing.T, log *os.File, size int64) { must(t, log.Truncate(size+100_000)) }},
		{"garbage behind", func(t *testing.T, log *os.File, size int64) {
			_, err := log.WriteAt([]byte(strings.Repeat("garbage", 1000)), size)
			must(t, err)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) { tornLog(t, tt.damage) })
	}
}

func tornLog(t *testing.T, damage func(t *testing.T, log *os.File, size int64)) {
	dir := t.TempDir()
	s := mustOpen(t, dir)
	m := mustJoin(t, s)
	const commits = 9
	var sizes []int64 // of the log after each commit
	for n := range int64(commits) {
		must(t, s.Commit(t.Context(), at(m, n), writesOf(0, n)))
		sizes = append(sizes, int64(s.Metrics().LogBytes))
	}
	if slices.Min(sizes) == sizes[commits-1] {
		t.Fatalf("the log doesn't grow: %v", sizes)
	}
	// The log is preallocated, so a copy stands for what a crash leaves.
	after := t.TempDir()
	must(t, os.CopyFS(filepath.Join(after, "s"), os.DirFS(dir)))
	log := newestLog(t, filepath.Join(after, "s", dataName))
	text, err := io.ReadAll(log)
	must(t, err)
	size := int64(len(strings.TrimRight(string(text), "\x00")))
	damage(t, log, size)
	must(t, log.Close())

	torn := mustOpen(t, filepath.Join(after, "s"))
	n, err := committed(t.Context(), torn, 0)
	if err != nil || n < commits-1 {
		t.Errorf("%d of %d commits are stored, %v; want all but the last at least", n, commits, err)
	}
	m = mustJoin(t, torn)
	must(t, torn.Commit(t.Context(), at(m, 0), writesOf(0, n)))
}

// newestLog opens the log that was written last.
func newestLog(t *testing.T, dir string) *os.File {
	t.Helper()
	logs, err := filepath.Glob(filepath.Join(dir, "*.log"))
	if err != nil || len(logs) == 0 {
		t.Fatalf("logs in %s: %v, %v", dir, logs, err)
	}
	f, err := os.OpenFile(slices.Max(logs), os.O_RDWR, 0)
	must(t, err)
	return f
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
