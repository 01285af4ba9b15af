// SPDX-License-Identifier: Apache-2.0

package discovery

import "testing"

func TestTargets(t *testing.T) {
	for target, want := range map[string]string{
		"127.0.0.1:8080":    "passthrough:///127.0.0.1:8080",
		"localhost:8080":    "passthrough:///localhost:8080",
		"[::1]:8080":        "passthrough:///[::1]:8080",
		"unix:///run/fn":    "unix:///run/fn",
		"unix:fn":           "unix:fn",
		"unix-abstract:fn":  "unix-abstract:fn",
		"dns:///fn.ns:8080": "dns:///fn.ns:8080",
	} {
		conn, err := Dial(target, 0)
		if err != nil {
			t.Errorf("Dial(%q): %v", target, err)
			continue
		}
		if got := conn.Target(); got != want {
			t.Errorf("Dial(%q) goes to %q, want %q", target, got, want)
		}
		conn.Close()
	}
}
