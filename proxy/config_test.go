// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"strings"
	"testing"
	"time"
)

func env(pairs ...string) func(string) string {
	m := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return func(name string) string { return m[name] }
}

func TestConfigDefaults(t *testing.T) {
	c, err := configFrom(nil, env(), &bytes.Buffer{})
	if err != nil {
		t.Fatal(err)
	}
	if c.edge.grpcAddr != "127.0.0.1:9001" || c.edge.httpAddr != "127.0.0.1:9000" || len(c.edge.origins) > 0 || c.store != embedded || c.idle != 30*time.Second || c.log.pprof {
		t.Errorf("defaults are %+v", c)
	}
	if c.function.metadata.has("shop.ShoppingCart") {
		t.Error("commands carry metadata by default")
	}
}

func TestServicesAreNamedOrAll(t *testing.T) {
	for value, want := range map[string]string{"none": "", "all": "a b", "a": "a", "a,c": "a", "b, a": "a b"} {
		c, err := configFrom([]string{"--command-metadata=" + value}, env(), &bytes.Buffer{})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, s := range []string{"a", "b"} {
			if c.function.metadata.has(s) {
				got = append(got, s)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q names %q, want %q", value, got, want)
		}
	}
}

func TestFlagWinsOverEnvironment(t *testing.T) {
	c, err := configFrom([]string{"--data-dir=/flag", "--pprof", "true"}, env("DATA_DIR", "/env", "MAILBOX_SIZE", "7"), &bytes.Buffer{})
	if err != nil {
		t.Fatal(err)
	}
	if c.dataDir != "/flag" || c.mailbox != 7 || !c.log.pprof {
		t.Errorf("got %+v", c)
	}
}

func TestConfigReportsAllMistakesAtOnce(t *testing.T) {
	_, err := configFrom(
		[]string{"--grpc-addr=9001", "--shutdown-timeout=-1s", "--log-format=xml", "now"},
		env("STORE", "tape", "USER_FUNCTION_PORT", "http", "MAILBOX_SIZE", "0", "LOG_LEVEL", "loud", "PPROF", "maybe"),
		&bytes.Buffer{})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		`unexpected argument "now"`, `--grpc-addr: "9001"`, `--shutdown-timeout: "-1s"`, `--log-format: "xml"`,
		`STORE: "tape"`, `USER_FUNCTION_PORT: "http"`, `MAILBOX_SIZE: "0"`, `LOG_LEVEL: "loud"`, `PPROF: "maybe"`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not reported in:\n%v", want, err)
		}
	}
	if _, err := configFrom([]string{"--datadir=x"}, env(), &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), "datadir") {
		t.Errorf("an unknown flag gives %v", err)
	}
}

func TestHelpNamesEverySetting(t *testing.T) {
	var out bytes.Buffer
	if _, err := configFrom([]string{"--help"}, env(), &out); !errors.Is(err, flag.ErrHelp) {
		t.Fatalf("error %v", err)
	}
	page := readFile(t, "../docs/configuration.md")
	for _, s := range (&config{}).settings() {
		if !strings.Contains(out.String(), "--"+s.name+"="+s.def) {
			t.Errorf("the help text lacks --%s", s.name)
		}
		def := "`" + s.def + "`"
		if s.def == "" {
			def = "none"
		}
		if !strings.Contains(page, "| `"+variable(s.name)+"` | "+def+" |") {
			t.Errorf("docs/configuration.md lacks %s with its default %s", variable(s.name), s.def)
		}
	}
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestSettingsOfTheEdge(t *testing.T) {
	c, err := configFrom([]string{"--cors-origins=https://*.example.com, http://localhost:3000", "--cors-credentials=true"}, env(), &bytes.Buffer{})
	if err != nil || strings.Join(c.edge.origins, " ") != "https://*.example.com http://localhost:3000" || !c.edge.credentials {
		t.Errorf("got %+v, %v", c.edge, err)
	}
	for args, want := range map[string]string{
		"--cors-origins=example.com":            "no origin like",
		"--cors-origins=https://a.example/shop": "no origin like",
		"--cors-origins=https://*.*.example":    "no origin like",
		"--cors-origins=* --cors-credentials=1": "name the origins",
		"--tls-cert-file=tls.crt":               "one needs the other",
		"--tls-key-file=tls.key":                "one needs the other",
		"--http-addr=9000":                      "--http-addr",
	} {
		if _, err := configFrom(strings.Fields(args), env(), &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", args, err, want)
		}
	}
}

func TestACertificateThatIsMissingKeepsTheProxyFromStarting(t *testing.T) {
	var out bytes.Buffer
	err := run(t.Context(), openStore, []string{"--tls-cert-file=/nowhere/tls.crt", "--tls-key-file=/nowhere/tls.key", "--store=memory"}, env(), &out)
	if err == nil || !strings.Contains(err.Error(), "/nowhere/tls.crt") {
		t.Errorf("run: %v", err)
	}
}
