// SPDX-License-Identifier: Apache-2.0

package proc

import (
	"os"
	"strings"
	"testing"
)

func TestParseServing(t *testing.T) {
	for _, tt := range []struct {
		name, line string
		want       Addresses
		ok         bool
	}{
		{
			name: "serving",
			line: `{"time":"t","level":"INFO","msg":"serving","grpc":"127.0.0.1:1","admin":"127.0.0.1:2"}`,
			want: Addresses{Message: "serving", GRPC: "127.0.0.1:1", Admin: "127.0.0.1:2"},
			ok:   true,
		},
		{name: "another message", line: `{"msg":"discovered"}`},
		{name: "text", line: `panic: serving`},
		{name: "nothing"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := parseServing([]byte(tt.line))
			if ok != tt.ok || ok && got != tt.want {
				t.Errorf("parseServing = %v, %v, want %v, %v", got, ok, tt.want, tt.ok)
			}
		})
	}
}

func TestProcessAnswersAndEnds(t *testing.T) {
	var g Group
	defer g.Close()
	p, err := g.Start(Spec{Name: "echo", Path: "/bin/sh", Args: []string{"-c", `echo '{"msg":"serving","grpc":"here"}' >&2; exec cat`}})
	if err != nil {
		t.Fatal(err)
	}
	a, err := p.Serving(t.Context())
	if err != nil || a.GRPC != "here" {
		t.Fatalf("Serving = %v, %v", a, err)
	}
	var answer map[string]int
	if err := p.Do(t.Context(), map[string]int{"n": 7}, &answer); err != nil || answer["n"] != 7 {
		t.Errorf("Do = %v, %v", answer, err)
	}
	g.Close()
	if err := p.Do(t.Context(), 1, &answer); err == nil || !strings.Contains(err.Error(), "echo has ended") {
		t.Errorf("Do after the end = %v", err)
	}
}

func TestUsageOfThisProcess(t *testing.T) {
	before, err := CPU(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if before <= 0 {
		t.Errorf("CPU = %v, want some", before)
	}
	rss, err := RSS(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if rss < 1<<20 {
		t.Errorf("RSS = %d bytes, want a mebibyte at least", rss)
	}
}
