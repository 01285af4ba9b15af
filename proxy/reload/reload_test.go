// SPDX-License-Identifier: Apache-2.0

package reload

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestValueFollowsItsFiles(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	read := func() (string, error) {
		first, err := os.ReadFile(a)
		second, err2 := os.ReadFile(b)
		if string(first) == "bad" {
			err = errors.New("bad")
		}
		return string(first) + string(second), errors.Join(err, err2)
	}
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, nil))
	if _, err := Load(logger, read, a, b); err == nil {
		t.Error("files that are not there are no error")
	}
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(a, "1")
	write(b, "2")
	v, err := Load(logger, read, a, b)
	if err != nil {
		t.Fatal(err)
	}
	expect := func(want string, complaints int) {
		t.Helper()
		for range 2 {
			if got := v.Get(); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		}
		if got := strings.Count(log.String(), "can't be used"); got != complaints {
			t.Errorf("%d complaints, want %d: %s", got, complaints, &log)
		}
	}
	expect("12", 0)
	write(b, "34")
	expect("134", 0)
	write(a, "bad")
	expect("134", 1)
	write(a, "good")
	expect("good34", 1)
	if err := os.Remove(b); err != nil {
		t.Fatal(err)
	}
	expect("good34", 2)
	write(b, "567")
	expect("good567", 2)
}

// TestLinksAreFollowed replaces a folder as a mounted secret is replaced: by a
// link that leads somewhere else from one moment to the next.
func TestLinksAreFollowed(t *testing.T) {
	dir := t.TempDir()
	link, name := filepath.Join(dir, "link"), filepath.Join(dir, "link", "key")
	turn := func(version, text string) {
		t.Helper()
		folder, next := filepath.Join(dir, version), filepath.Join(dir, "next")
		if err := errors.Join(os.Mkdir(folder, 0o700), os.WriteFile(filepath.Join(folder, "key"), []byte(text), 0o600),
			os.Symlink(folder, next), os.Rename(next, link)); err != nil {
			t.Fatal(err)
		}
	}
	turn("v1", "a")
	v, err := Load(slog.New(slog.DiscardHandler), func() (string, error) {
		data, err := os.ReadFile(name)
		return string(data), err
	}, name)
	if err != nil {
		t.Fatal(err)
	}
	turn("v2", "bc")
	if got := v.Get(); got != "bc" {
		t.Errorf("got %q after the link was turned", got)
	}
}
