// SPDX-License-Identifier: Apache-2.0

package clients

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/kairn-dev/kairn/hack/stage"
	"github.com/kairn-dev/kairn/samples/greeter/greet"
)

// patience is for everything that a test waits for.
const patience = 2 * time.Minute

// need skips the test where there is no such program, or fails it.
func need(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err == nil {
			continue
		}
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is missing", p)
		}
		t.Skipf("NOT TESTED: %s IS MISSING. Install it, or let CI run this.", p)
	}
}

// programs builds the proxy and the greeter, once, into a folder that TestMain
// removes.
var (
	folder   string
	programs = sync.OnceValues(func() ([]string, error) {
		return stage.Build(context.Background(), folder, nil, "proxy", "samples/greeter")
	})
)

func TestMain(m *testing.M) {
	var err error
	if folder, err = os.MkdirTemp("", "kairn-clients-"); err != nil {
		panic(err)
	}
	code := m.Run()
	_ = os.RemoveAll(folder) // what is left does no harm
	os.Exit(code)
}

// serve runs the greeter behind a proxy, and returns the URL of the shared port.
func serve(t *testing.T, env ...string) string {
	t.Helper()
	built, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	s := &stage.Stage{Proxy: built[0], Function: built[1], Env: append(env, "STORE=memory")}
	t.Cleanup(s.Kill)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := s.Start(ctx); err != nil {
		t.Fatal(err)
	}
	return "http://" + s.HTTP
}

// run runs a program and returns what it prints.
func run(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", name, err, out, &stderr)
	}
	return string(out)
}

// install installs what package-lock.json pins, once, and returns the folder
// with the sources and that.
func install(t *testing.T) string {
	t.Helper()
	need(t, "node", "npm")
	lock, err := os.ReadFile("package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join("..", "..", "out", fmt.Sprintf("clients-%x", sha256.Sum256(lock))[:20])
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"package.json", "package-lock.json", "calls.js", "node.js", "openapi.js", "page.js"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	done := filepath.Join(dir, "installed")
	if _, err := os.Stat(done); err != nil {
		run(t, dir, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
		if err := os.WriteFile(done, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// descriptors are those of the greeter.
func descriptors(t *testing.T) []byte {
	t.Helper()
	set := new(descriptorpb.FileDescriptorSet)
	seen := map[string]bool{}
	var add func(f protoreflect.FileDescriptor)
	add = func(f protoreflect.FileDescriptor) {
		if seen[f.Path()] {
			return
		}
		seen[f.Path()] = true
		for i := range f.Imports().Len() {
			add(f.Imports().Get(i))
		}
		set.File = append(set.File, protodesc.ToFileDescriptorProto(f))
	}
	add(greet.File_samples_greeter_greet_greet_proto)
	encoded, err := proto.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	return encoded
}

// judge fails for what the checks in calls.js came to.
func judge(t *testing.T, report []byte) {
	t.Helper()
	var checks []struct{ Name, Error string }
	if err := json.Unmarshal(report, &checks); err != nil || len(checks) < 8 {
		t.Fatalf("report %s: %v", report, err)
	}
	for _, c := range checks {
		if c.Error != "" {
			t.Errorf("%s: %s", c.Name, c.Error)
		}
	}
}

func TestNode(t *testing.T) {
	dir := install(t)
	file := filepath.Join(t.TempDir(), "descriptors")
	if err := os.WriteFile(file, descriptors(t), 0o600); err != nil {
		t.Fatal(err)
	}
	judge(t, []byte(run(t, dir, "node", "node.js", serve(t), file)))
}

// TestOpenAPI has the documents that the proxy serves, and one of all that can be
// in a document, checked by a validator.
func TestOpenAPI(t *testing.T) {
	dir := install(t)
	base := serve(t)
	files := []string{"openapi.js"}
	for _, name := range []string{"openapi.json", "openapi.yaml"} {
		file := filepath.Join(t.TempDir(), name)
		run(t, ".", "curl", "-sS", "--fail", "-o", file, base+"/"+name)
		files = append(files, file)
	}
	for _, name := range []string{"shop.json", "shop.yaml"} {
		file, err := filepath.Abs(filepath.Join("..", "..", "proxy", "openapi", "testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	run(t, dir, "node", files...)
}

func TestPageInChromium(t *testing.T) {
	need(t, "chromium")
	dir := install(t)
	bundle := filepath.Join(t.TempDir(), "page.js")
	run(t, dir, "node_modules/.bin/esbuild", "page.js", "--bundle", "--format=esm", "--outfile="+bundle)

	reports := make(chan []byte, 1)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `<!doctype html><script type="module" src="/page.js"></script>`)
	})
	mux.HandleFunc("GET /page.js", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, bundle) })
	mux.HandleFunc("GET /descriptors", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(descriptors(t)) })
	mux.HandleFunc("POST /report", func(_ http.ResponseWriter, r *http.Request) {
		var body bytes.Buffer
		_, _ = body.ReadFrom(r.Body)
		select {
		case reports <- body.Bytes():
		default: // one is enough
		}
	})
	pages := httptest.NewServer(mux)
	defer pages.Close()
	where, err := json.Marshal(map[string]string{
		"baseUrl": serve(t, "CORS_ORIGINS="+pages.URL),
		"strange": serve(t, "CORS_ORIGINS=https://elsewhere.example"),
	})
	if err != nil {
		t.Fatal(err)
	}
	mux.HandleFunc("GET /where", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(where) })

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var said bytes.Buffer
	browser := exec.CommandContext(ctx, "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
		"--user-data-dir="+t.TempDir(), "--remote-debugging-port=0", pages.URL+"/")
	browser.Stderr = &said
	browser.WaitDelay = 10 * time.Second
	if err := browser.Start(); err != nil {
		t.Fatal(err)
	}
	defer browser.Wait() //nolint:errcheck // it was killed
	defer cancel()
	select {
	case report := <-reports:
		judge(t, report)
	case <-ctx.Done():
		cancel()
		_ = browser.Wait()
		t.Fatalf("no report; the browser said:\n%s", &said)
	}
}

func gzipped(t *testing.T, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestCurl(t *testing.T) {
	need(t, "curl")
	base := serve(t)
	const json = "Content-Type: application/json"
	long := strings.Repeat("x", 2000)
	zipped := filepath.Join(t.TempDir(), "request.gz")
	if err := os.WriteFile(zipped, gzipped(t, `{"name":"`+long+`"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		args []string
		want string
	}{
		{"REST", []string{"-H", json, "-d", `{"name":"Ann"}`, "/greetings"}, `{"text":"Hello, Ann!"}`},
		{"REST, HTTP/2", []string{"--http2-prior-knowledge", "-H", json, "-d", `{"name":"Ann"}`, "/greetings"}, `{"text":"Hello, Ann!"}`},
		{"lines", []string{"-N", "-H", json, "-d", `{"name":"Ann"}`, "/greet.Greeter/GreetInAllLanguages"}, "{\"text\":\"Hallo, Ann!\"}\n{\"text\":\"Hello, Ann!\"}\n"},
		{"REST, gzip both ways", []string{"--compressed", "-w", " %header{content-encoding}", "-H", json, "-H", "Content-Encoding: gzip", "--data-binary", "@" + zipped, "/greetings"}, `{"text":"Hello, ` + long + `!"} gzip`},
		{"REST, malformed", []string{"-H", json, "-d", `{"name":}`, "/greetings"}, `{"error":{"code":400,"message":"invalid request: `},
		{"REST, long headers", []string{"-H", "X-Long: " + strings.Repeat("x", 70_000), "-H", json, "-d", "{}", "/greetings"}, `{"error":{"code":431,`},
		{"REST, another verb", []string{"-X", "DELETE", "/greetings"}, `{"error":{"code":405,`},
		{"events", []string{"-N", "-H", "Accept: text/event-stream", "-H", json, "-d", `{"name":"Ann"}`, "/greet.Greeter/GreetInAllLanguages"}, "data: {\"text\":\"Hallo, Ann!\"}\n\n"},
		{"Connect", []string{"-H", json, "-H", "Connect-Protocol-Version: 1", "-d", `{"name":"Ann"}`, "/greet.Greeter/Greet"}, `{"text":"Hello, Ann!"}`},
		{"Connect, refused", []string{"-H", json, "-H", "Connect-Protocol-Version: 1", "-d", `{"language":"xx"}`, "/greet.Greeter/Greet"}, `{"code":"unknown","message":"nobody here speaks \"xx\""}`},
		{"gzip", []string{"--compressed", "-H", json, "-H", "Connect-Protocol-Version: 1", "-d", `{"name":"` + long + `"}`, "/greet.Greeter/Greet"}, `{"text":"Hello, ` + long + `!"}`},
		{"gRPC-Web as text", []string{"-H", "Content-Type: application/grpc-web-text", "-d", "AAAAAAUKA0Fubg==", "/greet.Greeter/Greet"}, "AAAAAA0KC0hlbGxvLCBBbm4h"},
		{"probe", []string{"-H", "K-Network-Probe: queue", "/"}, "queue"},
	} {
		t.Run(tt.name, func(t *testing.T) { curl(t, base, tt.want, tt.args) })
	}
}

// curl calls base by curl, whose last argument is a path, and fails unless what it
// prints begins with want.
func curl(t *testing.T, base, want string, args []string) {
	t.Helper()
	all := append([]string{"-sS", "--max-time", "60"}, args...)
	all[len(all)-1] = base + all[len(all)-1]
	if got := run(t, ".", "curl", all...); !strings.HasPrefix(got, want) {
		t.Errorf("curl %s\nsays %s\nwant %s", strings.Join(args, " "), got, want)
	}
}

// TestCurlIsRefused has what the port refuses by itself: pages of others, and
// messages that are too large.
func TestCurlIsRefused(t *testing.T) {
	need(t, "curl")
	const json = "Content-Type: application/json"
	base := serve(t, "CORS_ORIGINS=https://shop.example", "MAX_MESSAGE_SIZE=20000") // what the function says of itself must fit too
	large := `{"name":"` + strings.Repeat("x", 30_000) + `"}`
	asks := func(origin string) []string {
		return []string{"-X", "OPTIONS", "-o", "/dev/null", "-w", "%{http_code} %header{access-control-allow-origin} %header{access-control-allow-headers}",
			"-H", "Origin: " + origin, "-H", "Access-Control-Request-Method: POST", "-H", "Access-Control-Request-Headers: zone", "/greetings"}
	}
	for _, tt := range []struct {
		name string
		args []string
		want string
	}{
		{"a page may call", asks("https://shop.example"), "204 https://shop.example zone"},
		{"a page of others", asks("https://other.example"), "403  "},
		{"its call", []string{"-H", "Origin: https://shop.example", "-w", " %header{access-control-allow-origin}", "-H", json, "-d", `{"name":"Ann"}`, "/greetings"}, `{"text":"Hello, Ann!"} https://shop.example`},
		{"REST, too large", []string{"-H", json, "-d", large, "/greetings"}, `{"error":{"code":413,"message":"`},
		{"REST, too large, HTTP/2", []string{"--http2-prior-knowledge", "-H", json, "-d", large, "/greetings"}, `{"error":{"code":413,"message":"`},
		{"Connect, too large", []string{"-H", json, "-H", "Connect-Protocol-Version: 1", "-d", large, "/greet.Greeter/Greet"}, `{"code":"resource_exhausted","message":"`},
	} {
		t.Run(tt.name, func(t *testing.T) { curl(t, base, tt.want, tt.args) })
	}
}
