// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A config is everything that can be said to the proxy. The webhook says it
// with environment variables, people with flags of the same names.
type config struct {
	function  function
	edge      edge
	adminAddr string
	store     string
	places
	pod
	times
	mailbox    int
	maxMessage int
	log        logging
}

// Times are how long things may take.
type times struct{ idle, answer, remember, shutdown time.Duration }

// An edge says where clients are served, and how.
type edge struct {
	grpcAddr    string
	httpAddr    string
	cert, key   string // files; "" for no TLS
	origins     origins
	credentials bool
	restErrors  string
	validation  bool
}

// Origins are those of pages that may call; none if it is empty.
type origins []string

// A function says where the user function is and how to speak to it.
type function struct {
	host       string
	port       int
	anyVersion bool
	metadata   services // whose commands carry metadata
}

// Services are names of services, "all" or "none".
type services []string

func (s services) has(service string) bool {
	return slices.Contains(s, "all") || slices.Contains(s, service)
}

// A logging says how much is logged and what else people may look at.
type logging struct {
	level  slog.Level
	format string
	pprof  bool
}

// Places say where state is kept: by the embedded store in a folder, by that in
// Spanner among the rows of a service.
type places struct{ dataDir, database, service string }

// A pod says where in Kubernetes the process runs, if it does.
type pod struct{ uid, revision string }

// The stores there are.
const (
	embedded    = "embedded"
	memory      = "memory"
	spannerName = "spanner"
)

// How REST tells that the function has failed.
const (
	jsonErrors = "json"
	textErrors = "text"
)

// A setting is one line of the help text.
type setting struct {
	name, def, help string
	set             func(string) error
}

// settings are all there are, in the order of the help text.
func (c *config) settings() []setting {
	return []setting{
		{"user-function-host", "127.0.0.1", "host of the user function", text(&c.function.host)},
		{"user-function-port", "8080", "port of the user function", tcpPort(&c.function.port)},
		{"grpc-addr", "127.0.0.1:9001", "where gRPC is served; port 0 takes any free one", addr(&c.edge.grpcAddr)},
		{"http-addr", "127.0.0.1:9000", "where REST, gRPC-Web, Connect and gRPC are served on one port", addr(&c.edge.httpAddr)},
		{"tls-cert-file", "", "certificate of the port of HTTP_ADDR, in PEM; no TLS without it", anything(&c.edge.cert)},
		{"tls-key-file", "", "its key; both are read again when they change", anything(&c.edge.key)},
		{"cors-origins", "", "origins whose pages may call, with commas, such as https://*.example.com; * for all", origin(&c.edge.origins)},
		{"cors-credentials", "false", "whether these pages may send cookies", boolean(&c.edge.credentials)},
		{"rest-errors", jsonErrors, "how REST tells that the function failed: json, or text with status 500 as the reference does", oneOf(&c.edge.restErrors, jsonErrors, textErrors)},
		{"validation", "true", "whether requests are checked by the protovalidate rules of their messages", boolean(&c.edge.validation)},
		{"admin-addr", "127.0.0.1:9090", "where /ready, /live and /metrics are served", addr(&c.adminAddr)},
		{"store", embedded, "where state is kept: embedded (a folder), spanner, or memory (lost at the end)", oneOf(&c.store, embedded, memory, spannerName)},
		{"data-dir", "kairn-data", "folder of the embedded store; one proxy at a time", text(&c.dataDir)},
		{"spanner-database", "", "database of the Spanner store: projects/p/instances/i/databases/d", anything(&c.database)},
		{"service-name", "", "whose rows these are in the Spanner store: all proxies with this name are one cluster", anything(&c.service)},
		{"pod-uid", "", "UID of the pod, if the process runs in one: after its process has ended the next one of the pod need not wait for it", anything(&c.uid)},
		{"revision", "", "revision that the process belongs to, for dividing the entities among revisions", anything(&c.revision)},
		{"passivation-timeout", "30s", "time without a command until an instance is passivated, if its entity doesn't say", duration(&c.idle)},
		{"command-timeout", "1m", "time that the function may take for one command", duration(&c.answer)},
		{"idempotency-ttl", "24h", "time for which the reply to a command with an idempotency key is remembered", duration(&c.remember)},
		{"shutdown-timeout", "10s", "time to finish what runs when told to stop", duration(&c.shutdown)},
		{"mailbox-size", "1000", "commands that may wait for one instance; more are refused at once", number(&c.mailbox)},
		{"max-message-size", "12582912", "bytes that a message of a client or of the function may have", number(&c.maxMessage)},
		{"log-level", "info", "debug, info, warn or error", level(&c.log.level)},
		{"log-format", "json", "json, or text for people", oneOf(&c.log.format, "json", "text")},
		{"pprof", "false", "whether the admin port serves /debug/pprof", boolean(&c.log.pprof)},
		{"any-protocol-version", "false", "whether functions of other protocol versions are accepted, with a warning", boolean(&c.function.anyVersion)},
		{"command-metadata", "none", "services whose entities get the metadata of calls with their commands, with commas; all or none", list(&c.function.metadata)},
	}
}

// configFrom reads the configuration: a flag wins over the environment, and that
// over the default. It reports everything that is wrong. For --help it prints
// the help text to out and returns [flag.ErrHelp].
func configFrom(args []string, getenv func(string) string, out io.Writer) (config, error) {
	var c config
	var errs []error
	settings := c.settings()
	flags := flag.NewFlagSet("kairn-proxy", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	given := map[string]string{}
	for _, s := range settings {
		flags.Func(s.name, s.help, func(v string) error { given[s.name] = v; return nil })
	}
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		help(out, settings)
		return c, err
	case err != nil:
		errs = append(errs, fmt.Errorf("%w; see --help", err))
	case flags.NArg() > 0:
		errs = append(errs, fmt.Errorf("unexpected argument %q; see --help", flags.Arg(0)))
	}
	for _, s := range settings {
		value, from := s.def, "--"+s.name
		if v := getenv(variable(s.name)); v != "" {
			value, from = v, variable(s.name)
		}
		if v, ok := given[s.name]; ok {
			value, from = v, "--"+s.name
		}
		if err := s.set(value); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", from, err))
		}
	}
	if c.store == spannerName {
		errs = append(errs, c.checkSpanner())
	}
	return c, errors.Join(append(errs, c.edge.check())...)
}

// check says which settings don't go together.
func (e *edge) check() error {
	var errs []error
	if (e.cert == "") != (e.key == "") {
		errs = append(errs, errors.New("--tls-cert-file and --tls-key-file: one needs the other"))
	}
	if e.credentials && slices.Contains(e.origins, "*") {
		errs = append(errs, errors.New("--cors-credentials: name the origins then, since * would let every page act for its visitors"))
	}
	return errors.Join(errs...)
}

var databasePath = regexp.MustCompile(`^projects/[^/]+/instances/[^/]+/databases/[^/]+$`)

// check says what the Spanner store needs and doesn't have.
func (d *places) checkSpanner() error {
	var errs []error
	if !databasePath.MatchString(d.database) {
		errs = append(errs, fmt.Errorf("--spanner-database: %q is not like projects/p/instances/i/databases/d", d.database))
	}
	if d.service == "" {
		errs = append(errs, errors.New("--service-name: the Spanner store needs one, since others may keep their rows in the same database"))
	}
	return errors.Join(errs...)
}

// variable returns the environment variable of a setting.
func variable(name string) string { return strings.ToUpper(strings.ReplaceAll(name, "-", "_")) }

func help(out io.Writer, settings []setting) {
	fmt.Fprint(out, `kairn-proxy keeps the state of the entities that a user function serves.

It connects to the function (start that in any order), asks what it serves, and
serves the same methods over gRPC: each command goes to the function with the
state that it needs, and is answered when what came of it is stored.

  kairn-proxy --user-function-port=8080 --data-dir=./data

Each flag can be given as an environment variable instead; a flag wins.

  kairn-proxy migrate --help    makes the tables of the Spanner store

`)
	for _, s := range settings {
		fmt.Fprintf(out, "  --%s=%s\n        %s   [%s]\n", s.name, s.def, s.help, variable(s.name))
	}
	fmt.Fprint(out, `
SIGTERM or SIGINT ends it in order, a second one at once. It logs to standard
error. Every command that was answered survives a crash, unless --store=memory.
`)
}

func text(p *string) func(string) error {
	return func(v string) error {
		if v == "" {
			return errors.New("must not be empty")
		}
		*p = v
		return nil
	}
}

// list takes names that stand between commas.
func list(p *services) func(string) error {
	return func(v string) error {
		*p = strings.FieldsFunc(v, func(r rune) bool { return r == ',' || r == ' ' })
		return nil
	}
}

func anything(p *string) func(string) error {
	return func(v string) error { *p = v; return nil }
}

func origin(p *origins) func(string) error {
	return func(v string) error {
		*p = nil
		for o := range strings.SplitSeq(v, ",") {
			o = strings.TrimSpace(o)
			host, ok := strings.CutPrefix(o, "https://")
			if !ok {
				host, ok = strings.CutPrefix(o, "http://")
			}
			switch {
			case o == "":
				continue
			case o != "*" && (!ok || host == "" || strings.Contains(host, "/") || strings.Count(host, "*") > 1):
				return fmt.Errorf("%q is no origin like https://example.com or https://*.example.com, nor *", o)
			}
			*p = append(*p, o)
		}
		return nil
	}
}

func oneOf(p *string, values ...string) func(string) error {
	return func(v string) error {
		if slices.Contains(values, v) {
			*p = v
			return nil
		}
		return fmt.Errorf("%q is none of %s", v, strings.Join(values, ", "))
	}
}

func number(p *int) func(string) error {
	return func(v string) error {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 {
			return fmt.Errorf("%q is not a number above 0", v)
		}
		*p = n
		return nil
	}
}

func tcpPort(p *int) func(string) error {
	return func(v string) error {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > 65535 {
			return fmt.Errorf("%q is not a port from 1 to 65535", v)
		}
		*p = n
		return nil
	}
}

func addr(p *string) func(string) error {
	return func(v string) error {
		if _, _, err := net.SplitHostPort(v); err != nil {
			return fmt.Errorf("%q is not an address like 127.0.0.1:9001 or :9001", v)
		}
		*p = v
		return nil
	}
}

func duration(p *time.Duration) func(string) error {
	return func(v string) error {
		d, err := time.ParseDuration(v)
		if err != nil || d <= 0 {
			return fmt.Errorf("%q is not a time above 0 like 30s or 500ms", v)
		}
		*p = d
		return nil
	}
}

func boolean(p *bool) func(string) error {
	return func(v string) error {
		b, err := strconv.ParseBool(v)
		if err != nil {
			return fmt.Errorf("%q is neither true nor false", v)
		}
		*p = b
		return nil
	}
}

func level(p *slog.Level) func(string) error {
	return func(v string) error {
		if err := p.UnmarshalText([]byte(v)); err != nil {
			return fmt.Errorf("%q is none of debug, info, warn, error", v)
		}
		return nil
	}
}
