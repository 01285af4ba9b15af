// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestSoftLimit(t *testing.T) {
	for _, tt := range []struct {
		name, v2, v1 string
		want         int64
	}{
		{"nothing says", "", "", 0},
		{"version 2", "134217728\n", "", 107374180},
		{"version 2 without a limit", "max\n", "", 0},
		{"version 1", "", "268435456\n", 214748364},
		{"version 1 without a limit", "", "9223372036854771712\n", 0},
		{"nonsense", "a lot\n", "-1\n", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			var files []string
			for name, text := range map[string]string{"v2": tt.v2, "v1": tt.v1} {
				file := filepath.Join(dir, name)
				if text != "" {
					if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				files = append(files, file)
			}
			if got := softLimit(files); got != tt.want {
				t.Errorf("soft limit %d, want %d", got, tt.want)
			}
		})
	}
}
