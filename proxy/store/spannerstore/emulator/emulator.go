// SPDX-License-Identifier: Apache-2.0

// Package emulator runs the Cloud Spanner emulator for tests and benchmarks.
//
// It is the program emulator_main of the Google Cloud SDK, which this package
// looks for on PATH and in the folders that the SDK is usually installed in. If
// SPANNER_EMULATOR_HOST is set, then the emulator there is used instead, and
// left alone at the end. Nothing that is not a test knows this package.
package emulator

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	database "cloud.google.com/go/spanner/admin/database/apiv1"
	"cloud.google.com/go/spanner/admin/database/apiv1/databasepb"
	instance "cloud.google.com/go/spanner/admin/instance/apiv1"
	"cloud.google.com/go/spanner/admin/instance/apiv1/instancepb"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

// Variable is the environment variable by which clients find an emulator. The
// client library reads it.
const Variable = "SPANNER_EMULATOR_HOST"

// ErrMissing reports that there is no emulator on this machine. Its text says
// how to get one.
var ErrMissing = errors.New("no Cloud Spanner emulator: install the Google Cloud SDK with its component cloud-spanner-emulator " +
	"(package google-cloud-cli-spanner-emulator), put emulator_main on PATH, or set " + Variable)

// parent is the instance that databases are made in.
const parent = "projects/kairn/instances/test"

// An Emulator is one that runs. Make it with [Start].
type Emulator struct {
	host    string
	cmd     *exec.Cmd // nil if it was there before
	created sync.Once
	failed  error // of created
}

// Start starts an emulator on a free port of loopback, or uses the one that the
// environment names.
func Start(ctx context.Context, getenv func(string) string) (*Emulator, error) {
	if host := getenv(Variable); host != "" {
		return &Emulator{host: host}, nil
	}
	program, err := find(getenv("HOME"))
	if err != nil {
		return nil, err
	}
	return start(ctx, program, "127.0.0.1:0")
}

// find returns the path of emulator_main.
func find(home string) (string, error) {
	const name = "emulator_main"
	if program, err := exec.LookPath(name); err == nil {
		return program, nil
	}
	sdks := []string{"/usr/lib/google-cloud-sdk", "/usr/local/google-cloud-sdk", "/opt/google-cloud-sdk", "/snap/google-cloud-sdk/current", "/google-cloud-sdk"}
	if gcloud, err := exec.LookPath("gcloud"); err == nil {
		if real, err := filepath.EvalSymlinks(gcloud); err == nil {
			sdks = append(sdks, filepath.Dir(filepath.Dir(real)))
		}
	}
	if home != "" {
		sdks = append(sdks, filepath.Join(home, "google-cloud-sdk"))
	}
	for _, sdk := range sdks {
		if program, err := exec.LookPath(filepath.Join(sdk, "bin", "cloud_spanner_emulator", name)); err == nil {
			return program, nil
		}
	}
	return "", ErrMissing
}

func start(ctx context.Context, program, addr string) (*Emulator, error) {
	cmd := exec.Command(program, "--host_port="+addr) //nolint:noctx // it is ended by Stop
	cmd.SysProcAttr = attributes()
	out, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the Spanner emulator: %w", err)
	}
	e := &Emulator{cmd: cmd}
	serving := make(chan string, 1)
	go watch(out, serving)
	select {
	case e.host = <-serving:
	case <-ctx.Done():
		e.Stop()
		return nil, fmt.Errorf("the Spanner emulator does not serve: %w", context.Cause(ctx))
	}
	if e.host == "" {
		e.Stop()
		return nil, errors.New("the Spanner emulator ended before it served")
	}
	return e, nil
}

// watch reads what the emulator logs, so that it never waits for a reader, and
// sends the address that it serves at; "" if it ends before.
func watch(out io.Reader, serving chan<- string) {
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if _, host, ok := strings.Cut(lines.Text(), "Server address: "); ok {
			serving <- strings.TrimSpace(host)
			break
		}
	}
	_, _ = io.Copy(io.Discard, out)
	close(serving)
}

// Host returns where the emulator serves, as its variable has it.
func (e *Emulator) Host() string { return e.host }

// Stop ends the emulator at once, with all that it holds.
func (e *Emulator) Stop() {
	if e.cmd == nil || e.cmd.Process == nil {
		return
	}
	_ = e.cmd.Process.Kill()
	_ = e.cmd.Wait()
}

// Restart kills the emulator, and starts a fresh one at the same address. It
// holds nothing then.
func (e *Emulator) Restart(ctx context.Context) (*Emulator, error) {
	program := e.cmd.Path
	e.Stop()
	return start(ctx, program, e.host)
}

// Pause stops the emulator where it stands, Resume lets it go on.
func (e *Emulator) Pause() error { return e.cmd.Process.Signal(syscall.SIGSTOP) }

// Resume lets an emulator go on that was paused.
func (e *Emulator) Resume() error { return e.cmd.Process.Signal(syscall.SIGCONT) }

// Options are for clients that must not read the variable.
func (e *Emulator) Options() []option.ClientOption {
	return []option.ClientOption{
		option.WithEndpoint("passthrough:///" + e.host),
		option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials())),
		option.WithoutAuthentication(),
	}
}

// Database makes a database with that schema, and returns its name. An empty id
// stands for a new one.
func (e *Emulator) Database(ctx context.Context, id string, ddl ...string) (string, error) {
	e.created.Do(func() { e.failed = e.createInstance(ctx) })
	if e.failed != nil {
		return "", e.failed
	}
	if id == "" {
		id = "d" + strings.ToLower(rand.Text())
	}
	admin, err := database.NewDatabaseAdminClient(ctx, e.Options()...)
	if err != nil {
		return "", fmt.Errorf("connect to the Spanner emulator: %w", err)
	}
	defer admin.Close()
	op, err := admin.CreateDatabase(ctx, &databasepb.CreateDatabaseRequest{
		Parent: parent, CreateStatement: "CREATE DATABASE " + id, ExtraStatements: ddl,
	})
	if err != nil {
		return "", fmt.Errorf("make a database in the Spanner emulator: %w", err)
	}
	if _, err := op.Wait(ctx); err != nil {
		return "", fmt.Errorf("make a database in the Spanner emulator: %w", err)
	}
	return parent + "/databases/" + id, nil
}

func (e *Emulator) createInstance(ctx context.Context) error {
	admin, err := instance.NewInstanceAdminClient(ctx, e.Options()...)
	if err != nil {
		return fmt.Errorf("connect to the Spanner emulator: %w", err)
	}
	defer admin.Close()
	op, err := admin.CreateInstance(ctx, &instancepb.CreateInstanceRequest{
		Parent: "projects/kairn", InstanceId: "test",
		Instance: &instancepb.Instance{Config: "projects/kairn/instanceConfigs/emulator-config", DisplayName: "test", NodeCount: 1},
	})
	if status.Code(err) == codes.AlreadyExists {
		return nil
	}
	if err == nil {
		_, err = op.Wait(ctx)
	}
	if err != nil {
		return fmt.Errorf("make an instance in the Spanner emulator: %w", err)
	}
	return nil
}

// Missing says loudly on out what is not run for want of an emulator, and
// reports whether that is a failure: under CI it is.
func Missing(out io.Writer, what string, err error, getenv func(string) string) bool {
	line := strings.Repeat("*", 78)
	fmt.Fprintf(out, "%s\n* NOT RUN: %s.\n* %v.\n%s\n", line, what, err, line)
	return getenv("CI") != ""
}
